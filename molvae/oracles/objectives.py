"""Objectives: scores to maximize, minimize or bound, in a search or a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from molvae.config import Field, Settings, model_validator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Direction = Literal["maximize", "minimize", "at_most", "at_least", "part"]


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
        """Whether it is a bound."""
        return self.direction in {"at_most", "at_least"}

    @property
    def is_goal(self) -> bool:
        """Whether it is maximized or minimized."""
        return self.direction in {"maximize", "minimize"}

    @property
    def sign(self) -> float:
        """-1 for minimize, else 1: times its sign, every goal is maximized."""
        return -1.0 if self.direction == "minimize" else 1.0

    def admits(self, value: float) -> bool:
        """Whether a score satisfies the bound; any score does without one."""
        if self.bound is None:
            return True
        return value <= self.bound if self.direction == "at_most" else value >= self.bound

    def __str__(self) -> str:
        """In words: `maximize qed`, `sa at most 3.5`, `part potency`."""
        return self.called(self.name)

    def called(self, name: str) -> str:
        """The same with another name, such as a shorter one."""
        if self.bound is None:
            return f"{self.direction} {name}"
        return f"{name} {self.direction.replace('_', ' ')} {self.bound:g}"


def objectives(
    *,
    maximize: Sequence[str] | str = (),
    minimize: Sequence[str] | str = (),
    at_most: Mapping[str, float] | None = None,
    at_least: Mapping[str, float] | None = None,
    keep: Sequence[str] | str = (),
) -> tuple[Objective, ...]:
    """Objectives as the command line names them, goals first.

    A core to keep is a constraint: `substructure:CORE` at least 1 (`molvae.chemistry.substructure`).

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
        from molvae.chemistry.substructure import core_pattern

        cores = [f"substructure:{core_pattern(core)}" for core in _several(keep)]
        found += [Objective(name=name, direction="at_least", bound=1.0) for name in cores]
    return tuple(found)


def _several(names: Sequence[str] | str) -> Sequence[str]:
    return (names,) if isinstance(names, str) else names
