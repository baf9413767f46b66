"""Settings of a campaign: objectives, budget, batch, method."""

from __future__ import annotations

from typing import ClassVar

from molvae.config import Field, Settings, model_validator
from molvae.optimization.config import SearchSettings
from molvae.oracles.config import Objective

_CALLS_PER_PLACE = 50
_N_OFFSPRING, _N_OFFSPRING_EACH = 120, 3  # in each generation: at least so many, and for each candidate
_DOCKING, _EFFORT_OF_DOCKING = "docking[", 4.0

EXECUTION = ("q", "q_most", "effort", "evaluation_batch", "failure_limit")
"""Settings that may change when a campaign is resumed."""


class Neighborhood(Settings):
    """Reference molecules and a similarity threshold."""

    smiles: tuple[str, ...] = Field(min_length=1)
    """The reference molecules."""

    similarity: float = Field(ge=0, le=1)
    """Tanimoto similarity of Morgan counts, radius 2."""


class CampaignSettings(Settings):
    """Settings of a campaign; together with the model and the start they determine it."""

    retired: ClassVar = {"n_library": 100, "n_fingerprint": 4096}
    renamed: ClassVar = {"method": {"latent-bo": "bo"}}

    objectives: tuple[Objective, ...] = Field(min_length=1)
    """Goals and constraints; at least one goal."""

    budget: int = Field(default=200, ge=1)
    """Evaluations: unique molecules that are scored."""

    q: int = Field(default=8, ge=1)
    """Candidates per batch; in long campaigns batches grow to q_most."""

    q_most: int | None = Field(default=50, ge=1)
    """Maximum candidates per batch: after 50 q calls, batches grow to one fiftieth of the calls spent; with 1
    they stay at q."""

    seed: int = Field(default=7, ge=0)
    """Root seed; the candidates are a function of it and of the journal."""

    effort: float | None = Field(default=None, gt=0.0, le=100.0)
    """Molecules proposed to choose a batch from, as a multiple of the usual number. If not given, 4 where an
    objective is a docking score, as its calls take seconds, and 1 elsewhere."""

    method: str = "bo"
    """Search method: bo (Bayesian optimization). For comparison: turbo and cma-es (in latent space), mol-ga
    (a genetic algorithm on graphs), random (the start library), prior (draws from the model)."""

    n_initial: int = Field(default=10, ge=1)
    """Molecules scored before the first surrogate is fitted: from the start, then from the prior."""

    max_heavy_atoms: int = Field(default=100, ge=1)
    """Maximum size of a proposed molecule, so that size does not win an unbounded objective."""

    filters: tuple[str, ...] = ()
    """Filters every proposed molecule must pass (pains, brenk, chembl, lipinski, ...). Start molecules are
    exempt."""

    wild: bool = False
    """Propose any valid molecule. By default a proposal has no unstable group, and each of its bonds and
    ring systems occurs in one of 10,000 training molecules of the model, or in a start molecule."""

    near: Neighborhood | None = None
    """Propose only molecules with at least this similarity to one of these molecules."""

    novel: Neighborhood | None = None
    """Propose only molecules with at most this similarity to each of these molecules."""

    in_domain: bool = False
    """Propose only molecules inside the model's applicability domain (see molvae calibrate). Start molecules
    are exempt."""

    sources: dict[str, float] = Field(default={"latent": 0.5, "graph": 0.4, "library": 0.1}, min_length=1)
    """Sources of candidates and their initial shares: latent (moves in latent space), graph (edits and
    crossovers of molecular graphs), library (unseen start molecules, and grafts of them). With library alone,
    candidates are start molecules only."""

    evaluation_batch: int = Field(default=1, ge=1)
    """Molecules passed to an oracle at once; at most this many calls are repeated after a kill."""

    failure_limit: int | None = Field(default=50, ge=1)
    """Stop after this many failed evaluations in a row; never if absent."""

    search: SearchSettings = SearchSettings()
    """The inner search."""

    @property
    def proposals(self) -> str:
        """Constraints on proposals, in words.

        >>> CampaignSettings(objectives=(Objective(name="qed"),), filters=("pains",)).proposals
        'with precedent, filters pains'
        """
        words = ["any molecule (wild)" if self.wild else "with precedent"]
        for set_, bound in ((self.near, "at least"), (self.novel, "at most")):
            if set_ is not None:
                words.append(f"{bound} {set_.similarity:g} similar to the nearest of {len(set_.smiles):,}")
        words += [f"filters {' '.join(self.filters)}"] if self.filters else []
        return ", ".join([*words, "in the domain"] if self.in_domain else words)

    @property
    def has_several_goals(self) -> bool:
        """Whether there is more than one goal."""
        return sum(objective.is_goal for objective in self.objectives) > 1

    @property
    def library_alone(self) -> bool:
        """Whether candidates are chosen from the start molecules only."""
        return set(self.sources) == {"library"}

    def n_offspring(self, n: int = 0) -> int:
        """Molecules proposed in each generation for a batch of `n`.

        >>> [CampaignSettings(objectives=(Objective(name="qed"),)).n_offspring(n) for n in (8, 50)]
        [120, 150]
        """
        effort = self.effort
        if effort is None:
            is_slow = any(_DOCKING in objective.name for objective in self.objectives)
            effort = _EFFORT_OF_DOCKING if is_slow else 1.0
        return max(1, round(effort * max(_N_OFFSPRING, _N_OFFSPRING_EACH * n)))

    def batch_size(self, n_calls: int) -> int:
        """Candidates per batch once `n_calls` are spent."""
        return self.q if self.q_most is None else max(self.q, min(self.q_most, n_calls // _CALLS_PER_PLACE))

    @model_validator(mode="after")
    def _has_a_goal(self) -> CampaignSettings:
        bounds = {(objective.name, objective.direction): objective.bound for objective in self.objectives}
        if not any(objective.is_goal for objective in self.objectives):
            raise ValueError("a campaign needs at least one objective to maximize or minimize")
        if len(bounds) < len(self.objectives):
            raise ValueError("an objective is given twice")
        for name in dict.fromkeys(name for name, _ in bounds):
            if {(name, "maximize"), (name, "minimize")} <= bounds.keys():
                raise ValueError(f"'{name}' is both maximized and minimized")
            least, most = bounds.get((name, "at_least")), bounds.get((name, "at_most"))
            if least is not None and most is not None and least > most:
                raise ValueError(f"'{name}' cannot be at least {least:g} and at most {most:g}")
        return self
