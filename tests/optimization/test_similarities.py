"""MinMax similarity agrees with its formula in all implementations, and is a kernel."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from looks import by_definition, counts, gallery, joined, multisets, seen

from molvae.optimization.similarities import Gallery, GramMemory, MinMaxGallery

COUNTS = st.lists(st.lists(st.integers(0, 9), min_size=5, max_size=5), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(COUNTS, COUNTS)
def test_equals_its_definition(a, b):
    a, b = np.array(a, dtype=np.float32), np.array(b, dtype=np.float32)
    found = MinMaxGallery(multisets(a)).similarities(multisets(b))
    assert np.array_equal(found, by_definition(b, a))


def test_common_and_rare_features_add_up_to_the_definition():
    rng = np.random.default_rng(0)
    common, rare = rng.poisson(2.0, (90, 10)), rng.poisson(0.01, (90, 300))
    x = np.concatenate([common, rare], axis=1).astype(np.float32)
    members, queries = multisets(x[:70]), multisets(x[70:])
    found = MinMaxGallery(members).similarities(queries)
    assert np.array_equal(found, by_definition(x[70:], x[:70]))


def test_is_a_similarity_and_positive_semidefinite():
    x = multisets(counts(80))
    gram = MinMaxGallery(x).similarities(x)
    assert np.array_equal(gram, gram.T)
    assert np.array_equal(gram.diagonal(), np.ones(80))
    assert gram.min() >= 0
    assert np.linalg.eigvalsh(gram).min() > -1e-10


def test_empty_vectors_and_empty_sets():
    zero, one = multisets(np.zeros((1, 4))), multisets(np.ones((1, 4)))
    assert MinMaxGallery(zero).similarities(zero).item() == 1.0
    assert MinMaxGallery(zero).similarities(one).item() == 0.0
    nothing = multisets(np.zeros((0, 4)))
    assert MinMaxGallery(one).similarities(nothing).shape == (0, 1)
    assert MinMaxGallery(nothing).similarities(one).shape == (1, 0)


@pytest.mark.parametrize("high", [1, 40, 250])
def test_high_counts_stay_exact(high):
    a = multisets(np.full((1, 3), float(high)))
    b = multisets(np.array([[float(high), 0.0, 1.0]]))
    assert MinMaxGallery(a).similarities(b).item() == (high + 1) / (3 * high)


def test_rows_can_be_taken_and_joined():
    x = counts(12)
    rows = [3, 0, 3, 11]
    taken = multisets(x).take(rows)
    again = multisets(x[rows])
    assert np.array_equal(taken.sizes, again.sizes)
    assert np.array_equal(np.sort(taken.keys), np.sort(again.keys))
    whole = joined(seen(x[:5]), seen(x[5:]))
    assert np.array_equal(whole.multisets[0].offsets, multisets(x).offsets)
    assert len(whole) == 12


def test_a_remembered_gram_is_the_computed_one_to_the_last_bit():
    x, memory = counts(40), GramMemory()
    for rows in (range(20), [5, 3, 39, 17, 21], range(10, 40), []):
        members = multisets(x[list(rows)])
        found = memory.gram("morgan", [f"m{row}" for row in rows], MinMaxGallery(members))
        assert np.array_equal(found, by_definition(x[list(rows)], x[list(rows)]))


def test_a_gallery_scales_numbers_by_what_was_observed():
    numbers = np.array([[1.0, 5.0, np.nan], [3.0, 5.0, np.nan]])
    found = Gallery(seen(counts(2), numbers=numbers))
    assert found.numbers.tolist() == [[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    other = found.scaled(np.array([[4.0, 6.0, 1.0], [np.nan, np.inf, 1e9]]))
    assert other.tolist() == [[2.0, 1.0, 1.0], [0.0, 0.0, 10.0]]


def test_a_comparison_has_every_table_once():
    x, new = seen(counts(6)), seen(counts(3, seed=1))
    comparison = gallery(x).compare(new)
    assert comparison.cross("morgan") is comparison.cross("morgan")
    assert np.array_equal(comparison.cross("morgan"), by_definition(counts(3, seed=1), counts(6)))
    assert np.array_equal(comparison.own("morgan"), by_definition(*[counts(3, seed=1)] * 2))
