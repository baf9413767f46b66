"""Molecules; the only room that imports RDKit."""
