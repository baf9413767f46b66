"""Settings of multi-property objectives and of external oracles."""

from __future__ import annotations

from typing import Literal, get_args

from molvae.config import Field, Settings

Mean = Literal["geometric", "arithmetic"]
"""How scores are combined. Geometric: a score of 0 makes the mean 0. Arithmetic: scores compensate each
other."""

MEANS: tuple[Mean, ...] = get_args(Mean)

Kind = Literal["own", "registered", "docking", "admet"]
"""How an oracle in a separate process is made: from a function of the user, from the text of any oracle, or
from the text of `docking_oracle` or `admet_oracle`."""


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
    """How they are combined."""

    about: str = ""
    """A one-line description."""


class ExternalSettings(Settings):
    """Execution of a program or server as an oracle: the options in brackets after `cmd` or `http`."""

    timeout: float = Field(default=300.0, gt=0)
    """Seconds per molecule of a request."""

    start: float = Field(default=120.0, gt=0)
    """Seconds for a program to start and answer the greeting; for REINVENT, per request."""

    patience: float = Field(default=60.0, ge=0)
    """Seconds of restarts if a program exits before its greeting, which no molecule causes (no free licence,
    for example); then its molecules fail, and the next ones do not wait."""

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
    """The options in brackets after `docking`."""

    timeout: float = Field(default=1800.0, gt=0)
    """Seconds per molecule."""

    start: float = Field(default=600.0, gt=0)
    """Seconds for a process to load its libraries and read the receptor."""

    batch: int = Field(default=1, ge=1)
    """Molecules per request; with one, a kill or a time-out costs one docking."""

    exhaustiveness: int = Field(default=8, ge=1, le=1024)
    """Runs of Vina's search for each molecule; time is proportional."""

    seed: int = Field(default=974528263, ge=1, lt=2**31)
    """Of the conformer and of the search."""

    poses: str | None = None
    """Directory for the best pose of each molecule, as INCHIKEY.sdf."""
