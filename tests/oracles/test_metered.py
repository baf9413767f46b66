from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molvae.chemistry.molecule import Molecule, parse
from molvae.errors import UsageError
from molvae.oracles.base import Oracle, Score
from molvae.oracles.metered import MeteredOracle

TEXTS = ["C", "CC", "CCC", "CCO", "OCC", "CCN", "N", "not a molecule", ""]


class Recorder:
    """Fails on nitrogen, refuses methane, and remembers what it was asked."""

    name = "recorder"

    def __init__(self):
        self.asked = []

    def __call__(self, molecules):
        self.asked += [molecule.smiles for molecule in molecules]
        return [self._score(molecule.smiles) for molecule in molecules]

    def _score(self, smiles):
        if smiles == "C":
            return Score.invalid("too small")
        return Score.failed("nitrogen") if "N" in smiles else Score.ok(float(len(smiles)))


@given(st.lists(st.lists(st.sampled_from(TEXTS), max_size=8), max_size=6), st.none() | st.integers(0, 6))
def test_the_law_of_the_meter(batches, budget):
    inner = Recorder()
    metered = MeteredOracle(inner, budget)
    for batch in batches:
        molecules = [parse(text) for text in batch]
        scores = metered(molecules)
        assert len(scores) == len(batch)
        for molecule, score in zip(molecules, scores):
            if not isinstance(molecule, Molecule):
                assert score.status == "invalid"
            elif score.status == "skipped":
                assert metered.remaining == 0
            else:
                assert score.status == inner._score(molecule.smiles).status
                assert molecule.smiles in inner.asked
    assert len(inner.asked) == len(set(inner.asked))
    assert metered.calls == len([smiles for smiles in inner.asked if smiles != "C"])
    assert budget is None or metered.calls <= budget
    assert metered.remaining == (None if budget is None else budget - metered.calls)


def test_a_cache_is_free_and_can_be_handed_on():
    first = MeteredOracle(Recorder())
    first([parse("CC"), parse("CCN")])
    inner = Recorder()
    second = MeteredOracle(inner, 1, first.known())
    assert [score.status for score in second([parse("CC"), parse("CCN"), parse("CCC")])] == [
        "ok",
        "failed",
        "ok",
    ]
    assert (second.calls, second.remaining, inner.asked) == (1, 0, ["CCC"])


def test_what_was_skipped_can_be_asked_again_with_more_budget():
    small = MeteredOracle(Recorder(), 0)
    assert small([parse("CC")])[0].status == "skipped"
    assert small.known() == {}
    assert MeteredOracle(Recorder(), 1, small.known())([parse("CC")])[0].is_ok


class Misbehaving:
    name = "misbehaving"

    def __init__(self, behavior):
        self.behavior = behavior

    def __call__(self, molecules):
        return self.behavior(molecules)


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
def test_an_oracle_that_breaks_the_protocol_fails_and_is_charged(behavior, detail):
    metered = MeteredOracle(Misbehaving(behavior), 5)
    scores = metered([parse("C"), parse("CC")])
    assert [score.status for score in scores] == ["failed", "failed"]
    assert detail in scores[0].detail
    assert metered.calls == 2


def test_raw_numbers_of_an_oracle_are_scores():
    scores = MeteredOracle(Misbehaving(lambda _: [1, math.nan]))([parse("C"), parse("CC")])
    assert scores[0] == Score.ok(1.0)
    assert scores[1].status == "failed"


def test_a_meter_is_an_oracle_and_budgets_are_counts():
    assert isinstance(MeteredOracle(Recorder()), Oracle)
    with pytest.raises(UsageError, match="number of calls"):
        MeteredOracle(Recorder(), -1)
