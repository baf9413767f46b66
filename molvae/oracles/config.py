"""Settings of objectives made of several terms, as a chemist writes them, and of oracles from outside."""

from __future__ import annotations

from typing import Literal, get_args

from molvae.config import Field, Settings

Mean = Literal["geometric", "arithmetic"]
"""How several scores become one. Geometric: a score of 0 makes the whole 0. Arithmetic: they can stand in for
one another."""

MEANS: tuple[Mean, ...] = get_args(Mean)


Kind = Literal["own", "registered", "docking", "admet"]
"""What the text of an oracle in a process of its own is: a function of the user's own, any oracle's, or what
`docking_oracle` or `admet_oracle` has made of its own."""


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


class ExternalSettings(Settings):
    """How an oracle that is a program or a server is run: what stands in brackets after `cmd` or `http`."""

    timeout: float = Field(default=300.0, gt=0)
    """Seconds for one molecule; a request of several has as many times that."""

    start: float = Field(default=120.0, gt=0)
    """Seconds a program has to load its models and say hello; one for REINVENT has them for each request."""

    patience: float = Field(default=60.0, ge=0)
    """Seconds a program is started again and again if it ends before its hello, which is the fault of no
    molecule (its licence is taken, say); then its molecules fail, and the next ones do not wait."""

    workers: int = Field(default=1, ge=1, le=256)
    """Programs, or open requests, at a time."""

    batch: int = Field(default=64, ge=1)
    """Most molecules in one request."""

    retries: int = Field(default=1, ge=0, le=10)
    """How often a molecule is asked again after a crash or a lost connection; never after a time-out."""

    pause: float = Field(default=0.5, ge=0)
    """Seconds before it is asked again, doubled each time."""

    reinvent: bool = False
    """The program is a REINVENT 4 external process: SMILES, one per line, until its input ends; JSON out."""

    key: str = "predictions"
    """Which list of a REINVENT payload holds the scores."""


class DockingSettings(ExternalSettings):
    """How molecules are docked: what stands in brackets after `docking`, and how that is run."""

    timeout: float = Field(default=1800.0, gt=0)
    """Seconds for one molecule."""

    start: float = Field(default=600.0, gt=0)
    """Seconds a process has to load its libraries and read the receptor, which a busy machine can need."""

    batch: int = Field(default=1, ge=1)
    """Most molecules in one request: with one, a kill or a time-out costs one docking."""

    exhaustiveness: int = Field(default=8, ge=1, le=1024)
    """Runs of Vina's search for each molecule; time is in proportion."""

    seed: int = Field(default=974528263, ge=1, lt=2**31)
    """Of the conformer and of the search."""

    poses: str | None = None
    """Directory where the best pose of each molecule is kept, as INCHIKEY.sdf."""
