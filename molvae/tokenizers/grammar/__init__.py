"""Which texts may still become SMILES of a molecule: syntax, valence and aromaticity, unit by unit."""
