"""Quality of a latent code: reconstruction, KL, active units and mutual information."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logsumexp

from molvae.chemistry.molecule import canonical
from molvae.errors import UsageError
from molvae.evaluation.base import Metric, MetricTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ACTIVE = 0.01
"""A dimension is active if the variance of its mean is above (Burda 2016, arXiv:1509.00519)."""

_BLOCK = 256  # rows whose densities under all posteriors are held at once


def information_metrics(
    mu: NDArray[np.floating], sigma: NDArray[np.floating], *, generator: np.random.Generator
) -> MetricTable:
    """Metrics of a latent code from the means and standard deviations of posteriors, `n x d` each.

    Rows with a NaN are left out; the generator draws the samples that estimate the mutual information.
    """
    known = np.isfinite(mu).all(axis=1) & np.isfinite(sigma).all(axis=1)
    means, spreads = np.asarray(mu[known], dtype=np.float64), np.asarray(sigma[known], dtype=np.float64)
    n = len(means)
    if n == 0:
        nothing = math.nan
        return _table(n, nothing, nothing, nothing, nothing)
    lower, upper = mutual_information(means, spreads, generator=generator)
    return _table(n, float(kl_divergence(means, spreads).mean()), active_units(means), lower, upper)


def kl_divergence(mu: NDArray[np.floating], sigma: NDArray[np.floating]) -> NDArray[np.float64]:
    """KL(N(mu, sigma²) || N(0, I)) of each row, `n`.

    >>> kl_divergence(np.array([[1.0, 0.0]]), np.ones((1, 2))).tolist()
    [0.5]
    """
    terms = 0.5 * (mu**2 + sigma**2 - 1.0 - 2.0 * np.log(sigma))
    return np.asarray(terms.sum(axis=1), dtype=np.float64)


def active_units(mu: NDArray[np.floating]) -> float:
    """Dimensions whose mean varies between molecules: variance above .01 (Burda 2016)."""
    return float((mu.var(axis=0) > ACTIVE).sum())


def mutual_information(
    mu: NDArray[np.float64], sigma: NDArray[np.float64], *, generator: np.random.Generator
) -> tuple[float, float]:
    """A lower and an upper bound of the mutual information of molecule and code, I(x; z).

    The lower bound compares the density of one sample of each posterior with the mean of its densities under
    the posteriors of all `n` molecules; it cannot exceed log n (Poole 2019, arXiv:1905.06922, section 2.3).
    The upper bound is the mean KL to any fixed distribution, here the Gaussian of the aggregate posterior's
    own mean and covariance (the same, section 2.1); NaN for no more molecules than dimensions.
    """
    n = len(mu)
    z = mu + sigma * generator.standard_normal(mu.shape)
    lower = 0.0
    for start in range(0, n, _BLOCK):
        part = z[start : start + _BLOCK]
        densities = _log_densities(part, mu, sigma)  # b x n
        own = densities[np.arange(len(part)), start + np.arange(len(part))]
        lower += float((own - logsumexp(densities, axis=1) + math.log(n)).sum())
    return lower / n, _mean_kl_to_aggregate(mu, sigma)


def _log_densities(
    z: NDArray[np.float64], mu: NDArray[np.float64], sigma: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Log-density of every row of `z` under every posterior N(mu, sigma²), without the constant, `b x n`."""
    precision = sigma**-2.0
    constant = (mu**2 * precision).sum(axis=1) + 2.0 * np.log(sigma).sum(axis=1)
    found: NDArray[np.float64] = -0.5 * (z**2 @ precision.T - 2.0 * (z @ (mu * precision).T) + constant)
    return found


def _mean_kl_to_aggregate(mu: NDArray[np.float64], sigma: NDArray[np.float64]) -> float:
    """Mean KL of the posteriors to the Gaussian with the mean and covariance of their mixture.

    The squares cancel: what remains is half of log |C| minus the mean of log |diag sigma²|.
    """
    if len(mu) <= mu.shape[1]:  # too few for a covariance: the bound would be invalid
        return math.nan
    centered = mu - mu.mean(axis=0)
    covariance = centered.T @ centered / len(mu) + np.diag((sigma**2).mean(axis=0))
    _, log_determinant = np.linalg.slogdet(covariance)
    return 0.5 * float(log_determinant - 2.0 * np.log(sigma).sum(axis=1).mean())


def _table(n: int, kl: float, units: float, lower: float, upper: float) -> MetricTable:
    note = "MI: bounds of the mutual information of molecule and code; the lower cannot exceed log n."
    return MetricTable(
        (
            Metric("KL", kl, n, "neither"),
            Metric("active units", units, n, "neither"),
            Metric("MI lower bound", lower, n, "higher"),
            Metric("MI upper bound", upper, n, "neither"),
        ),
        (note,),
    )


def reconstruction(given: Sequence[str], decoded: Sequence[str], *, suffix: str = "") -> MetricTable:
    """Match rates of `n` canonical SMILES and the texts decoded for them.

    `string match`: the same text. `molecule match`: the same molecule, however it is written. `decoded
    valid`: any molecule. The suffix of these names says how they were decoded.

    Raises:
        UsageError: Not one text for each molecule.

    >>> reconstruction(["CCO", "CCN", "C"], ["CCO", "NCC", "(("]).values()["molecule match"].__round__(3)
    0.667
    """
    if len(given) != len(decoded):
        raise UsageError(f"one decoded text for each molecule is needed, got {len(decoded)} for {len(given)}")
    n = len(given)
    written = [canonical(text) for text in decoded]
    shares = {
        "string match": [text == smiles for text, smiles in zip(decoded, given, strict=True)],
        "molecule match": [text == smiles for text, smiles in zip(written, given, strict=True)],
        "decoded valid": [text is not None for text in written],
    }
    return MetricTable(
        tuple(
            Metric(f"{name}{suffix}", sum(hits) / n if n else math.nan, n, "higher")
            for name, hits in shares.items()
        )
    )
