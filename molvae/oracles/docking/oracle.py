"""Docking by its text: `docking[vina]:TARGET`, in processes of its own."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING

from molvae.config import parse_assignment, settings_from
from molvae.errors import MissingDependencyError, UsageError, suggest
from molvae.oracles.command import isolated
from molvae.oracles.config import DockingSettings
from molvae.oracles.docking.receptors import INSTALL, receptor_of

if TYPE_CHECKING:
    from molvae.oracles.base import OracleText
    from molvae.oracles.external import ExternalOracle

PROGRAMS = {
    "vina": ("vina", "meeko", "gemmi", "scipy", "openbabel"),
    "dockstring": ("dockstring", "openbabel"),
}
"""What each program needs, by the names Python imports."""


def docking_oracle(text: OracleText) -> ExternalOracle:
    """`docking[vina]:TARGET`: docking score in kcal/mol, low is good; or of receptor.pdbqt@x,y,z,size.

    Raises:
        ConfigError: Unknown option.
        MissingDependencyError: What it needs is not installed.
        UnknownNameError: There is no such target.
        UsageError: No receptor, or one that cannot be used.
    """
    text.require_argument("docking needs a target", example="docking[vina]:DRD2")
    program, settings = _read(text)
    absent = [name for name in PROGRAMS[program] if find_spec(name) is None]
    if absent:
        raise MissingDependencyError(
            f"docking needs what is not installed: {', '.join(absent)}", hint=INSTALL
        )
    if program == "dockstring" and "@" in text.argument:
        raise UsageError(
            f"dockstring docks to its own targets, not to '{text.argument}'",
            hint=f"docking[vina]:{text.argument} docks to a file.",
        )
    receptor_of(text.argument)
    asked = {
        "name": str(text),
        "program": program,
        "argument": text.argument,
        "exhaustiveness": settings.exhaustiveness,
        "seed": settings.seed,
        "poses": settings.poses,
    }
    return isolated(json.dumps(asked), settings, name=str(text), kind="docking")


def _read(text: OracleText) -> tuple[str, DockingSettings]:
    """The program and the settings that stand in the brackets."""
    words = [option for option in text.options if "=" not in option] or ["vina"]
    unknown = [word for word in words if word not in PROGRAMS]
    if unknown or len(words) > 1:
        wrong = (unknown or words[1:])[0]
        raise UsageError(
            f"'{wrong}' in '{text}' is no docking program{suggest(wrong, PROGRAMS)}",
            hint=f"One of {', '.join(PROGRAMS)}; another program is cmd:PROGRAM.",
        )
    values = dict(parse_assignment(option) for option in text.options if "=" in option)
    settings = settings_from(DockingSettings, values, f"the brackets of '{text}'")
    if words == ["dockstring"] and "exhaustiveness" in settings.model_fields_set:
        raise UsageError(f"the exhaustiveness of dockstring is 8 and cannot be set, got '{text}'")
    return words[0], settings
