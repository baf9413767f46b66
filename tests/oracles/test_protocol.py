"""Answers of external oracles, and how wrong answers are treated."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molvae.chemistry.molecule import parse
from molvae.data.records import Column
from molvae.data.writers import open_writer
from molvae.oracles.base import Score
from molvae.oracles.functions import FunctionOracle
from molvae.oracles.protocol import (
    ProtocolError,
    greeting,
    read_answer,
    read_greeting,
    request,
    write_answer,
)

ASKED = ["CCO", "CCN"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "an empty line"),
        ("Segmentation fault", "expected JSON, got str 'Segmentation fault'"),
        ('{"id": 1, "scores": [1', "expected JSON"),
        ("[" * 100_000, "expected JSON"),
        ("[1, 2]", "expected a JSON object, got list"),
        ('{"id": 1}', "the answer has no 'scores'"),
        ('{"scores": [1, 2]}', "the answer to request 1 has the id None"),
        ('{"id": 2, "scores": [1, 2]}', "the answer to request 1 has the id int 2"),
        ('{"id": 1, "scores": [1]}', "1 scores for 2 molecules"),
        ('{"id": 1, "scores": [1, 2, 3]}', "3 scores for 2 molecules"),
        ('{"id": 1, "scores": 5}', "'scores' must be a list, got int 5"),
        ('{"id": 1, "scores": [1, 2], "smiles": ["CCN", "CCO"]}', "other molecules, or in another order"),
        ('{"id": 1, "scores": [1, 2], "statuses": ["ok"]}', "1 statuses for 2 molecules"),
        ('{"id": 1, "error": "no license"}', "^no license$"),
        ('{"id": 1, "payload": {"activity": [1, 2]}}', "the payload has no 'predictions', it has: activity"),
    ],
)
def test_an_invalid_answer_is_a_failure_with_a_reason(answer, reason):
    with pytest.raises(ProtocolError, match=reason):
        read_answer(answer, ASKED, number=1)


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        ("null", "the oracle has no score for it"),
        ("NaN", "expected a finite number, got nan"),
        ("-Infinity", "expected a finite number, got -inf"),
        ("1" + "0" * 400, "OverflowError"),
        ('"0.5"', "expected a number, got str '0.5'"),
        ("true", "expected a number, got bool True"),
        ("[1]", "expected a number, got list"),
        ("{}", "expected a number, got dict"),
    ],
)
def test_a_non_number_fails_only_its_molecule(value, detail):
    bad, good = read_answer(f'{{"scores": [{value}, 2]}}', ASKED)
    assert (bad.status, good) == ("failed", Score.ok(2.0))
    assert detail in bad.detail


def test_statuses_and_details_are_read():
    answer = {
        "scores": [1, 2, None, 3, 4],
        "statuses": ["ok", "failed", "timeout", "invalid", "skipped"],
        "details": ["", "no pose", None, 7, ""],
    }
    scores = read_answer(json.dumps(answer), list("CNOFP"))
    assert [score.status for score in scores] == ["ok", "failed", "timeout", "invalid", "failed"]
    assert scores[1].detail == "no pose"
    assert "unknown status str 'skipped'" in scores[4].detail


def test_a_payload_of_reinvent_is_understood():
    text = '{"version": 1, "payload": {"predictions": [1, 2], "other": [3, 4]}}'
    assert [score.value for score in read_answer(text, ASKED)] == [1, 2]
    assert [score.value for score in read_answer(text, ASKED, key="other")] == [3, 4]


@pytest.mark.parametrize("line", ["{}", '{"version": 2}', "hello", "[]", '{"error": "no license"}'])
def test_another_version_is_refused(line):
    with pytest.raises(ProtocolError, match=r"version 1|expected|no license"):
        read_greeting(line)


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=20)), max_size=6)
)
def test_what_is_written_is_read(answers):
    scores = [Score.ok(a) if isinstance(a, float) else Score.failed(a or "x") for a in answers]
    smiles = ["C" * (n + 1) for n in range(len(scores))]
    line = write_answer(7, scores)
    assert line.count("\n") == 1
    read = read_answer(line, smiles, number=7)
    assert [(s.status, s.value if s.is_ok else None) for s in read] == [
        (s.status, s.value if s.is_ok else None) for s in scores
    ]
    assert json.loads(request(7, smiles)) == {"id": 7, "smiles": smiles}
    assert json.loads(greeting())["version"] == 1


ODD = "no pose\ud800 \x1b[2J\x07 \u202e\x9b31m\r\nnext"


def _answered():
    return read_answer(json.dumps({"scores": [None], "details": [ODD]}), ["C"])[0]


def _raised():
    def function(_smiles: str) -> float:
        raise ValueError(ODD)

    return FunctionOracle(function, "x")([parse("C")])[0]


@pytest.mark.parametrize(
    "made",
    [
        _answered,
        _raised,
        lambda: Score.of(ODD),
        lambda: Score(math.nan, "failed", ODD),
        lambda: Score.timed_out(ODD),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet", ".sdf", ".smi", ".jsonl"])
def test_any_detail_can_be_stored_and_shown(made, suffix, tmp_path):
    detail = made().detail
    assert not set(detail) & set("\ud800\x1b\x07\u202e\x9b\r\n")
    columns = [Column("identifier"), Column("smiles", "smiles"), Column("trouble")]
    with open_writer(tmp_path / f"t{suffix}", columns) as writer:
        writer.write(["a", "C", detail])
