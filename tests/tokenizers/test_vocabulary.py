"""A vocabulary is ordered and reproducible, and can be saved as JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molvae.errors import InputError
from molvae.tokenizers.vocabulary import BOS, EOS, PAD, SPECIALS, UNK, Vocabulary


def test_the_specials_have_fixed_ids():
    assert [SPECIALS.index(s) for s in ("<pad>", "<bos>", "<eos>", "<unk>")] == [PAD, BOS, EOS, UNK]


@given(st.lists(st.text(min_size=1, max_size=4)))
def test_order_of_the_text_does_not_matter_and_json_round_trips(tokens):
    vocabulary = Vocabulary.build(tokens)
    assert vocabulary == Vocabulary.build(reversed(tokens))
    assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary
    assert len(set(vocabulary)) == len(vocabulary)
    assert all(
        vocabulary.tokens[vocabulary.index(token)] == token for token in tokens if token not in SPECIALS
    )


def test_most_frequent_first_ties_by_text_and_rare_ones_left_out():
    vocabulary = Vocabulary.build({"N": 3, "C": 9, "F": 3, "Br": 1}, min_count=2)
    assert vocabulary.tokens[4:] == ("C", "F", "N")
    assert "Br" not in vocabulary
    assert vocabulary.index("Br") == UNK


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{}",
        '["a"]',
        "[1]",
        *(json.dumps([*SPECIALS, *t]) for t in ("CC", [""], ["\ud800"])),
        "null",
        "[]",
    ],
)
def test_a_damaged_vocabulary_is_refused(text):
    with pytest.raises(InputError):
        Vocabulary.from_json(text)
