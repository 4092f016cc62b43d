"""Foreign files become arrays; nothing here knows a store."""
