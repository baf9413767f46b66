"""The protocol of external oracles: JSON objects, version 1.

A program receives and answers a greeting, then requests, one line each:

    molvae   {"molvae": "oracle", "version": 1}
    oracle   {"version": 1}
    molvae   {"id": 1, "smiles": ["CCO", "c1ccccc1"]}
    oracle   {"id": 1, "scores": [-7.3, null], "details": ["", "no pose was found"]}

A server receives `{"version": 1, "smiles": [...]}` by POST and answers without an `id`. In an answer `scores`
has a number or null for each molecule, in order. `statuses` (ok, invalid, failed, timeout) and `details`
(texts) are optional; `smiles`, if sent back, is compared. The payload of REINVENT 4's external processes,
`{"version": 1, "payload": {"predictions": [...]}}`, can replace `scores`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from molvae.oracles.base import Score, describe_answer, describe_error

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION = 1

_STATUSES = ("ok", "invalid", "failed", "timeout")


class ProtocolError(Exception):
    """The answer of an oracle does not follow the protocol."""


def greeting() -> str:
    """The first line to a program.

    >>> print(greeting(), end="")
    {"molvae": "oracle", "version": 1}
    """
    return json.dumps({"molvae": "oracle", "version": VERSION}) + "\n"


def read_greeting(line: str) -> dict[str, Any]:
    """Read the answer of a program to the greeting.

    Raises:
        ProtocolError: It is not a JSON object, or has another version.
    """
    answer = _object(line)
    if answer.get("version") != VERSION:
        raise ProtocolError(
            f"version {VERSION} of the protocol was offered, the answer is {describe_answer(answer)}, "
            f'expected {{"version": {VERSION}}}'
        )
    return answer


def request(number: int, smiles: Sequence[str]) -> str:
    """A request as one line.

    >>> print(request(1, ["CCO"]), end="")
    {"id": 1, "smiles": ["CCO"]}
    """
    return json.dumps({"id": number, "smiles": list(smiles)}) + "\n"


def read_answer(
    text: str, smiles: Sequence[str], *, number: int | None = None, key: str = "predictions"
) -> list[Score]:
    """Read the scores of an answer, one for each molecule of the request, whose `id` is the number, if any.

    `key` is the list of a REINVENT payload with the scores.

    Raises:
        ProtocolError: It is not an answer to this request. An invalid score only fails its molecule.

    >>> read_answer('{"scores": [1, "high"]}', ["C", "CC"])[1].detail
    "expected a number, got str 'high'"
    """
    answer = _object(text)
    if number is not None and answer.get("id") != number:
        raise ProtocolError(f"the answer to request {number} has the id {describe_answer(answer.get('id'))}")
    echoed = answer.get("smiles", smiles)
    if not isinstance(echoed, list | tuple) or list(echoed) != list(smiles):
        raise ProtocolError("the answer is about other molecules, or in another order")
    scores = _column(_payload(answer, key), len(smiles), "scores")
    statuses = _column(answer.get("statuses", [None] * len(smiles)), len(smiles), "statuses")
    details = _column(answer.get("details", [None] * len(smiles)), len(smiles), "details")
    return [_score(*parts) for parts in zip(scores, statuses, details, strict=True)]


def write_answer(number: int, scores: Sequence[Score]) -> str:
    """An answer as one line.

    >>> print(write_answer(1, [Score.ok(0.5), Score.failed("no pose")]), end="")
    {"id": 1, "scores": [0.5, null], "statuses": ["ok", "failed"], "details": ["", "no pose"]}
    """
    answer = {
        "id": number,
        "scores": [score.value if score.is_ok else None for score in scores],
        "statuses": [score.status for score in scores],
        "details": [score.detail for score in scores],
    }
    return json.dumps(answer) + "\n"


def _object(text: str) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError) as error:
        said = describe_answer(text) if text.strip() else "an empty line"
        raise ProtocolError(f"expected JSON, got {said} ({describe_error(error)})") from None
    if not isinstance(answer, dict):
        raise ProtocolError(f"expected a JSON object, got {describe_answer(answer)}")
    if isinstance(answer.get("error"), str):
        raise ProtocolError(answer["error"])
    return answer


def _payload(answer: dict[str, Any], key: str) -> Any:
    if "scores" in answer:
        return answer["scores"]
    payload = answer.get("payload")
    if not isinstance(payload, dict):
        raise ProtocolError(f"the answer has no 'scores': {describe_answer(answer)}")
    if key not in payload:
        raise ProtocolError(f"the payload has no '{key}', it has: {', '.join(payload) or 'nothing'}")
    return payload[key]


def _column(values: Any, n: int, what: str) -> list[Any]:
    if not isinstance(values, list):
        raise ProtocolError(f"'{what}' must be a list, got {describe_answer(values)}")
    if len(values) != n:
        raise ProtocolError(f"{len(values)} {what} for {n} molecules")
    return values


def _score(value: Any, status: Any, detail: Any) -> Score:
    said = detail if isinstance(detail, str) else ""
    if status not in (None, *_STATUSES):
        return Score.failed(
            f"unknown status {describe_answer(status)}, expected one of {', '.join(_STATUSES)}"
        )
    if status == "invalid":
        return Score.invalid(said or "invalid, according to the oracle")
    if status == "timeout":
        return Score.timed_out(said or "the oracle reports a time-out")
    if status == "failed" or value is None:
        return Score.failed(said or "the oracle has no score for it")
    if isinstance(value, bool):
        return Score.failed(f"expected a number, got {describe_answer(value)}")
    return Score.of(value)
