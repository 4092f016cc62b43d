"""Pure functions on tensors: no modules, no randomness, no state."""
