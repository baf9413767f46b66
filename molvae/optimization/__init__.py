"""Bayesian optimization on tensors: kernels, surrogates, acquisition, trust region, proposals, Pareto fronts.

Nothing here knows what a molecule is: rows of fingerprints, latent vectors and scores come in, numbers
go out.
"""
