"""Settings of an objective that is made of several: what stands in a TOML file a chemist writes."""

from __future__ import annotations

from typing import Literal, get_args

from molvae.config import Field, Settings

Mean = Literal["geometric", "arithmetic"]
"""How several scores become one. Geometric: a score of 0 makes the whole 0. Arithmetic: they can stand in for
one another."""

MEANS: tuple[Mean, ...] = get_args(Mean)


class TermSettings(Settings):
    """One term of an objective."""

    score: str = Field(min_length=1)
    """Any oracle, usually with a desirability: `max_gaussian[90,10]:tpsa`."""

    weight: float = Field(default=1.0, gt=0)
    """How much it counts among the terms."""


class MpoSettings(Settings):
    """A multi-property objective: the mean of several scores."""

    terms: tuple[TermSettings, ...] = Field(min_length=1)
    """The scores; one that is only a text has weight 1."""

    mean: Mean = "geometric"
    """How they become one."""

    about: str = ""
    """What it is for, in one line."""
