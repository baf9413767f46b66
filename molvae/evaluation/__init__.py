"""Measures of molecules and of predictions; it takes SMILES and arrays, never a model."""
