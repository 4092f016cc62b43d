"""M3ED becomes a store."""
