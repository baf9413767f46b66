"""What an oracle is beyond its name: the local files it is made of, by their sha256."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from molvae.errors import MolvaeError
from molvae.oracles.base import OracleText
from molvae.oracles.composite import read_objectives
from molvae.oracles.desirability import SHAPES
from molvae.oracles.own import OWN
from molvae.persistence.files import sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_AROUND = frozenset({"isolated", "inline", "ray"})
_OUTSIDE = frozenset({"isolated", "ray", "cmd", "http", "https", "docking"})
_MEANING = frozenset({"reinvent", "key", "vina", "dockstring", "exhaustiveness", "seed"})
"""Options that say what is asked, not how."""


def core_of(text: str) -> str:
    """The text of an oracle without how it is carried out: workers, time-outs, retries.

    >>> core_of("isolated[workers=4,timeout=60]:docking.py:score"), core_of("gaussian[2,1]:logp")
    ('isolated:docking.py:score', 'gaussian[2,1]:logp')
    """
    parts = OracleText.read(text)
    if parts.name not in _OUTSIDE:
        return text.strip()
    kept = tuple(option for option in parts.options if option.partition("=")[0].strip() in _MEANING)
    return str(OracleText(parts.name, kept, parts.argument))


def files_of(text: str) -> dict[str, str]:
    """sha256 of each local file that the oracle of this text depends on, by its path as it is written.

    These are the file of an `mpo:`, with what its terms depend on; of `file.py:function`, or of a module that
    lies in the current directory; the receptor of a `docking:`; and files with a suffix in the command line
    of a `cmd:`.

    >>> files_of("similarity:CCO")
    {}
    """
    return {
        str(path): sha256_of(path) for inner in named_within(text) for path in _paths(inner) if path.is_file()
    }


def named_within(text: str) -> Iterator[OracleText]:
    """Every oracle that a text names: itself, what it is wrapped around, the terms of an `mpo:`.

    >>> [inner.name for inner in named_within("rising[0,1]:isolated:similarity:CCO")]
    ['rising', 'isolated', 'similarity']
    """
    parts = OracleText.read(text.strip())
    yield parts
    if parts.name in _AROUND or parts.name in SHAPES:
        yield from named_within(parts.argument)
    elif parts.name == "mpo":
        for term in _terms(Path(parts.argument)):
            yield from named_within(term)


def _paths(parts: OracleText) -> Iterator[Path]:
    if parts.name == "mpo":
        yield Path(parts.argument)
    elif parts.name == "docking":
        yield Path(parts.argument.rpartition("@")[0])  # a target by name is no file
    elif parts.name == "cmd":
        yield from (path for word in _words(parts.argument) if (path := Path(word)).suffix)
    elif parts.name not in _AROUND and (found := OWN.fullmatch(str(parts))):
        module = found["module"]
        yield Path(module) if module.endswith(".py") else Path(*module.split(".")).with_suffix(".py")


def _terms(path: Path) -> list[str]:
    try:
        objectives, _ = read_objectives(path)
    except MolvaeError:  # whoever loads it says what is wrong with it
        return []
    return [term.score for settings in objectives.values() for term in settings.terms]


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return []
