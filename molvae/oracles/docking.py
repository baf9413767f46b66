"""Docking oracles, `docking[vina]:TARGET`, and their saved poses.

A target is a prepared one of DOCKSTRING, by name, or a receptor file with a box. Docking runs in separate
processes (`docking_programs.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from molvae.chemistry.standardize import inchikey
from molvae.config import parse_assignment, settings_from
from molvae.errors import MissingDependencyError, UnknownNameError, UsageError, suggest
from molvae.oracles.command import isolated
from molvae.oracles.config import DockingSettings
from molvae.oracles.references import named_within

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from molvae.chemistry.molecule import Molecule
    from molvae.oracles.base import OracleText
    from molvae.oracles.external import ExternalOracle

PROGRAMS = {
    "vina": ("vina", "meeko", "gemmi", "scipy", "openbabel"),
    "dockstring": ("dockstring", "openbabel"),
}
"""Python modules that each program needs."""
INSTALL = "pip install 'molvae[docking]'"
_AXES = ("x", "y", "z")
_SLOW = {"timeout": 1800.0, "start": 600.0, "batch": 1}
"""Defaults that differ from other external oracles: a docking takes minutes, after loading libraries and
receptor; with one molecule per request, a kill or a time-out costs one docking."""


def docking_oracle(text: OracleText) -> ExternalOracle:
    """`docking[vina]:TARGET`: docking score in kcal/mol, low is good; or TARGET is receptor.pdbqt@x,y,z,size.

    Raises:
        ConfigError: Unknown option.
        MissingDependencyError: A required package is not installed.
        UnknownNameError: There is no such target.
        UsageError: No receptor, or one that cannot be used.
    """
    text.require_argument("docking needs a target", example="docking[vina]:DRD2")
    program, settings = docking_settings(text)
    absent = [name for name in PROGRAMS[program] if find_spec(name) is None]
    if absent:
        raise MissingDependencyError(
            f"docking needs packages that are not installed: {', '.join(absent)}", hint=INSTALL
        )
    if program == "dockstring" and "@" in text.argument:
        raise UsageError(
            f"dockstring docks to its own targets, not to '{text.argument}'",
            hint=f"docking[vina]:{text.argument} docks to a file.",
        )
    receptor_of(text.argument)
    return isolated(str(text), settings, maker="molvae.oracles.docking_programs:Docking")


def docking_settings(text: OracleText) -> tuple[str, DockingSettings]:
    """The program and the settings in the brackets.

    Raises:
        ConfigError: Unknown option.
        UsageError: Unknown program, or an option it does not have.
    """
    words = [option for option in text.options if "=" not in option] or ["vina"]
    unknown = [word for word in words if word not in PROGRAMS]
    if unknown or len(words) > 1:
        wrong = (unknown or words[1:])[0]
        raise UsageError(
            f"'{wrong}' in '{text}' is not a docking program{suggest(wrong, PROGRAMS)}",
            hint=f"One of {', '.join(PROGRAMS)}; another program is cmd:PROGRAM.",
        )
    values = dict(parse_assignment(option) for option in text.options if "=" in option)
    settings = settings_from(DockingSettings, _SLOW | values, f"the brackets of '{text}'")
    if words == ["dockstring"] and "exhaustiveness" in settings.model_fields_set:
        raise UsageError(f"the exhaustiveness of dockstring is 8 and cannot be set, got '{text}'")
    return words[0], settings


@dataclass(frozen=True)
class Receptor:
    """A rigid receptor and its docking box.

    Attributes:
        path: PDBQT file.
        center: Of the box, x, y, z in Å.
        size: Of the box, x, y, z in Å.
    """

    path: Path
    center: tuple[float, ...]
    size: tuple[float, ...]


def receptor_of(argument: str) -> Receptor:
    """A target of DOCKSTRING, or a file with the center of a box and the length of its sides, one or three.

    Raises:
        MissingDependencyError: A target by name needs the package dockstring.
        UnknownNameError: There is no such target; the nearest is named.
        UsageError: There is no such file, or the box is invalid.
    """
    path, at, box = argument.rpartition("@")
    if at:
        return _of_file(Path(path), box, argument)
    if argument.lower().endswith((".pdbqt", ".pdb")):
        raise UsageError(
            f"the receptor '{argument}' has no docking box",
            hint=f"Write its center and length of side, in Å: {argument}@10,5.5,-3,20.",
        )
    return _of_target(argument)


def target_names() -> list[str]:
    """Names of the prepared targets that are installed, sorted.

    Raises:
        MissingDependencyError: The package dockstring is not installed.
    """
    return sorted(path.name.removesuffix("_target.pdbqt") for path in _targets().glob("*_target.pdbqt"))


def _targets() -> Path:
    found = find_spec("dockstring")
    if found is None or not found.submodule_search_locations:
        raise MissingDependencyError("the prepared targets of DOCKSTRING are not installed", hint=INSTALL)
    return Path(found.submodule_search_locations[0]) / "resources" / "targets"


def _of_target(name: str) -> Receptor:
    names = target_names()
    if name not in names:
        raise UnknownNameError(
            f"unknown docking target '{name}'{suggest(name, names)}",
            hint=f"Known: {', '.join(names)}. A receptor of your own is receptor.pdbqt@x,y,z,size.",
        )
    text = (_targets() / f"{name}_conf.txt").read_text(encoding="utf-8")
    pairs = (line.split("=") for line in text.splitlines() if "=" in line)
    box = {key.strip(): float(value) for key, value in pairs}
    center, size = (tuple(box[f"{word}_{axis}"] for axis in _AXES) for word in ("center", "size"))
    return Receptor(_targets() / f"{name}_target.pdbqt", center, size)


def _of_file(path: Path, box: str, argument: str) -> Receptor:
    try:
        numbers = [float(word) for word in box.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in {4, 6} or not all(map(math.isfinite, numbers)) or min(numbers[3:]) <= 0:
        raise UsageError(
            f"the box of the receptor '{argument}' is not x,y,z,size",
            hint="Its center and the length of its sides, one or three, in Å: receptor.pdbqt@10,5.5,-3,20.",
        )
    if path.suffix.lower() != ".pdbqt":
        raise UsageError(
            f"expected a receptor as .pdbqt, got '{path}'",
            hint=f"Open Babel makes one: obabel {path} -O receptor.pdbqt -xr -p 7.4",
        )
    if not path.is_file():
        raise UsageError(f"the receptor '{path}' does not exist")
    sides = numbers[3:] if len(numbers) == 6 else numbers[3:] * 3  # noqa: PLR2004 - three and three
    return Receptor(path, tuple(numbers[:3]), tuple(sides))


def kept_poses(texts: Iterable[str], molecules: Sequence[Molecule]) -> str:
    """SDF of the saved poses of molecules, in order, one for each docking oracle."""
    places = dict.fromkeys(Path(place) for text in texts for place in _places(text))
    names = [f"{inchikey(molecule)}.sdf" for molecule in molecules] if places else []
    files = [(place / name, molecule) for name, molecule in zip(names, molecules) for place in places]
    records = [(path.read_text(encoding="utf-8"), molecule) for path, molecule in files if path.is_file()]
    # tautomers share an InChIKey: the title has the docked one
    return "".join(text for text, molecule in records if text.partition("\n")[0] == molecule.smiles)


def _places(text: str) -> Iterable[str]:
    for inner in named_within(text):
        if inner.name == "docking":
            options = dict(parse_assignment(option) for option in inner.options if "=" in option)
            if "poses" in options:
                yield str(options["poses"])
