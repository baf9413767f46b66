"""The molecule surrogate: exact Gaussian processes with a mixed kernel, hyperparameters fixed or fitted."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

import torch

from molvae.optimization.gaussian_process import (
    MINIMUM_NOISE,
    ExactProcess,
    Hyperparameters,
    MixtureFit,
    covariances,
    sites,
)
from molvae.optimization.surrogates import SURROGATES, Belief, Evidence, ScoreScaler, training_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from molvae.optimization.config import MemberSettings
    from molvae.optimization.similarities import Comparison, Gallery


OUTPUTSCALE = 10.0  # prior variance without a fit; large, to explore molecules unlike all observations
NOISE = 1e-3  # variance of scaled scores without a fit
_FEWEST_TO_FIT = 4
_N_FIT = 300  # maximum observations for fitting hyperparameters: half the best, half random
_REFIT_GROWTH = 1.3  # growth of the observations before hyperparameters are refitted


@dataclass(frozen=True)
class _About:
    """Censoring and replicates of one output, standardized.

    Attributes:
        bound: Of censored scores, `n`; NaN for the others.
        sign: 1 where the score is above its bound, -1 where below, `n`.
        counts: Number of measurements each value is the mean of, `n`.
        noise: Variance of a single measurement; `None` without replicates.
    """

    bound: Tensor
    sign: Tensor
    counts: Tensor
    noise: float | None

    @classmethod
    def of(cls, evidence: Evidence, column: int, scaler: ScoreScaler) -> _About:
        lower, upper = evidence.lower[:, column], evidence.upper[:, column]
        above = torch.isfinite(lower)
        noise = float(evidence.noise[column]) / scaler.scale**2
        known = max(noise, MINIMUM_NOISE) if math.isfinite(noise) else None
        sign = torch.where(above, 1.0, -1.0).double()
        return cls(scaler.to_unit(torch.where(above, lower, upper)), sign, evidence.counts[:, column], known)


@dataclass(frozen=True)
class _Output:
    """A fitted output, and the rows of the gallery it was fitted to (`None`: all)."""

    scaler: ScoreScaler
    values: Hyperparameters
    columns: Tensor | None
    process: ExactProcess | None


@SURROGATES.register("mixture")
class MixtureSurrogate:
    """Exact GPs, one per output, with MinMax kernels on fingerprints and an RBF on numbers.

    Inputs are molecules, not latent points, so that a score belongs to the measured molecule (Tripp
    et al., arXiv:2206.08767). Scores are standardized; missing ones are left out of their output only.
    Fitted hyperparameters are kept until the observations have grown by `_REFIT_GROWTH`.
    """

    def __init__(self, settings: MemberSettings) -> None:
        self.settings = settings
        self._outputs: list[_Output] = []
        self._fits: list[dict[str, Any]] = []

    def fit(
        self,
        gallery: Gallery,
        y: Tensor,
        *,
        n_pending: int = 0,
        remembered: Sequence[dict[str, Any]] = (),
        evidence: Evidence | None = None,
    ) -> None:
        """Fit to a gallery whose last `n_pending` rows are pending; `y` is `n x m` for the others.

        Pending candidates are assumed to score their mean. The noise variance of a mean of n measurements is
        divided by n; bounds are handled by `sites`.
        """
        self._outputs, self._fits = [], []
        priors: dict[Hyperparameters, Tensor] = {}  # outputs with the same hyperparameters share a table
        for j, column in enumerate(y.T):
            scaler = ScoreScaler.fit(column)
            rows = torch.nonzero(torch.isfinite(column))[:, 0]
            targets = scaler.to_unit(column[rows])
            old = remembered[j] if j < len(remembered) else {}
            about = None if evidence is None else _About.of(evidence, j, scaler)
            values = self._hyperparameters(gallery, rows, targets, old, about)
            if not len(rows):
                self._outputs.append(_Output(scaler, values, None, None))
                continue
            if values not in priors:
                tables, numbers = map(gallery.gram, self.settings.views), gallery.numbers
                priors[values] = covariances(values, tables, numbers, numbers)
            waiting = torch.arange(len(y), len(y) + n_pending)
            process, seen = _conditioned(priors[values], rows, targets, values, about)
            process = _expecting(process, priors[values], seen, waiting, values.noise)
            columns = torch.cat([seen, waiting])
            everything = torch.equal(columns, torch.arange(len(gallery)))
            self._outputs.append(_Output(scaler, values, None if everything else columns, process))

    def remembered(self) -> list[dict[str, Any]]:
        """State for the next fit, per output, as JSON values."""
        return self._fits

    @property
    def hyperparameters(self) -> list[Hyperparameters]:
        """Of each output."""
        return [output.values for output in self._outputs]

    def posterior(self, comparison: Comparison, *, joint: bool = False) -> Belief:
        """The belief about candidates, with covariances between them if `joint`."""
        if not self._outputs:
            raise ValueError("fit the surrogate before requesting a posterior")
        views, new, seen = self.settings.views, comparison.numbers, comparison.gallery.numbers
        priors: dict[Hyperparameters, tuple[Tensor, Tensor]] = {}  # shared by outputs, as in `fit`
        found = []
        for output in self._outputs:
            values = output.values
            if values not in priors:
                among = torch.full((len(comparison),), values.outputscale, dtype=torch.float64)
                if joint:
                    among = covariances(values, map(comparison.own, views), new, new)
                priors[values] = covariances(values, map(comparison.cross, views), new, seen), among
            found.append(_believed(output, *priors[values]))
        mean = torch.stack([mean for mean, _ in found], dim=1)
        if not joint:
            return Belief(mean, torch.stack([spread for _, spread in found], dim=1))
        return Belief.joint(mean, torch.stack([spread for _, spread in found]))

    def _hyperparameters(
        self,
        gallery: Gallery,
        rows: Tensor,
        targets: Tensor,
        remembered: dict[str, Any],
        about: _About | None,
    ) -> Hyperparameters:
        settings = self.settings
        if settings.hyperparameters == "fixed" or len(rows) < _FEWEST_TO_FIT:
            self._fits.append({})
            return self._fixed(gallery.numbers.shape[1], None if about is None else about.noise)
        n_known = len(rows) + gallery.n_left_out  # the gallery may change without growing
        if remembered and n_known < _REFIT_GROWTH * remembered["n"]:
            self._fits.append(remembered)
            return Hyperparameters.from_json(remembered["values"])
        half = _N_FIT // 2
        priority = torch.rand(len(rows), generator=torch.Generator().manual_seed(len(rows)))
        kept = training_rows(targets, half, _N_FIT - half, priority)
        tables = [table[rows[kept]][:, rows[kept]] for table in map(gallery.gram, settings.views)]
        numbers = gallery.numbers[rows[kept]] if settings.numbers else None
        start = Hyperparameters.from_json(remembered["values"]) if remembered else None
        counts, noise = (None, None) if about is None else (about.counts[rows[kept]], about.noise)
        values = MixtureFit(tables, numbers, targets[kept], counts=counts, noise=noise).run(start)
        self._fits.append({"n": n_known, "values": astuple(values)})
        return values

    def _fixed(self, p: int, noise: float | None) -> Hyperparameters:
        settings = self.settings
        parts = len(settings.views) + settings.numbers
        weight = OUTPUTSCALE / parts
        return Hyperparameters(
            weights=(weight,) * len(settings.views),
            numbers_weight=weight if settings.numbers else 0.0,
            lengthscales=(max(p, 1) ** 0.5,) * p if settings.numbers else (),
            noise=NOISE if noise is None else noise,
            mean=0.0,
        )


def _conditioned(
    prior: Tensor, rows: Tensor, targets: Tensor, values: Hyperparameters, about: _About | None
) -> tuple[ExactProcess, Tensor]:
    """The process of one output and its rows of the gallery, given the prior covariances."""
    seen = prior if len(rows) == len(prior) else prior[rows][:, rows]
    noise = values.noise if about is None else values.noise / about.counts[rows]
    process = ExactProcess.fit(seen, targets, noise=noise, mean=values.mean)
    if about is None:
        return process, rows
    censored = torch.isfinite(about.bound)
    censored[rows] = False
    limited = torch.nonzero(censored)[:, 0]
    if not len(limited):
        return process, rows
    between, among = prior[limited][:, rows], prior[limited][:, limited]
    mean, covariance = process.posterior(between, among)
    stand_in, spread = sites(mean, covariance, about.bound[limited], about.sign[limited], values.noise)
    return process.extended(between, among, stand_in, spread), torch.cat([rows, limited])


def _expecting(
    process: ExactProcess, prior: Tensor, seen: Tensor, waiting: Tensor, noise: float
) -> ExactProcess:
    """The process after pending candidates have scored their means."""
    if not len(waiting):
        return process
    between, among = prior[waiting][:, seen], prior[waiting][:, waiting]
    believed, _ = process.posterior(between, among.diagonal())
    return process.extended(between, among, believed, noise)


def _believed(output: _Output, between: Tensor, among: Tensor) -> tuple[Tensor, Tensor]:
    if output.process is None:
        return torch.zeros(len(between), dtype=torch.float64), among / output.values.outputscale
    seen = between if output.columns is None else between[:, output.columns]
    mean, spread = output.process.posterior(seen, among)
    return output.scaler.from_unit(mean), spread * output.scaler.scale**2
