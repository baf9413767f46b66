"""What a file may name: scores that molvae computes, but no program, server or code, unless it is trusted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from molvae.errors import UsageError
from molvae.oracles.base import ORACLES, OracleText
from molvae.oracles.composite import read_objectives
from molvae.oracles.desirability import SHAPES
from molvae.oracles.own import OWN

if TYPE_CHECKING:
    from collections.abc import Collection

_WRAPPERS = ("isolated", "inline", "ray")  # of another oracle, whose text is their argument


def refuse_hidden_programs(text: str, computed: Collection[str], *, named: bool) -> None:
    """Refuse an oracle that would run or ask something that the user has not named.

    A journal, settings and an `mpo:` file may be somebody else's. What they name is run only if molvae
    computes it; whoever wants more names it, or says that the file is trusted.

    Args:
        text: What makes the oracle.
        computed: Names of the oracles that molvae computes.
        named: Whether the user has named it; otherwise it stands in a file.

    Raises:
        ConfigError: A file it names cannot be read.
        UsageError: It would run a program or code, or ask a server, that only a file names.
    """
    parts = OracleText.read(text)
    if parts.name in SHAPES or (named and parts.name in _WRAPPERS):
        refuse_hidden_programs(parts.argument, computed, named=named)
    elif parts.name == "mpo" and parts.argument:
        for settings in read_objectives(Path(parts.argument))[0].values():
            for term in settings.terms:
                refuse_hidden_programs(term.score, computed, named=False)
    elif not named and parts.name not in computed and (parts.name in ORACLES or OWN.fullmatch(text.strip())):
        raise UsageError(
            f"the oracle '{text}' is named by a file and not by you, so it is not run",
            hint="It would run a program or code, or ask a server. If you trust whoever wrote that file, "
            f"name it yourself (--maximize '{text}'), or add --trust (in Python trust=True).",
        )
