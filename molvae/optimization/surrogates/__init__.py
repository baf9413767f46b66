"""Surrogates: probabilistic models of scores."""
