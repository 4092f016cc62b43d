"""Multi-modal multi-label emotion recognition on heterogeneous graphs."""
