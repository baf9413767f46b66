"""Settings of objectives (a score to maximize, minimize or bound, or several) and of external oracles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from molvae.config import Field, Settings, model_validator

if TYPE_CHECKING:
    from collections.abc import Iterable

Direction = Literal["maximize", "minimize", "at_most", "at_least", "part"]

Mean = Literal["geometric", "arithmetic"]
"""How scores are combined. Geometric: a score of 0 makes the mean 0. Arithmetic: scores compensate each
other."""

MEANS: tuple[Mean, ...] = get_args(Mean)


class Objective(Settings):
    """A score to maximize, minimize or bound."""

    name: str = Field(min_length=1)
    """Oracle string: a descriptor (`qed`), `similarity:SMILES`, `module:function`, …"""

    direction: Direction = "maximize"
    """maximize and minimize are goals; at_most and at_least are constraints. A part is neither: a term of
    another objective (`molvae.campaign.objectives`)."""

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
        """Whether it is a constraint."""
        return self.direction in {"at_most", "at_least"}

    @property
    def is_goal(self) -> bool:
        """Whether it is a goal."""
        return self.direction in {"maximize", "minimize"}

    @property
    def sign(self) -> float:
        """-1 for minimize, else 1: scores times the sign are maximized."""
        return -1.0 if self.direction == "minimize" else 1.0

    def admits(self, value: float) -> bool:
        """Whether a score satisfies the bound, if any."""
        if self.bound is None:
            return True
        return value <= self.bound if self.direction == "at_most" else value >= self.bound

    def __str__(self) -> str:
        """In words: `maximize qed`, `sa at most 3.5`, `part potency`."""
        return self.called(self.name)

    def called(self, name: str) -> str:
        """The same with another name, for example a shorter one."""
        if self.bound is None:
            return f"{self.direction} {name}"
        return f"{name} {self.direction.replace('_', ' ')} {self.bound:g}"


def objectives(
    *,
    maximize: Iterable[str] = (),
    minimize: Iterable[str] = (),
    at_most: Iterable[tuple[str, float]] = (),
    at_least: Iterable[tuple[str, float]] = (),
    keep: Iterable[str] = (),
) -> list[dict[str, Any]]:
    """The options of the command line as values of `Objective`, goals first.

    A core to keep becomes a constraint: `substructure:CORE` at least 1 (`molvae.chemistry.substructure`).

    >>> objectives(maximize=["qed"], at_most=[("sa", 3.5)])
    [{'name': 'qed', 'direction': 'maximize'}, {'name': 'sa', 'direction': 'at_most', 'bound': 3.5}]
    """
    goals = (("maximize", maximize), ("minimize", minimize))
    bounds = (("at_most", at_most), ("at_least", at_least))
    found: list[dict[str, Any]] = [{"name": name, "direction": way} for way, names in goals for name in names]
    found += [{"name": name, "direction": way, "bound": b} for way, pairs in bounds for name, b in pairs]
    if keep:
        from molvae.chemistry.substructure import core_pattern

        cores = [f"substructure:{core_pattern(core)}" for core in keep]
        found += [{"name": name, "direction": "at_least", "bound": 1.0} for name in cores]
    return found


class TermSettings(Settings):
    """One term of an objective."""

    score: str = Field(min_length=1)
    """Any oracle, usually a desirability: `max_gaussian[90,10]:tpsa`."""

    weight: float = Field(default=1.0, gt=0)
    """Its weight."""


class MpoSettings(Settings):
    """A multi-property objective: the mean of several scores."""

    terms: tuple[TermSettings, ...] = Field(min_length=1)
    """The scores; a text alone has weight 1."""

    mean: Mean = "geometric"
    """How the scores are combined."""

    about: str = ""
    """A one-line description."""


class ExternalSettings(Settings):
    """Execution of a program or server as an oracle: the options in brackets after `cmd` or `http`."""

    timeout: float = Field(default=300.0, gt=0)
    """Seconds per molecule of a request."""

    start: float = Field(default=120.0, gt=0)
    """Seconds for a program to start and answer the greeting; for REINVENT, per request."""

    patience: float = Field(default=60.0, ge=0)
    """Seconds of restarts if a program exits before its greeting, for example without a free licence; after
    that its molecules fail, and later ones do not wait."""

    workers: int = Field(default=1, ge=1, le=256)
    """Programs, or open requests, in parallel."""

    batch: int = Field(default=64, ge=1)
    """Largest number of molecules in a request."""

    retries: int = Field(default=1, ge=0, le=10)
    """Retries after a crash or a lost connection; none after a time-out."""

    pause: float = Field(default=0.5, ge=0)
    """Seconds before the first retry, doubled each time."""

    reinvent: bool = False
    """The program is a REINVENT 4 external process: SMILES, one per line, until its input ends; JSON out."""

    key: str = "predictions"
    """List of a REINVENT payload with the scores."""


class DockingSettings(ExternalSettings):
    """The options in brackets after `docking`; time-outs and batch are longer and smaller by default."""

    exhaustiveness: int = Field(default=8, ge=1, le=1024)
    """Runs of Vina's search for each molecule; time is proportional."""

    seed: int = Field(default=974528263, ge=1, lt=2**31)
    """Seed of the conformer and of the search."""

    poses: str | None = None
    """Directory for the best pose of each molecule, as INCHIKEY.sdf."""
