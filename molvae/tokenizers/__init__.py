"""Molecular text to token ids and back."""
