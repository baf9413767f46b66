"""What molecules are docked to: a prepared target of DOCKSTRING by name, or a file with a box."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from molvae.errors import MissingDependencyError, UnknownNameError, UsageError, suggest

INSTALL = "pip install 'molvae[docking]'"
_AXES = ("x", "y", "z")


@dataclass(frozen=True)
class Receptor:
    """A rigid receptor and where in it ligands are looked for.

    Attributes:
        path: PDBQT file.
        center: Of the box, x, y, z in Å.
        size: Of the box, x, y, z in Å.
    """

    path: Path
    center: tuple[float, ...]
    size: tuple[float, ...]


def receptor_of(argument: str) -> Receptor:
    """What `TARGET` or `receptor.pdbqt@x,y,z,size` means.

    Args:
        argument: A target of DOCKSTRING, or a file, the center of the box and the length of its sides: one
            number, or three.

    Raises:
        MissingDependencyError: A target by name needs the package dockstring.
        UnknownNameError: There is no such target; the nearest is named.
        UsageError: There is no such file, or the box is none.
    """
    path, at, box = argument.rpartition("@")
    if at:
        return _of_file(Path(path), box, argument)
    if argument.lower().endswith((".pdbqt", ".pdb")):
        raise UsageError(
            f"the receptor '{argument}' has no box to dock in",
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
