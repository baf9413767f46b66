"""Priors over latent vectors."""
