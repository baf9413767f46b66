"""The molecule surrogate: exact Gaussian processes with a mixed kernel, hyperparameters fixed or fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from molvae.optimization.kernels import Hyperparameters, cross, gram, own
from molvae.optimization.surrogates.base import SURROGATES, Belief, training_rows
from molvae.optimization.surrogates.exact import ExactProcess
from molvae.optimization.surrogates.fitting import MixtureFit, Prior
from molvae.optimization.transforms import ScoreScaler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from molvae.optimization.config import MemberSettings
    from molvae.optimization.similarities import Comparison, Gallery

_FEWEST_TO_FIT = 4


@dataclass(frozen=True)
class _Output:
    """One output: what it was scaled by, what it was fitted to, and the process.

    Attributes:
        scaler: Of its scores.
        values: Hyperparameters.
        columns: Observations (and pending candidates) it has seen, rows of the gallery; absent: all.
        process: Absent when there is no score at all.
    """

    scaler: ScoreScaler
    values: Hyperparameters
    columns: Tensor | None
    process: ExactProcess | None


@SURROGATES.register("mixture")
class MixtureSurrogate:
    """Exact GPs, one per output, with MinMax kernels on fingerprints and an RBF on numbers.

    The scores belong to molecules, not to latent points, so no decode can detach a score from what it was
    measured on (Tripp et al., arXiv:2206.08767). Scores are scaled to zero mean and unit variance; missing
    ones are left out of their output only. Fitted hyperparameters are kept until the observations have
    grown by the factor `refit_growth`.

    Args:
        settings: What it looks at, and whether hyperparameters are fitted.
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
    ) -> None:
        """Learn from a gallery whose last `n_pending` rows await their scores; `y` is `n x m` for the others.

        Pending candidates are taken to score their mean.
        """
        self._outputs, self._fits = [], []
        priors: dict[Hyperparameters, Tensor] = {}  # outputs with the same hyperparameters share a table
        for j, column in enumerate(y.T):
            scaler = ScoreScaler.fit(column)
            rows = torch.nonzero(torch.isfinite(column))[:, 0]
            targets = scaler.to_unit(column[rows])
            old = remembered[j] if j < len(remembered) else {}
            values = self._hyperparameters(gallery, rows, targets, old)
            if not len(rows):
                self._outputs.append(_Output(scaler, values, None, None))
                continue
            if values not in priors:
                priors[values] = gram(gallery, self.settings.views, values)
            waiting = torch.arange(len(y), len(y) + n_pending)
            process = _conditioned(priors[values], rows, waiting, targets, values)
            columns = torch.cat([rows, waiting])
            everything = len(columns) == len(gallery)
            self._outputs.append(_Output(scaler, values, None if everything else columns, process))

    def remembered(self) -> list[dict[str, Any]]:
        """What the next fit may start from, per output, as JSON values."""
        return self._fits

    @property
    def hyperparameters(self) -> list[Hyperparameters]:
        """Of each output."""
        return [output.values for output in self._outputs]

    def posterior(self, comparison: Comparison, *, joint: bool = False) -> Belief:
        """The belief about candidates, with covariances between them if `joint`."""
        if not self._outputs:
            raise ValueError("fit the surrogate before asking it for a posterior")
        tables: dict[Hyperparameters, tuple[Tensor, Tensor]] = {}
        found = []
        for output in self._outputs:
            if output.values not in tables:
                tables[output.values] = self._tables(comparison, output.values, joint=joint)
            found.append(_believed(output, *tables[output.values]))
        mean = torch.stack([mean for mean, _ in found], dim=1)
        if not joint:
            return Belief(mean, torch.stack([spread for _, spread in found], dim=1))
        covariance = torch.stack([spread for _, spread in found])
        return Belief(mean, torch.diagonal(covariance, dim1=-2, dim2=-1).T.clamp_min(0.0), covariance)

    def _tables(
        self, comparison: Comparison, values: Hyperparameters, *, joint: bool
    ) -> tuple[Tensor, Tensor]:
        views = self.settings.views
        if joint:
            return cross(comparison, views, values), own(comparison, views, values)
        variance = torch.full((len(comparison),), values.outputscale, dtype=torch.float64)
        return cross(comparison, views, values), variance

    def _hyperparameters(
        self, gallery: Gallery, rows: Tensor, targets: Tensor, remembered: dict[str, Any]
    ) -> Hyperparameters:
        settings = self.settings
        if settings.hyperparameters == "fixed" or len(rows) < _FEWEST_TO_FIT:
            self._fits.append({})
            return self._fixed(gallery.numbers.shape[1])
        n_known = len(rows) + gallery.n_left_out  # what is kept changes even where its number does not
        if remembered and n_known < settings.refit_growth * remembered["n"]:
            self._fits.append(remembered)
            return Hyperparameters.from_json(remembered["values"])
        half = settings.n_fit // 2
        priority = torch.rand(len(rows), generator=torch.Generator().manual_seed(len(rows)))
        kept = training_rows(targets, half, settings.n_fit - half, priority)
        tables = [gallery.gram(view)[rows[kept]][:, rows[kept]] for view in settings.views]
        numbers = gallery.numbers[rows[kept]] if settings.numbers else None
        start = Hyperparameters.from_json(remembered["values"]) if remembered else None
        fit = MixtureFit(tables, numbers, targets[kept], Prior(), own_lengthscales=settings.own_lengthscales)
        values = fit.run(start)
        self._fits.append({"n": n_known, "values": values.to_json()})
        return values

    def _fixed(self, p: int) -> Hyperparameters:
        settings = self.settings
        parts = len(settings.views) + settings.numbers
        weight = settings.outputscale / parts
        return Hyperparameters(
            weights=(weight,) * len(settings.views),
            numbers_weight=weight if settings.numbers else 0.0,
            lengthscales=(max(p, 1) ** 0.5,) * p if settings.numbers else (),
            noise=settings.noise,
            mean=settings.mean,
        )


def _conditioned(
    prior: Tensor, rows: Tensor, waiting: Tensor, targets: Tensor, values: Hyperparameters
) -> ExactProcess:
    """The process of one output, given the prior covariances of the whole gallery."""
    seen = prior if len(rows) == len(prior) else prior[rows][:, rows]
    process = ExactProcess.fit(seen, targets, noise=values.noise, mean=values.mean)
    if not len(waiting):
        return process
    between, among = prior[waiting][:, rows], prior[waiting][:, waiting]
    believed, _ = process.posterior(between, among.diagonal())
    return process.extended(between, among, believed)


def _believed(output: _Output, between: Tensor, among: Tensor) -> tuple[Tensor, Tensor]:
    if output.process is None:
        return torch.zeros(len(between), dtype=torch.float64), among / output.values.outputscale
    seen = between if output.columns is None else between[:, output.columns]
    mean, spread = output.process.posterior(seen, among)
    return output.scaler.from_unit(mean), spread * output.scaler.scale**2
