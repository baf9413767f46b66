"""Any oracle in processes of its own: `isolated[workers=4,timeout=60]:ORACLE`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from molvae.errors import UnknownNameError, UsageError
from molvae.oracles.base import ORACLES, OracleText
from molvae.oracles.command import external_settings, started
from molvae.oracles.config import ExternalSettings, Kind
from molvae.oracles.own import OWN, own_oracle

if TYPE_CHECKING:
    from collections.abc import Callable

    from molvae.oracles.base import Oracle
    from molvae.oracles.external import ExternalOracle


_SERVING = "import sys; sys.path += sys.argv[3:]; from molvae.oracles.serving import main; main()"
"""Started so that no module of the current directory stands in for one of Python's or molvae's."""


def isolated(
    text: str, settings: ExternalSettings | None = None, *, name: str | None = None, kind: Kind | None = None
) -> ExternalOracle:
    """An oracle in processes of its own; the first is started now, so that a wrong text is told now.

    Args:
        text: What makes it.
        settings: Time-outs, workers, retries.
        name: What it is called, if not as the text.
        kind: How the text is read, if not as an oracle's.

    Raises:
        UsageError: The oracle cannot be made; the message is its own.
    """
    limits = settings or ExternalSettings()
    own = OWN.fullmatch(text) is not None and OracleText.read(text).name not in ORACLES
    kind = kind or ("own" if own else "registered")
    command = [sys.executable, "-P", "-c", _SERVING, kind, text, *sys.path]
    oracle, hello = started(command, limits, name or text)
    wrong = hello.get("wrong")
    if wrong is not None:
        oracle.close()
        error = UnknownNameError if wrong["kind"] == "UnknownNameError" else UsageError
        raise error(wrong["message"], hint=wrong["hint"])
    return oracle


def isolated_oracle(text: OracleText) -> ExternalOracle:
    """`isolated[workers=4,timeout=60]:ORACLE`: any oracle in processes of its own.

    Raises:
        ConfigError: An option that is none.
        UsageError: No oracle, or one that cannot be made.
    """
    text.require_argument("isolated needs an oracle", example="isolated:docking.py:score")
    return isolated(text.argument, external_settings(text), name=str(text))


def inline_oracle(text: OracleText, load: Callable[[str], Oracle]) -> Oracle:
    """`inline:module:function`: a function of the user's own in this process, where it is fast and unguarded.

    Raises:
        UsageError: Options, or no function.
    """
    if text.options:
        raise UsageError(f"inline takes no options, got '{text}'")
    return own_oracle(text.argument) if OWN.fullmatch(text.argument) else load(text.argument)
