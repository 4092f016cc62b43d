"""Anyone's own data, as a table or in ARFF, become a store."""
