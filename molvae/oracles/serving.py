"""The other side of an isolated oracle: a process that answers on its pipes (`isolated.py` starts it).

It speaks `molvae.oracles.protocol` for any oracle by its text. What the oracle prints goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, TextIO

from molvae.errors import UsageError
from molvae.oracles.own import own_oracle
from molvae.oracles.protocol import VERSION, write_answer
from molvae.oracles.texts import scores_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from molvae.oracles.base import Oracle


def serve(kind: str, text: str, requests: TextIO, answers: TextIO) -> None:
    """Answer requests about an oracle until they end.

    Args:
        kind: How the text is read, a `molvae.oracles.config.Kind`.
        text: What makes the oracle.
        requests: Where they come from, line by line.
        answers: Where the answers go.
    """
    requests.readline()  # the greeting
    try:
        oracle = _MAKERS[kind](text)
    except UsageError as error:
        wrong = {"kind": type(error).__name__, "message": error.message, "hint": error.hint}
        _say(answers, {"version": VERSION, "wrong": wrong})
        return
    _say(answers, {"version": VERSION})
    for line in requests:
        asked = json.loads(line)
        answers.write(write_answer(asked["id"], scores_of(oracle, asked["smiles"])))
        answers.flush()


def _registered(text: str) -> Oracle:
    from molvae.oracles.plugins import load_oracle  # needs much that a user's own function does not

    return load_oracle(text, trust=True)  # who started this process has asked


def _docking(text: str) -> Oracle:
    from molvae.oracles.docking.programs import Docking

    return Docking(text)


def _admet(text: str) -> Oracle:
    from molvae.oracles.admet import Admet

    return Admet(text)


_MAKERS: dict[str, Callable[[str], Oracle]] = {
    "own": own_oracle,
    "registered": _registered,
    "docking": _docking,
    "admet": _admet,
}


def _say(answers: TextIO, message: dict[str, object]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


def main() -> None:
    """Serve the oracle of the first two arguments."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the oracle prints must not get among the answers
    serve(sys.argv[1], sys.argv[2], sys.stdin, answers)
