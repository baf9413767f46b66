"""Pictures of molecules that a command draws beside its rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from molvae.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from molvae.chemistry.molecule import Invalid, Molecule
    from molvae.cli.output import Session

SUFFIXES = (".png", ".svg")


def option() -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The option --picture, checked before any work is done."""
    return click.option(
        "--picture",
        type=click.Path(path_type=Path, dir_okay=False),
        callback=_checked,
        metavar="FILE",
        help="Draw the molecules in a grid: a .png or .svg file.",
    )


def draw(
    session: Session,
    target: Path | None,
    molecules: Sequence[Molecule | Invalid],
    legends: Sequence[str],
    *,
    columns: int = 5,
) -> None:
    """Write the grid, if one was asked for."""
    from molvae.chemistry.depiction import grid_png, grid_svg
    from molvae.persistence.files import write_atomically

    if target is None or not molecules:
        return
    paint = grid_svg if target.suffix.lower() == ".svg" else grid_png
    write_atomically(target, paint(molecules, list(legends), columns))
    session.note(f"picture -> {target}")


def _checked(_context: click.Context, _parameter: click.Parameter, value: Path | None) -> Path | None:
    if value is not None and value.suffix.lower() not in SUFFIXES:
        raise UsageError(f"a picture is a .png or .svg file, not '{value}'")
    return value
