"""CMU-MOSEI, in the four forms in which people have it, becomes a store."""
