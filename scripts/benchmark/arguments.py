"""Command-line arguments that several benchmarks share."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from record import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

CHECKPOINT = ROOT / "checkpoints" / "zinc250k"


def parser_of(doc: str | None) -> argparse.ArgumentParser:
    """A parser with the first line of a script's docstring as description."""
    return argparse.ArgumentParser(description=doc.splitlines()[0] if doc else None)


def search_parser(
    doc: str | None, name: str, *, data: bool = True, seeds: Sequence[int] | None = None
) -> argparse.ArgumentParser:
    """A parser for a benchmark of the search.

    Args:
        doc: The script's docstring.
        name: Name of the record and of the directory of runs.
        data: Whether the benchmark reads downloaded data sets.
        seeds: Default seeds, if there are several.
    """
    parser = parser_of(doc)
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    if data:
        default = Path(os.environ.get("MOLVAE_DATA", "../shared/data"))
        parser.add_argument("--data", type=Path, default=default, help="default: $MOLVAE_DATA")
    if seeds is not None:
        parser.add_argument("--seeds", type=int, nargs="+", default=list(seeds))
    parser.add_argument(
        "--work", type=Path, default=ROOT / "runs" / name, help="directory of runs, which are resumed"
    )
    parser.add_argument("--no-record", action="store_true", help=f"do not write results/{name}.json")
    return parser
