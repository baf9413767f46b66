"""Moves in latent space that keep the standard normal prior: pCN steps, spherical paths, fresh draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from molvae.optimization.config import ProposalSettings

    Points = NDArray[np.float32]

PCN, SLERP, PRIOR = "pcn", "slerp", "prior"


@dataclass(frozen=True)
class Proposals:
    """Latent points and where they come from.

    Attributes:
        z: `q x d`, float32.
        source: Move of each: pcn, slerp or prior; `q`.
        parent: Row of the elite each was made from, `q`; -1 for the prior.
    """

    z: Points
    source: tuple[str, ...]
    parent: NDArray[np.int64]


def pcn(z: Points, step: NDArray[np.float64] | float, generator: np.random.Generator) -> Points:
    r"""Preconditioned Crank-Nicolson move, which leaves N(0, I) invariant.

    .. math:: z' = \sqrt{1 - b^2} z + b \xi, \quad \xi \sim N(0, I)

    (Cotter et al., Statistical Science 28, 2013.)

    Args:
        z: Points, `q x d`.
        step: b in [0, 1], one for all or one per point.
        generator: Draws the noise.
    """
    b = np.broadcast_to(np.asarray(step, dtype=np.float64), len(z))[:, None]
    noise = generator.standard_normal(z.shape)
    return (np.sqrt(1.0 - b**2) * z + b * noise).astype(np.float32)


def slerp(a: Points, b: Points, t: NDArray[np.float64] | float) -> Points:
    r"""Points on the great circle from `a` to `b`, with norms going linearly from one to the other.

    .. math::
        \hat z(t) = \frac{\sin((1 - t)\omega)}{\sin\omega} \hat a + \frac{\sin(t\omega)}{\sin\omega} \hat b

    (Shoemake, SIGGRAPH 1985.) Parallel or zero vectors are interpolated linearly.

    Args:
        a: Starts, `q x d`.
        b: Ends, `q x d`.
        t: Fraction of the way in [0, 1], one for all or one per pair.
    """
    share = np.broadcast_to(np.asarray(t, dtype=np.float64), len(a))[:, None]
    start, end = a.astype(np.float64), b.astype(np.float64)
    norm_start = np.linalg.norm(start, axis=1, keepdims=True)
    norm_end = np.linalg.norm(end, axis=1, keepdims=True)
    safe = (norm_start > 0) & (norm_end > 0)
    unit_start = start / np.where(norm_start > 0, norm_start, 1.0)
    unit_end = end / np.where(norm_end > 0, norm_end, 1.0)
    angle = np.arccos(np.clip((unit_start * unit_end).sum(1, keepdims=True), -1.0, 1.0))
    sine = np.sin(angle)
    curved = safe & (sine > 1e-6)  # noqa: PLR2004
    divisor = np.where(curved, sine, 1.0)
    direction = (
        np.sin((1 - share) * angle) / divisor * unit_start + np.sin(share * angle) / divisor * unit_end
    )
    on_circle = direction * ((1 - share) * norm_start + share * norm_end)
    straight = (1 - share) * start + share * end
    return np.where(curved, on_circle, straight).astype(np.float32)


def rank_weights(scores: NDArray[np.float64], pressure: float) -> NDArray[np.float64]:
    """Probabilities that fall with rank, 1 / (pressure * n + rank), best first (Tripp et al., NeurIPS 2020).

    >>> rank_weights(np.array([1.0, 3.0]), 0.5).round(3).tolist()
    [0.333, 0.667]
    """
    ranks = np.empty(len(scores))
    ranks[np.argsort(-scores, kind="stable")] = np.arange(len(scores))
    weights = 1.0 / (pressure * len(scores) + ranks)
    return np.asarray(weights / weights.sum())


def propose(
    elites: Points,
    scores: NDArray[np.float64],
    settings: ProposalSettings,
    generator: np.random.Generator,
    prior_draws: Points,
    *,
    n: int,
    widening: float = 1.0,
) -> Proposals:
    """`n` latent points: pCN moves around elites, slerp between elites, and fresh prior draws.

    Elites are drawn by rank of their scores. Steps of pCN are log-uniform between the settings' bounds,
    times `widening` (kept below 1). Slerp walks .2 to .8 of the way between two different elites. Without
    elites all points come from the prior, with a single one there is no slerp.

    Args:
        elites: Latent points of parents, `e x d`.
        scores: Worth of each, `e`; higher is better.
        settings: Shares and steps.
        generator: Draws everything.
        prior_draws: Draws from the prior, at least `n x d`; as many as needed are used.
        n: How many points.
        widening: Factor on the steps.
    """
    shares = np.array([settings.pcn, settings.slerp if len(elites) > 1 else 0.0, settings.prior])
    if not len(elites) or shares.sum() == 0:
        shares = np.array([0.0, 0.0, 1.0])
    n_pcn, n_slerp, n_prior = generator.multinomial(n, shares / shares.sum())
    weights = rank_weights(scores, settings.pressure) if len(elites) else np.ones(0)
    first = generator.choice(len(elites), size=n_pcn, p=weights) if n_pcn else np.zeros(0, dtype=np.int64)
    low, high = np.log(settings.step_low), np.log(settings.step_high)
    steps = np.minimum(np.exp(generator.uniform(low, high, size=n_pcn)) * widening, 0.95)
    walked = pcn(elites[first], steps, generator) if n_pcn else prior_draws[:0]
    crossed, left = _crossed(elites, weights, n_slerp, generator) if n_slerp else (prior_draws[:0], first[:0])
    return Proposals(
        z=np.concatenate([walked, crossed, prior_draws[:n_prior]]).astype(np.float32),
        source=(PCN,) * n_pcn + (SLERP,) * n_slerp + (PRIOR,) * n_prior,
        parent=np.concatenate([first, left, np.full(n_prior, -1)]).astype(np.int64),
    )


def _crossed(
    elites: Points, weights: NDArray[np.float64], n: int, generator: np.random.Generator
) -> tuple[Points, NDArray[np.int64]]:
    left = generator.choice(len(elites), size=n, p=weights)
    shift = generator.integers(1, len(elites), size=n)
    right = (left + shift) % len(elites)
    share = generator.uniform(0.2, 0.8, size=n)
    return slerp(elites[left], elites[right], share), left
