"""The objectives of a campaign: checks, decomposition of composite ones, and computed scores."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import TYPE_CHECKING

import numpy as np

from molvae.errors import UsageError
from molvae.oracles.base import OracleText, Score, ask, span_of
from molvae.oracles.config import Objective
from molvae.oracles.desirability import SHAPES, inner_score
from molvae.oracles.functions import USER_FUNCTION
from molvae.oracles.heads import Heads
from molvae.oracles.http import refuse_secrets
from molvae.oracles.parts import taken_apart
from molvae.oracles.plugins import computed_oracle, known_oracles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from molvae.campaign.config import CampaignSettings
    from molvae.campaign.molecules import LatentModel
    from molvae.chemistry.molecule import Molecule
    from molvae.oracles.base import Oracle
    from molvae.oracles.parts import Whole


def unfolded(settings: CampaignSettings) -> CampaignSettings:
    """The settings with the measured terms of composite objectives appended as objectives.

    Raises:
        ConfigError: A file cannot be read.
        UsageError: A term is invalid.
    """
    names = {objective.name for objective in settings.objectives}
    found = [whole for o in settings.objectives if (whole := taken_apart(o.name)) is not None]
    fresh = dict.fromkeys(part for whole in found for part in whole.parts if part not in names)
    if not fresh:
        return settings
    parts = [Objective(name=name, direction="part") for name in fresh]
    return settings.model_copy(update={"objectives": (*settings.objectives, *parts)})


def wanted(objectives: Sequence[Objective]) -> list[Objective]:
    """The objectives without parts."""
    return [objective for objective in objectives if objective.direction != "part"]


def wholes(objectives: Sequence[Objective]) -> dict[int, Whole]:
    """Composite objectives by position; all their parts are objectives.

    Campaigns of earlier versions have none: there, composite objectives are measured as a whole.
    """
    names = {objective.name for objective in objectives}
    found = ((j, taken_apart(objective.name)) for j, objective in enumerate(objectives))
    return {j: whole for j, whole in found if whole is not None and names.issuperset(whole.parts)}


def check_objectives(objectives: Sequence[Objective]) -> None:
    """Refuse bounds that no molecule satisfies and names that resemble those of computed objectives.

    Raises:
        UsageError: A key in a URL, an invalid computed objective, a bound outside the range of its score, a
            name that differs from a computed one in case only, a desirability of a measured score.
    """
    for objective in objectives:
        refuse_secrets(objective.name)
        oracle = computed_oracle(objective.name)
        if oracle is None:
            _check_measured(objective)
        elif objective.bound is not None:
            low, high = span_of(oracle)
            reached = high if objective.direction == "at_least" else low
            if not objective.admits(reached):
                raise UsageError(
                    f"no molecule has {objective}: {objective.name} goes from {low:g} to {high:g}"
                )


def _check_measured(objective: Objective) -> None:
    parts = OracleText.read(objective.name)
    if parts.name in SHAPES:
        inner = inner_score(objective.name)
        if inner.name not in known_oracles() and not USER_FUNCTION.fullmatch(str(inner)):
            raise UsageError(
                f"'{objective.name}' is a desirability of '{inner}', which molvae does not compute",
                hint=f"For a measured score, set bounds on the measurement: at least {inner}=LOW, "
                f"at most {inner}=HIGH.",
            )
        return
    lowered = {name.lower(): name for name in known_oracles()}
    meant = lowered.get(parts.name.lower())
    if meant is not None and meant != parts.name:
        raise UsageError(
            f"'{objective.name}' is not computed by molvae, '{meant}' is",
            hint=f"Write '{OracleText(meant, parts.options, parts.argument)}'; or, if you measure it, give "
            "your measurement another name.",
        )


_REMEMBERED = 100_000  # molecules with a few scores each


class KnownScores:
    """Computed scores of objectives: exact for every molecule, not charged, never modeled.

    Objectives that molvae computes are known. If all are computed, as in a search for `qed` alone, goals are
    scored, charged and modeled like an assay, and only bounds are known. Objectives called `predicted_NAME`
    come from the model's heads and are known too; without the model they have no values.

    Attributes:
        oracles: Of all objectives that molvae computes, by name.
        columns: Positions of known objectives.
        bounds: Known bounds.
        wholes: Composite objectives by position; neither known nor measured.
        measured: Positions of measured objectives.
        modeled: Positions of the surrogates' outputs: measured goals and parts, then all bounds that are not
            known.
        refused: Number of molecules that violated each bound since it was last cleared.

    Raises:
        UnknownNameError: The model has no such head.
        UsageError: A computed objective with wrong options or argument.
    """

    def __init__(self, objectives: Sequence[Objective], model: LatentModel | None = None) -> None:
        self.objectives = tuple(objectives)
        self._heads = Heads(model)
        names = dict.fromkeys(objective.name for objective in objectives)
        found = {name: computed_oracle(name, self._heads) for name in names}
        self.oracles: dict[str, Oracle] = {n: oracle for n, oracle in found.items() if oracle is not None}
        all_computed = len(self.oracles) == len(found)
        self.columns = tuple(
            j
            for j, objective in enumerate(self.objectives)
            if objective.name in self.oracles and (objective.is_constraint or not all_computed)
        )
        self.wholes = wholes(self.objectives)
        self.bounds = tuple(j for j in self.columns if self.objectives[j].is_constraint)
        places = range(len(self.objectives))
        self.measured = tuple(j for j in places if j not in self.columns and j not in self.wholes)
        bounded = [j for j in places if self.objectives[j].is_constraint and j not in self.columns]
        self.modeled = (*(j for j in self.measured if j not in bounded), *bounded)
        self.refused: Counter[str] = Counter()
        self._memory: OrderedDict[str, dict[str, Score]] = OrderedDict()

    @property
    def needs_model(self) -> bool:
        """Whether the model predicts any of them."""
        return self._heads.asked

    @property
    def lacks_model(self) -> bool:
        """Whether the model predicts some, but is missing."""
        return self._heads.asked and not self._heads.ready

    def is_computed(self, name: str) -> bool:
        """Whether an objective is known, or follows from measured scores."""
        return name in self.oracles or any(self.objectives[j].name == name for j in self.wholes)

    def completed(self, scores: Sequence[Score | None]) -> list[Score | None]:
        """Scores with composite ones filled in where all their parts are available."""
        found = list(scores)
        for j, whole in self.wholes.items():
            parts = {name: found[self.place(name)] for name in whole.parts}
            there = {name: score for name, score in parts.items() if score is not None}
            found[j] = whole.score(there) if len(there) == len(parts) else None
        return found

    def place(self, name: str) -> int:
        """Position of the first objective of a name."""
        return next(j for j, objective in enumerate(self.objectives) if objective.name == name)

    def filled(self, molecule: Molecule, scores: Sequence[Score | None]) -> list[Score | None]:
        """Scores with known ones filled in, replacing any others."""
        whole = list(scores)
        for j in self.columns:
            whole[j] = self._scores(j, [molecule])[0]
        return whole

    def values(self, molecules: Sequence[Molecule]) -> NDArray[np.float64]:
        """Known scores, `n x k` in the order of `columns`; NaN where missing."""
        columns = [[score.value for score in self._scores(j, molecules)] for j in self.columns]
        return np.array(columns, dtype=np.float64).reshape(len(self.columns), len(molecules)).T

    def admits(self, molecules: Sequence[Molecule]) -> list[bool]:
        """Which molecules satisfy all known bounds; those without a value do not."""
        passed = [True] * len(molecules)
        for j in self.bounds:
            objective = self.objectives[j]
            rows = [row for row, within in enumerate(passed) if within]
            for row, score in zip(rows, self._scores(j, [molecules[row] for row in rows])):
                if not (score.is_ok and objective.admits(score.value)):
                    passed[row] = False
                    self.refused[str(objective)] += 1
        return passed

    def excess(self, molecules: Sequence[Molecule]) -> NDArray[np.float64]:
        """Violation of the known bounds, `n`: 0 if satisfied, infinite without a value.

        Each violation is scaled by the spread of its scores among these molecules.
        """
        total = np.zeros(len(molecules))
        for j in self.bounds:
            values = np.array([score.value for score in self._scores(j, molecules)])
            bound = self.objectives[j].bound or 0.0
            sign = 1.0 if self.objectives[j].direction == "at_most" else -1.0
            finite = values[np.isfinite(values)]
            spread = float(finite.std()) if len(finite) else 0.0
            outside = np.maximum(sign * (values - bound), 0.0) / (spread or 1.0)
            total += np.where(np.isfinite(values), outside, np.inf)
        return total

    def _scores(self, column: int, molecules: Sequence[Molecule]) -> list[Score]:
        """Scores of one objective; each molecule is computed once."""
        name = self.objectives[column].name
        new = {m.smiles: m for m in molecules if name not in self._memory.get(m.smiles, ())}
        for smiles, score in zip(new, ask(self.oracles[name], list(new.values())), strict=True):
            self._memory.setdefault(smiles, {})[name] = score
        found = [self._memory[molecule.smiles][name] for molecule in molecules]
        while len(self._memory) > max(_REMEMBERED, len(molecules)):
            self._memory.popitem(last=False)
        return found
