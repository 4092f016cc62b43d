"""NEMu becomes a store."""
