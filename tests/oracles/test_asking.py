"""Each molecule gets one score, whatever an oracle does."""

from __future__ import annotations

import math

import pytest

from molvae.chemistry.molecule import parse
from molvae.oracles.base import Score, ask, scores_of

MOLECULES = [parse("C"), parse("CC")]


def _raise(_molecules):
    raise RuntimeError("segment lost")


@pytest.mark.parametrize(
    ("behavior", "detail"),
    [
        (_raise, "RuntimeError: segment lost"),
        (lambda _: [], "0 answers for 2 molecules"),
        (lambda _: None, "TypeError"),
        (lambda _: [None, "x"], "expected a number"),
    ],
)
def test_an_oracle_that_breaks_the_protocol_fails(behavior, detail):
    scores = ask(behavior, MOLECULES)
    assert [score.status for score in scores] == ["failed", "failed"]
    assert detail in scores[0].detail


def test_raw_numbers_of_an_oracle_are_scores():
    scores = ask(lambda _: [1, math.nan], MOLECULES)
    assert scores[0] == Score.ok(1.0)
    assert scores[1].status == "failed"


def test_texts_that_are_not_molecules_keep_their_places():
    scores = scores_of(lambda molecules: [len(m.smiles) for m in molecules], ["CC", "C1CC", "CCC"])
    assert [score.status for score in scores] == ["ok", "invalid", "ok"]
    assert scores[2].value == 3
