"""Metrics of molecules and predictions, from SMILES and arrays."""
