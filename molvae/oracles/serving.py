"""The process of an isolated oracle, which answers on its pipes (`command.py` starts it).

It follows `molvae.oracles.protocol` for any oracle. Output of the oracle goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
from pkgutil import resolve_name
from typing import TextIO

from molvae.errors import UsageError
from molvae.oracles.base import scores_of
from molvae.oracles.protocol import VERSION, write_answer


def serve(maker: str, text: str, requests: TextIO, answers: TextIO) -> None:
    """Answer requests for the oracle that `maker` (`module:function`) makes of a text, until they end."""
    requests.readline()  # the greeting
    try:
        oracle = resolve_name(maker)(text)
    except UsageError as error:
        wrong = {"kind": type(error).__name__, "message": error.message, "hint": error.hint}
        _say(answers, {"version": VERSION, "wrong": wrong})
        return
    _say(answers, {"version": VERSION})
    for line in requests:
        asked = json.loads(line)
        answers.write(write_answer(asked["id"], scores_of(oracle, asked["smiles"])))
        answers.flush()


def _say(answers: TextIO, message: dict[str, object]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


def main() -> None:
    """Serve the oracle given by the first two arguments."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # output of the oracle must not mix with the answers
    serve(sys.argv[1], sys.argv[2], sys.stdin, answers)
