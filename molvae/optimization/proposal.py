"""Moves in latent space: pCN steps, posterior noise, spherical interpolation, ascents, prior draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from scipy.special import ndtri
from scipy.stats import rankdata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Points = NDArray[np.float32]
    Rows = NDArray[np.int64]
    Walked = tuple[Points, NDArray[np.float64] | float]  # with the lengths of their pCN steps

PCN, NOISE, SLERP, ASCENT, PRIOR = "pcn", "noise", "slerp", "ascent", "prior"
SHARES = {PCN: 0.2, NOISE: 0.2, SLERP: 0.25, ASCENT: 0.3, PRIOR: 0.05}
"""Initial shares of the moves."""
STEPS = (0.2, 0.8)
"""Shortest and longest pCN step."""
SCALES = (0.5, 2.0)
"""Smallest and largest factor on the posterior's deviations in a noise move."""
CLIMBS = (0.7, 4.0)
"""Shortest and longest ascent, in standard deviations of the prior."""
PRESSURE = 0.1
"""Parents are drawn with weight 1 / (pressure * n + rank): smaller is greedier."""
_LONGEST_STEP = 0.95


@dataclass(frozen=True)
class Proposals:
    """Latent points and their origins.

    Attributes:
        z: `q x d`, float32.
        source: Move of each: pcn, noise, slerp, ascent or prior; `q`.
        parent: Row of the elite each was made from, `q`; -1 for the prior.
        level: Length of the pCN step of each, `q`: its noise level.
    """

    z: Points
    source: tuple[str, ...]
    parent: NDArray[np.int64]
    level: NDArray[np.float64]


def pcn(z: Points, step: NDArray[np.float64] | float, generator: np.random.Generator) -> Points:
    r"""Preconditioned Crank-Nicolson move, which leaves N(0, I) invariant.

    .. math:: z' = \sqrt{1 - b^2} z + b \xi, \quad \xi \sim N(0, I)

    (Cotter et al., Statistical Science 28, 2013.) Points are `q x d`, b is in [0, 1], one for all or each.
    """
    b = np.broadcast_to(np.asarray(step, dtype=np.float64), len(z))[:, None]
    noise = generator.standard_normal(z.shape)
    return (np.sqrt(1.0 - b**2) * z + b * noise).astype(np.float32)


def slerp(a: Points, b: Points, t: NDArray[np.float64] | float) -> Points:
    r"""Points on the great circle from `a` to `b`, with norms going linearly from one to the other.

    .. math::
        \hat z(t) = \frac{\sin((1 - t)\omega)}{\sin\omega} \hat a + \frac{\sin(t\omega)}{\sin\omega} \hat b

    (Shoemake, SIGGRAPH 1985.) Parallel or zero vectors are interpolated linearly. Both ends are `q x d`, t is
    in [0, 1], one for all or each.
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


def rank_weights(scores: NDArray[np.float64], pressure: float = PRESSURE) -> NDArray[np.float64]:
    """Probabilities that fall with rank, 1 / (pressure * n + rank), best first (Tripp et al., NeurIPS 2020).

    >>> rank_weights(np.array([1.0, 3.0]), 0.5).round(3).tolist()
    [0.333, 0.667]
    """
    ranks = np.empty(len(scores))
    ranks[np.argsort(-scores, kind="stable")] = np.arange(len(scores))
    weights = 1.0 / (pressure * len(scores) + ranks)
    return np.asarray(weights / weights.sum())


@dataclass(frozen=True)
class Slope:
    """A linear model of the scores in latent space; its posterior is N(mean, noise^2 precision^-1).

    Attributes:
        mean: Weights, `d`.
        root: Lower Cholesky factor of the precision, `d x d`.
        noise: Residual standard deviation.
    """

    mean: NDArray[np.float64]
    root: NDArray[np.float64]
    noise: float

    @classmethod
    def fit(cls, z: Points, scores: NDArray[np.float64]) -> Slope:
        """Ridge regression on the normal scores of ranks, which is robust to outliers.

        The penalty `d` gives weights the prior variance 1 / d, a score of unit variance under N(0, I), for
        latent points `n x d`.
        """
        n, d = z.shape
        heights = ndtri((rankdata(scores) - 0.5) / n) if n else np.zeros(0)
        points = z.astype(np.float64)
        root = np.linalg.cholesky(points.T @ points + d * np.eye(d))
        mean = cho_solve((root, True), points.T @ heights)
        rest = heights - points @ mean
        return cls(mean, root, float(np.sqrt((rest @ rest + 1.0) / (n + 1.0))))

    def directions(self, n: int, generator: np.random.Generator) -> NDArray[np.float64]:
        """`n x d` unit vectors along weights drawn from the posterior."""
        noise = generator.standard_normal((len(self.mean), n))
        drawn = self.mean + self.noise * solve_triangular(self.root, noise, lower=True, trans=1).T
        return np.asarray(drawn / np.maximum(np.linalg.norm(drawn, axis=1, keepdims=True), 1e-12))


@dataclass(frozen=True)
class Elites:
    """Latent points to start from, `e x d`, with their fitness, `e`; higher is better.

    Noise moves need the deviations of the encoder's posterior, `e x d`, and ascents a slope. With a decoder
    that is conditioned on `noise_levels`, interpolations and ascents end with a pCN step; otherwise they
    mostly decode to the elites.
    """

    z: Points
    fitness: NDArray[np.float64]
    deviation: Points | None = None
    slope: Slope | None = None
    noise_levels: bool = False


def propose(
    elites: Elites,
    counts: Mapping[str, int],
    generator: np.random.Generator,
    prior_draws: Points,
    *,
    widening: float = 1.0,
) -> Proposals:
    """Latent points by the requested moves: pcn, noise, slerp, ascent, prior.

    Elites are drawn by rank of their fitness. Steps of pCN and scales of noise are log-uniform in `STEPS`
    and `SCALES`, times `widening` (steps are kept below 1). Noise is scaled from
    the encoder's posterior. Slerp interpolates .2 to .8 of the way between two different elites. An ascent
    follows a slope drawn from its posterior, by a log-uniform distance, after a short pCN step. For a decoder
    with noise levels, a pCN step ends both. Without elites, all points come from the prior; with a single
    one, pCN replaces slerp. There must be one of the `prior_draws` (`n x d`) per point of that move, or per
    point of all moves without elites.
    """
    wanted = {move: int(counts.get(move, 0)) for move in (PCN, NOISE, SLERP, ASCENT, PRIOR)}
    if not len(elites.z):
        wanted = {PRIOR: sum(wanted.values())}
    elif len(elites.z) == 1:
        wanted = {**wanted, PCN: wanted[PCN] + wanted[SLERP], SLERP: 0}
    weights = rank_weights(elites.fitness) if len(elites.z) else np.ones(0)
    points, moves, parents = [prior_draws[: wanted.get(PRIOR, 0)]], [PRIOR] * wanted.get(PRIOR, 0), []
    parents.append(np.full(wanted.get(PRIOR, 0), -1, dtype=np.int64))
    levels = [np.ones(wanted.get(PRIOR, 0))]
    for move, walk in ((PCN, _stepped), (NOISE, _shaken), (SLERP, _crossed), (ASCENT, _climbed)):
        n = wanted.get(move, 0)
        if n:
            first = generator.choice(len(elites.z), size=n, p=weights)
            walked, level = walk(elites, first, generator, widening)
            points.append(walked)
            levels.append(np.broadcast_to(level, n))
            moves += [move] * n
            parents.append(first)
    return Proposals(
        z=np.concatenate(points).astype(np.float32),
        source=tuple(moves),
        parent=np.concatenate(parents).astype(np.int64),
        level=np.concatenate(levels),
    )


def _stepped(elites: Elites, rows: Rows, generator: np.random.Generator, widening: float) -> Walked:
    steps = _log_uniform(STEPS, len(rows), generator) * widening
    steps = np.minimum(steps, _LONGEST_STEP)
    return pcn(elites.z[rows], steps, generator), steps


def _shaken(elites: Elites, rows: Rows, generator: np.random.Generator, widening: float) -> Walked:
    if elites.deviation is None:
        raise ValueError("noise moves need the deviations of the elites' posteriors")
    scales = _log_uniform(SCALES, len(rows), generator) * widening
    noise = generator.standard_normal(elites.z[rows].shape)
    return (elites.z[rows] + scales[:, None] * elites.deviation[rows] * noise).astype(np.float32), 0.0


def _crossed(elites: Elites, rows: Rows, generator: np.random.Generator, widening: float) -> Walked:
    del widening
    shift = generator.integers(1, len(elites.z), size=len(rows))
    others = (rows + shift) % len(elites.z)
    between = slerp(elites.z[rows], elites.z[others], generator.uniform(0.2, 0.8, size=len(rows)))
    return _blurred(between, generator) if elites.noise_levels else (between, 0.0)


def _climbed(elites: Elites, rows: Rows, generator: np.random.Generator, widening: float) -> Walked:
    if elites.slope is None:
        raise ValueError("ascents need a slope")
    steps = _log_uniform(CLIMBS, len(rows), generator) * widening
    start = elites.z[rows] if elites.noise_levels else pcn(elites.z[rows], STEPS[0], generator)
    climbed = (start + steps[:, None] * elites.slope.directions(len(rows), generator)).astype(np.float32)
    return _blurred(climbed, generator) if elites.noise_levels else (climbed, STEPS[0])


def _blurred(z: Points, generator: np.random.Generator) -> Walked:
    """Points after pCN steps, and the lengths of these."""
    steps = _log_uniform(STEPS, len(z), generator)
    return pcn(z, steps, generator), steps


def _log_uniform(bounds: tuple[float, float], n: int, generator: np.random.Generator) -> NDArray[np.float64]:
    low, high = np.log(bounds)
    return np.exp(generator.uniform(low, high, size=n))
