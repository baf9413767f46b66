"""Everything that knows what a molecule is; the only room that imports RDKit."""
