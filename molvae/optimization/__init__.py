"""Bayesian optimization on tensors: kernels, surrogates, acquisition, trust region, proposals, Pareto fronts.

Inputs are fingerprints, latent vectors and scores; no molecules.
"""
