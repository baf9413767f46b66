"""Where latent vectors are drawn from: N(0, I), or what was fitted to the posterior afterwards."""

from molvae.models.priors.base import PRIORS
from molvae.models.priors.mixture import GaussianMixture

__all__ = ["PRIORS", "GaussianMixture"]
