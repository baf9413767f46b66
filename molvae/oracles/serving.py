"""The process of an isolated oracle, which answers on its pipes (`command.py` starts it).

It follows `molvae.oracles.protocol` for any oracle. Output of the oracle goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, TextIO

from molvae.errors import UsageError
from molvae.oracles.base import scores_of
from molvae.oracles.functions import own_oracle
from molvae.oracles.protocol import VERSION, write_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from molvae.oracles.base import Oracle


def serve(kind: str, text: str, requests: TextIO, answers: TextIO) -> None:
    """Answer requests for an oracle of a `kind` (`molvae.oracles.config.Kind`) until the input ends."""
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
    from molvae.oracles.plugins import load_oracle  # slow import that user functions do not need

    return load_oracle(text, trust=True)  # checked by the parent process


def _docking(text: str) -> Oracle:
    from molvae.oracles.docking_programs import Docking

    return Docking(text)


def _admet(text: str) -> Oracle:
    from molvae.oracles.heads import Admet

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
    """Serve the oracle given by the first two arguments."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # output of the oracle must not mix with the answers
    serve(sys.argv[1], sys.argv[2], sys.stdin, answers)
