"""Short labels of objectives, for axes, tables and pictures."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from molvae.oracles.base import OracleText
from molvae.oracles.desirability import SHAPES
from molvae.oracles.references import WRAPPERS

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST = 26
"""Characters of a label that stand well on an axis."""


def labels_of(names: Sequence[str]) -> list[str]:
    """A label of each of several different names.

    A long name loses its options and directories, then its argument, or, if others begin alike, the middle.

    >>> labels_of(["qed", "docking[vina,exhaustiveness=1,poses=docked/poses]:DRD2"])
    ['qed', 'docking:DRD2']
    >>> labels_of(["similarity:CC(=O)Nc1ccc(O)cc1"])
    ['similarity']
    >>> labels_of(["similarity:CC(=O)Nc1ccc(O)cc1", "similarity:CC(=O)Nc1ccc(O)cc1Cl"])
    ['similarity:CC(=…1ccc(O)cc1', 'similarity:CC(=…cc(O)cc1Cl']
    """
    labels = [name if len(name) <= LONGEST else _plain(name) for name in names]
    heads = [_cut(label.partition(":")[0]) if len(label) > LONGEST else label for label in labels]
    labels = _where_same(heads, [_cut(label) for label in labels])
    labels = _where_same(labels, [_cut(name) for name in names])
    return _where_same(labels, [f"{label[: LONGEST - 3]} {n}" for n, label in enumerate(labels, start=1)])


def _where_same(labels: Sequence[str], instead: Sequence[str]) -> list[str]:
    return [
        label if labels.count(label) == 1 else other for label, other in zip(labels, instead, strict=True)
    ]


def _plain(text: str) -> str:
    """The text of an oracle without options and directories."""
    parts = OracleText.read(text)
    name, argument = PurePath(parts.name).name, parts.argument
    if name in WRAPPERS or name in SHAPES:
        argument = _plain(argument)
    elif name in {"docking", "mpo"}:
        argument = PurePath(argument.rpartition("@")[0] or argument).stem
    return f"{name}:{argument}" if argument else name


def _cut(text: str) -> str:
    first = (LONGEST - 1) * 3 // 5
    return text if len(text) <= LONGEST else f"{text[:first]}…{text[len(text) - LONGEST + first + 1 :]}"
