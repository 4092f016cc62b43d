"""MELD becomes a store."""
