"""Merges agree with byte-pair encoding, and text is split into the longest tokens."""

from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from molvae.tokenizers.vocabulary import LongestMatch, Vocabulary, learn_merges, merged_vocabulary

ROWS = st.lists(st.lists(st.integers(-1, 3), max_size=12), max_size=8)


def plain(rows, n_units, n_merges):
    """Byte-pair encoding, one row and one pair at a time."""
    rows, merges = [list(row) for row in rows], []
    for made in range(n_units, n_units + n_merges):
        counts = Counter(pair for row in rows for pair in pairwise(row) if min(pair) >= 0)
        if not counts or max(counts.values()) < 2:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        for row in rows:
            at = 0
            while at < len(row) - 1:
                if (row[at], row[at + 1]) == best:
                    row[at : at + 2] = [made]
                at += 1
        merges.append(best)
    return merges


@given(ROWS, st.integers(0, 6))
def test_merges_are_those_of_the_plain_algorithm(rows, n_merges):
    values = np.array([value for row in rows for value in row], dtype=np.int64)
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    assert list(islice(learn_merges(values, lengths, 4), n_merges)) == plain(rows, 4, n_merges)


def test_pairs_do_not_cross_rows():
    assert list(learn_merges(np.array([0, 1] * 3), np.ones(6, dtype=np.int64), 2)) == []


def test_only_complete_tokens_join_the_vocabulary():
    units = Vocabulary.build("ab()")
    values = np.array([units.index(unit) for unit in "a(b)a(b)ab" * 3])
    vocabulary = merged_vocabulary(
        units,
        values,
        np.array([len(values)]),
        3,
        min_count=2,
        complete=lambda token: token.count("(") == token.count(")"),
    )
    assert len(vocabulary) == len(units) + 3
    assert all(token.count("(") == token.count(")") for token in vocabulary.tokens[len(units) :])
    assert vocabulary.tokens[: len(units)] == units.tokens


@given(
    st.lists(st.lists(st.sampled_from("abc"), min_size=2, max_size=4), max_size=6),
    st.lists(st.sampled_from("abcd"), max_size=20),
)
def test_the_longest_token_wins_at_every_place(tokens, units):
    cut = LongestMatch(tokens)(units)
    assert "".join(cut) == "".join(units)
    known = {"".join(token) for token in tokens}
    at = 0
    for token in cut:
        longest = max(
            (n for n in range(2, 5) if "".join(units[at : at + n]) in known and at + n <= len(units)),
            default=1,
        )
        assert len(token) == longest
        at += len(token)
