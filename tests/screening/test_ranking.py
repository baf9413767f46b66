"""The hits that parts keep are enough for the whole ranking, also with several objectives."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from molvae.campaign.utility import utilities as of_a_search
from molvae.oracles.config import Objective
from molvae.screening.ranking import Range, best, leaders, utilities

GOALS = st.integers(1, 3).flatmap(
    lambda m: arrays(
        np.float64,
        st.tuples(st.integers(1, 30), st.just(m)),
        elements=st.sampled_from([-2.0, 0.0, 0.1, 0.25, 1.0, 3.0, 1e-9]),
    )
)


@settings(max_examples=80)
@given(GOALS, st.integers(1, 6), st.integers(1, 8), st.data())
def test_the_best_of_the_leaders_of_parts_are_the_best_of_all(goals, k, size, data):
    over = Range.of(goals)
    kept, seen = [], Range()
    for start in range(0, len(goals), size):
        part = goals[start : start + size]
        kept += (start + leaders(part, k)).tolist()
        seen |= Range.of(part)
        if data.draw(st.booleans()):  # a merge drops the hopeless ones now and then
            kept = [kept[n] for n in leaders(goals[kept], k)]
    assert seen == over
    found, _ = best(goals[kept], over, k)
    wanted, _ = best(goals, over, k)
    assert [kept[n] for n in found] == wanted.tolist()


@settings(max_examples=30)
@given(GOALS)
def test_utilities_are_those_of_a_search(goals):
    objectives = [Objective(name=f"goal{j}") for j in range(goals.shape[1])]
    np.testing.assert_array_equal(utilities(goals, Range.of(goals)), of_a_search(goals, objectives))
