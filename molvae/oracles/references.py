"""What an oracle's text refers to (other oracles, files), and short labels."""

from __future__ import annotations

import shlex
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from molvae.errors import MolvaeError
from molvae.oracles.base import OracleText
from molvae.oracles.composite import read_objectives
from molvae.oracles.desirability import SHAPES
from molvae.oracles.functions import USER_FUNCTION
from molvae.persistence.files import sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

WRAPPERS = frozenset({"isolated", "inline", "ray"})  # of another oracle, given as their argument
_OUTSIDE = frozenset({"isolated", "ray", "cmd", "http", "https", "docking"})
_MEANING = frozenset({"reinvent", "key", "vina", "dockstring", "exhaustiveness", "seed"})
"""Options that change the score, not the execution."""

LONGEST = 26
"""Maximum length of an axis label."""


def core_of(text: str) -> str:
    """The text of an oracle without workers, time-outs and retries.

    >>> core_of("isolated[workers=4,timeout=60]:docking.py:score"), core_of("gaussian[2,1]:logp")
    ('isolated:docking.py:score', 'gaussian[2,1]:logp')
    """
    parts = OracleText.read(text)
    if parts.name not in _OUTSIDE:
        return text.strip()
    kept = tuple(option for option in parts.options if option.partition("=")[0].strip() in _MEANING)
    return str(OracleText(parts.name, kept, parts.argument))


def files_of(text: str) -> dict[str, str]:
    """sha256 of each local file that the oracle depends on, by path as written.

    These are the file of an `mpo:` and the files of its terms, the file of `file.py:function` or of a module
    in the current directory, the receptor of a `docking:`, and files with a suffix in the command line of a
    `cmd:`.

    >>> files_of("similarity:CCO")
    {}
    """
    return {
        str(path): sha256_of(path) for inner in named_within(text) for path in _paths(inner) if path.is_file()
    }


def named_within(text: str) -> Iterator[OracleText]:
    """All oracles in a text: itself, the oracle it wraps, the terms of an `mpo:`.

    >>> [inner.name for inner in named_within("rising[0,1]:isolated:similarity:CCO")]
    ['rising', 'isolated', 'similarity']
    """
    parts = OracleText.read(text.strip())
    yield parts
    if parts.name in WRAPPERS or parts.name in SHAPES:
        yield from named_within(parts.argument)
    elif parts.name == "mpo":
        try:
            terms = terms_of(Path(parts.argument))
        except MolvaeError:  # reported where the file is loaded
            return
        for term in terms:
            yield from named_within(term)


def _paths(parts: OracleText) -> Iterator[Path]:
    if parts.name == "mpo":
        yield Path(parts.argument)
    elif parts.name == "docking":
        yield Path(parts.argument.rpartition("@")[0])  # a target by name is not a file
    elif parts.name == "cmd":
        try:
            words = shlex.split(parts.argument)
        except ValueError:
            return
        yield from (path for word in words if (path := Path(word)).suffix)
    elif parts.name not in WRAPPERS and (found := USER_FUNCTION.fullmatch(str(parts))):
        module = found["module"]
        yield Path(module) if module.endswith(".py") else Path(*module.split(".")).with_suffix(".py")


def terms_of(path: Path) -> list[str]:
    """The scores of all objectives of a file.

    Raises:
        ConfigError: It cannot be read.
    """
    return [term.score for settings in read_objectives(path)[0].values() for term in settings.terms]


def labels_of(names: Iterable[str]) -> dict[str, str]:
    """A distinct label for each of several names, by name.

    A long name loses its options and directories, then its argument, or, if others begin alike, the middle.

    >>> labels_of(["qed", "docking[vina,poses=docked/poses]:DRD2"])
    {'qed': 'qed', 'docking[vina,poses=docked/poses]:DRD2': 'docking:DRD2'}
    >>> labels_of(["similarity:CC(=O)Nc1ccc(O)cc1"])
    {'similarity:CC(=O)Nc1ccc(O)cc1': 'similarity'}
    >>> list(labels_of(["similarity:CC(=O)Nc1ccc(O)cc1", "similarity:CC(=O)Nc1ccc(O)cc1Cl"]).values())
    ['similarity:CC(=…1ccc(O)cc1', 'similarity:CC(=…cc(O)cc1Cl']
    """
    names = list(dict.fromkeys(names))
    labels = [name if len(name) <= LONGEST else _plain(name) for name in names]
    heads = [_cut(label.partition(":")[0]) if len(label) > LONGEST else label for label in labels]
    labels = _where_same(heads, [_cut(label) for label in labels])
    labels = _where_same(labels, [_cut(name) for name in names])
    numbered = [f"{label[: LONGEST - 3]} {n}" for n, label in enumerate(labels, start=1)]
    return dict(zip(names, _where_same(labels, numbered), strict=True))


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
