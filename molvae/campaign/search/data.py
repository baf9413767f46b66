"""Training data of surrogates from a campaign, and goals as functions of their outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from molvae.campaign.search.evidence import Tails, evidence_of, has_evidence, tails_of, tamed
from molvae.campaign.utility import constrained_scores, goals, within
from molvae.optimization.acquisition import Bounds, Composition, Problem, Standing
from molvae.optimization.multiobjective import chebyshev_functions, columns_of
from molvae.optimization.similarities import Gallery
from molvae.optimization.surrogates import Portfolio, ScoreScaler, training_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from molvae.campaign.objectives import KnownScores
    from molvae.campaign.search.base import Situation
    from molvae.optimization.config import MemberSettings
    from molvae.optimization.multiobjective import Utility
    from molvae.optimization.surrogates import Evidence
    from molvae.oracles.config import Objective


_N_BEST, _N_RANDOM = 1000, 500  # training observations: the best, and a sample of the others
_RECENCY = 2000.0  # decay constant of the weight an observation is drawn with, in later observations
_N_SCALARIZATIONS = 4  # of several goals, per batch


@dataclass(frozen=True)
class Data:
    """Training data of one batch.

    Attributes:
        smiles: Molecules with at least one score, `n`.
        y: Goals (one, several scalarizations, or their parts), then constrained scores, `n x m`; NaN where
            missing.
        pending: Candidates without scores.
        problem: Goals and constraints.
        worth: Observed goals or scalarizations, `n x s`.
        allowed: Which observations satisfy all bounds, `n`.
        admitted: Which observations satisfy the known bounds, `n`.
        n_left_out: Number of scored molecules left out.
        evidence: Censoring and replicates, if any.
    """

    smiles: list[str]
    y: torch.Tensor
    pending: list[str]
    problem: Problem
    worth: torch.Tensor
    allowed: torch.Tensor
    admitted: NDArray[np.bool_]
    n_left_out: int = 0
    evidence: Evidence | None = None

    @property
    def informative(self) -> bool:
        """Whether any scores differ."""
        known = [column[torch.isfinite(column)] for column in self.y.T]
        return any(len(column) and bool(column.max() > column.min()) for column in known)


def training_data(
    situation: Situation,
    generator: torch.Generator,
    *,
    since: int = 0,
    scalarized: bool = True,
    exact: bool = False,
) -> Data | None:
    """The observations as tensors, thinned for the surrogates; `None` without scores.

    Args:
        situation: Its history is used.
        generator: Draws scalarizations.
        since: Leave out trials before this one.
        scalarized: Whether several goals are scalarized; otherwise each measured one is a column.
        exact: Whether computed goals enter exactly; otherwise scalarizations are modeled.
    """
    history = situation.history
    objectives: Sequence[Objective] = history.settings.objectives
    known, asked, learned = history.known, list(history.known.measured), list(history.known.modeled)
    scored = [trial for trial in list(history.trials.values())[since:] if has_evidence(trial)]
    if not any(np.isfinite(trial.values[asked]).any() for trial in scored):
        return None
    raw = np.stack([trial.values for trial in scored])
    tails = [Tails() if j in known.wholes else tail for j, tail in enumerate(tails_of(raw, objectives))]
    values, objectives = tamed(raw, objectives, tails)
    own = [j for j, objective in enumerate(objectives) if objective.is_goal]
    wanted = torch.from_numpy(goals(values, objectives))
    functions = chebyshev_functions(wanted, _N_SCALARIZATIONS, generator)
    worths = columns_of(wanted, functions)
    exact = exact and any(j not in learned for j in own)
    scalarized = scalarized and not exact
    sources: list[int | None]  # objective of each column
    if scalarized:
        columns, sources = worths, [None] * worths.shape[1] if len(own) > 1 else [*own]
    else:
        parts = [j for j in learned if not objectives[j].is_constraint]
        signs = np.array([objectives[j].sign for j in parts])
        columns, sources = torch.from_numpy(values[:, parts] * signs), [*parts]
    bounded, lower, upper = constrained_scores(values[:, learned], [objectives[j] for j in learned])
    bounds = Bounds(torch.from_numpy(lower), torch.from_numpy(upper))
    admitted = within(values, objectives, known.bounds)
    allowed = torch.from_numpy(admitted & within(values, objectives, learned))
    sources += [j for j in learned if objectives[j].is_constraint]
    rows = _kept(situation, worths[:, 0], allowed)
    return Data(
        smiles=[scored[row].smiles for row in rows],
        y=torch.cat([columns, torch.from_numpy(bounded)], dim=1)[rows],
        pending=[trial.smiles for trial in history.pending],
        problem=Problem(
            n_goals=columns.shape[1],
            standings=tuple(_standing(column, allowed) for column in worths.T),
            bounds=bounds,
            composition=composition_of(known, functions) if exact else None,
        ),
        worth=worths[rows],
        allowed=allowed[rows],
        admitted=admitted[rows.numpy()],
        n_left_out=len(scored) - len(rows),
        evidence=evidence_of([scored[row] for row in rows], objectives, tails, sources),
    )


def _kept(situation: Situation, worth: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """Rows of the training observations, mostly the same from batch to batch.

    The best, and a sample of the others by priority: Gumbel noise plus a slope, of which the highest are a
    draw without replacement that favors recent observations (Efraimidis and Spirakis, Information Processing
    Letters 97, 2006).
    """
    span = torch.nan_to_num(worth).abs().amax()
    worth = torch.where(allowed, worth, worth - 4 * span)  # below everything feasible
    noise = situation.seeds.numpy("kept").random(len(worth))
    age = np.arange(len(worth)) / _RECENCY
    return training_rows(worth, _N_BEST, _N_RANDOM, torch.from_numpy(age - np.log(-np.log(noise))))


def _standing(column: torch.Tensor, allowed: torch.Tensor) -> Standing:
    reached = column[allowed & torch.isfinite(column)]
    return Standing(float(reached.max()) if len(reached) else None, ScoreScaler.fit(column).scale)


def fitted(
    situation: Situation,
    data: Data,
    members: Sequence[MemberSettings],
    remembered: Mapping[str, Any] | None,
    pending: Sequence[str] = (),
) -> Portfolio:
    """Surrogates fitted to training data; `pending` molecules are assumed to score their mean."""
    names = [*data.smiles, *pending]
    gallery = Gallery(situation.features(names), names, situation.features.grams, data.n_left_out)
    return Portfolio(
        members, gallery, data.y, n_pending=len(pending), remembered=remembered, evidence=data.evidence
    )


def composition_of(known: KnownScores, functions: Sequence[Utility]) -> Composition:
    """Functions of all goals (`... x g` to `...`, each goal to be maximized) as functions of outputs.

    Outputs are those of the surrogates, in the order of `known.modeled`, with the sign of minimized
    goals flipped, then known scores, in the order of `known.columns`. A composite goal is a function of its
    parts.
    """
    objectives = known.objectives
    output = {j: place for place, j in enumerate((*known.modeled, *known.columns))}
    own = [j for j, objective in enumerate(objectives) if objective.is_goal]
    parts = [known.place(name) for j in own if j in known.wholes for name in known.wholes[j].parts]
    needed = list(dict.fromkeys([*(j for j in own if j not in known.wholes), *parts]))
    signs = {j: objectives[j].sign if j in known.modeled else 1.0 for j in needed}

    def goals(outputs: Tensor) -> Tensor:
        raw = {j: signs[j] * outputs[..., i] for i, j in enumerate(needed)}
        columns = []
        for j in own:
            if j in known.wholes:
                whole = known.wholes[j]
                value = whole.values({name: raw[known.place(name)].numpy() for name in whole.parts})
                goal = torch.from_numpy(value)
            else:
                goal = raw[j]
            columns.append(objectives[j].sign * goal)
        return torch.stack(columns, dim=-1)

    def composed(function: Utility) -> Utility:
        return lambda outputs: function(goals(outputs))

    return Composition(tuple(output[j] for j in needed), tuple(composed(f) for f in functions))
