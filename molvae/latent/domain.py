"""The applicability domain: how far a molecule is from the training set."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from scipy import linalg
from scipy.spatial import cKDTree

from molvae.errors import InputError, UsageError
from molvae.models.tensors import check_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


SCORES = ("reconstruction", "density", "neighbor", "surprise")
"""Single scores, higher for more unusual molecules; the first three are combined."""
COMBINED = "combined"
_N_COMBINED = 3  # not surprise, which grows with molecular size within the domain too
_GRID = 1001  # quantiles kept of each score on held-out molecules
_REFERENCE = 8192  # training molecules kept for the neighbor distance
_COMPONENTS = 32  # principal axes of the neighbor search
_RIDGE = 1e-4  # added to the covariance of the means
_FEWEST = 100  # minimum number of held-out molecules for calibration


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Terms of the ELBO for each of `n` molecules; NaN for what the model cannot read."""

    reconstruction: NDArray[np.float64]  # -log p(x | mu), in nats, n
    kl: NDArray[np.float64]  # KL(q(z|x) || N(0, I)), in nats, n
    n_tokens: NDArray[np.float64]  # tokens, the end mark included, n
    mu: NDArray[np.float32]  # posterior means, n x d


@dataclass(frozen=True, slots=True)
class DomainScores:
    """Out-of-domain scores of `n` molecules, higher for more unusual ones; NaN if the model cannot read them.

    Attributes:
        reconstruction: -log p(x | mu) per token, in nats.
        density: Squared Mahalanobis distance of mu among the training molecules' means, over `d`.
        neighbor: Distance of mu to the nearest training molecule, on whitened principal axes.
        surprise: Reconstruction + KL, the negative ELBO of the whole molecule, in nats.
        combined: The first three combined by Fisher's method: -2 Σ log p, where p is the share of held-out
            molecules whose score is at least as high. Near 6 for a typical molecule.
        p_value: Share of held-out molecules with a combined score at least as high: the lowest false-alarm
            rate at which this molecule is outside the domain.
    """

    reconstruction: NDArray[np.float64]
    density: NDArray[np.float64]
    neighbor: NDArray[np.float64]
    surprise: NDArray[np.float64]
    combined: NDArray[np.float64]
    p_value: NDArray[np.float64]

    def inside(self, false_alarm: float = 0.05) -> NDArray[np.bool_]:
        """Which molecules are in the domain, at a false-alarm rate for molecules like the training set.

        Molecules the model cannot read are outside.
        """
        return np.nan_to_num(self.p_value, nan=0.0) > false_alarm


def require_domain(domain: ApplicabilityDomain | None) -> ApplicabilityDomain:
    """The applicability domain of a model.

    Raises:
        UsageError: The model was not calibrated.
    """
    if domain is None:
        raise UsageError(
            "this model has no calibrated applicability domain",
            hint="Run 'molvae calibrate CHECKPOINT --corpus CORPUS' once.",
        )
    return domain


@dataclass(frozen=True)
class ApplicabilityDomain:
    """Scores molecules; fitted on training molecules and calibrated on held-out ones."""

    center: NDArray[np.float32]  # mean of the training molecules' means, d
    factor: NDArray[np.float32]  # Cholesky factor of their covariance, d x d
    axes: NDArray[np.float32]  # whitened principal axes, d x c
    reference: NDArray[np.float32]  # training molecules on these axes, m x c
    quantiles: NDArray[np.float32]  # of the four scores and the combined one on held-out molecules, 5 x q

    @classmethod
    def fit(
        cls, training: NDArray[np.floating], held_out: Likelihood, *, generator: np.random.Generator
    ) -> Self:
        """Fit on training molecules, and calibrate on held-out ones from the same source.

        10,000 posterior means of training molecules, `n x d`, are enough; the generator draws the reference
        molecules from them, if there are many.

        Raises:
            InputError: Too few molecules can be read.
        """
        mu = np.asarray(training, dtype=np.float64)
        mu = mu[np.isfinite(mu).all(axis=1)]
        if len(mu) <= mu.shape[1]:
            raise InputError(f"{len(mu)} training molecules are too few for {mu.shape[1]} latent dimensions")
        center = mu.mean(axis=0)
        covariance = np.cov(mu, rowvar=False) + _RIDGE * np.eye(mu.shape[1])
        values, vectors = np.linalg.eigh(covariance)
        top = np.argsort(values)[::-1][:_COMPONENTS]
        axes = vectors[:, top] / np.sqrt(values[top])
        chosen = generator.permutation(len(mu))[:_REFERENCE]
        factor, reference = np.linalg.cholesky(covariance), (mu[chosen] - center) @ axes
        bare = cls(
            center=center.astype(np.float32),
            factor=factor.astype(np.float32),
            axes=axes.astype(np.float32),
            reference=reference.astype(np.float32),
            quantiles=np.zeros((0, 0), dtype=np.float32),
        )
        singles = bare._single(held_out)
        singles = singles[:, np.isfinite(singles).all(axis=0)]
        if singles.shape[1] < _FEWEST:
            raise InputError(
                f"{singles.shape[1]} held-out molecules are too few to calibrate on",
                hint=f"Give at least {_FEWEST}.",
            )
        grid = np.linspace(0.0, 1.0, _GRID)
        of_singles = np.quantile(singles, grid, axis=1).T
        combined = np.quantile(_combine(singles, of_singles), grid)
        return replace(bare, quantiles=np.concatenate([of_singles, combined[None]]).astype(np.float32))

    def score(self, terms: Likelihood) -> DomainScores:
        """Scores of molecules (`latent.likelihood` gives their terms), same length and order."""
        singles = self._single(terms)
        combined = _combine(singles, self.quantiles[:-1])
        p_value = np.where(np.isfinite(combined), _share_above(combined, self.quantiles[-1]), np.nan)
        reconstruction, density, neighbor, surprise = singles
        return DomainScores(reconstruction, density, neighbor, surprise, combined, p_value)

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Arrays from which this domain can be restored."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.float32]], latent_size: int) -> Self:
        """Restore a domain from its arrays.

        Raises:
            KeyError: There is no reference.
            ValueError: Names, shapes or values are wrong.
        """
        n_axes = min(_COMPONENTS, latent_size)
        expected = {
            "center": (latent_size,),
            "factor": (latent_size, latent_size),
            "axes": (latent_size, n_axes),
            "reference": (len(arrays["reference"]), n_axes),
            "quantiles": (len(SCORES) + 1, _GRID),
        }
        check_tensors({name: torch.from_numpy(array) for name, array in arrays.items()}, expected)
        if len(arrays["reference"]) == 0 or (np.diag(arrays["factor"]) <= 0).any():
            raise ValueError("the reference is empty, or the factor is not a Cholesky factor")
        if (np.diff(arrays["quantiles"], axis=1) < 0).any():
            raise ValueError("quantiles decrease")
        return cls(**arrays)

    def _single(self, terms: Likelihood) -> NDArray[np.float64]:
        """The four single scores, `4 x n`."""
        n = len(terms.mu)
        readable = np.isfinite(terms.mu).all(axis=1)
        scores = np.full((len(SCORES), n), np.nan)
        if not readable.any():
            return scores
        away = terms.mu[readable].astype(np.float64) - self.center
        whitened = linalg.solve_triangular(self.factor.astype(np.float64), away.T, lower=True)
        nearest, _ = cKDTree(self.reference).query(away @ self.axes)
        scores[0] = terms.reconstruction / terms.n_tokens
        scores[1, readable] = np.square(whitened).mean(axis=0)
        scores[2, readable] = nearest
        scores[3] = terms.reconstruction + terms.kl
        return scores


def _share_above(values: NDArray[np.float64], quantiles: NDArray[np.floating]) -> NDArray[np.float64]:
    """Share of the calibration molecules at least as high; beyond the highest, half of one grid step."""
    below = np.interp(values, quantiles, np.linspace(0.0, 1.0, len(quantiles)))
    return np.clip(1.0 - below, 0.5 / len(quantiles), 1.0)


def _combine(singles: NDArray[np.float64], quantiles: NDArray[np.floating]) -> NDArray[np.float64]:
    """Fisher's statistic of the combined scores, `n`; it keeps growing beyond the calibrated range."""
    total = np.zeros(singles.shape[1])
    pairs = zip(singles[:_N_COMBINED], quantiles[:_N_COMBINED], strict=True)
    for values, grid in pairs:
        middle, high = (float(grid[round(share * (len(grid) - 1))]) for share in (0.5, 0.9))
        beyond = np.maximum((values - grid[-1]) / max(high - middle, 1e-9), 0.0)
        total += -2.0 * np.log(_share_above(values, grid)) + 2.0 * beyond
    return total
