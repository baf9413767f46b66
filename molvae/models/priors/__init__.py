"""Priors: where latent vectors are drawn from, N(0, I) or what was fitted to the posterior afterwards."""
