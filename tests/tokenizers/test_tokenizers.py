"""The contract of tokenizers: lossless, bounded, and a result for any output of a model."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molvae.errors import UnknownNameError
from molvae.tokenizers.base import MAX_TOKENS, TOKENIZERS, TokenizationError
from molvae.tokenizers.notations import SelfiesTokenizer, SmilesTokenizer
from molvae.tokenizers.vocabulary import BOS, EOS, PAD, UNK, Vocabulary, merged_vocabulary

DRUGS = [
    "CC(=O)Oc1ccccc1C(=O)O",
    "CN1CCC[C@H]1c1cccnc1",
    "Clc1ccc(cc1)C(c1ccc(Br)cc1)N1CCN(CC1)C",
    "C[N+](C)(C)CC(=O)[O-]",
    "O=S(=O)(N)c1cc2c(cc1C(F)(F)F)NC(Cc1ccccc1)NS2(=O)=O",
    "[NH3+][C@@H](Cc1c[nH]c2ccccc12)C(=O)[O-]",
    "F/C=C/F",
    "CC.O",
]
LIKE_SMILES = st.lists(
    st.sampled_from(
        ["C", "c", "N", "Br", "Cl", "[nH]", "[C@@H]", "%12", "%(123)", "(", ")", "1", "=", "/", "."]
    )
).map("".join)


def learned(kind, texts, n_merges=0):
    """A tokenizer with the vocabulary of these texts."""
    rows = [kind.split(text) for text in texts]
    units = Vocabulary.build(unit for row in rows for unit in row)
    ids = np.array([units.index(unit) for row in rows for unit in row], dtype=np.int64)
    lengths = np.array([len(row) for row in rows])
    return kind(merged_vocabulary(units, ids, lengths, n_merges, min_count=2, complete=kind.is_complete))


@pytest.mark.parametrize("n_merges", [0, 40])
@pytest.mark.parametrize("name", ["smiles", "selfies"])
class TestContract:
    def make(self, name, n_merges):
        return learned(TOKENIZERS.get(name), DRUGS, n_merges)

    def test_ids_end_with_the_end_mark_and_never_begin_with_one(self, name, n_merges):
        tokenizer = self.make(name, n_merges)
        for text in DRUGS:
            ids = tokenizer.encode(text)
            assert ids.dtype == np.int64
            assert ids[-1] == EOS
            assert not np.isin(ids[:-1], [PAD, BOS, EOS, UNK]).any()

    def test_round_trip_gives_the_same_molecule(self, name, n_merges):
        canonical = pytest.importorskip("molvae.chemistry.molecule").canonical
        tokenizer = self.make(name, n_merges)
        for text in DRUGS:
            assert canonical(tokenizer.decode(tokenizer.encode(text))) == canonical(text)

    def test_many_rows_decode_as_each_alone(self, name, n_merges):
        tokenizer = self.make(name, n_merges)
        rng = np.random.default_rng(0)
        ids = rng.integers(0, len(tokenizer.vocabulary), size=(64, 20))
        assert tokenizer.decode_many(ids) == [tokenizer.decode(row) for row in ids]
        assert tokenizer.decode_many(ids[:0]) == []
        assert tokenizer.decode_many(ids[:3, :0]) == ["", "", ""]

    def test_an_unknown_token_is_reported_and_not_fatal(self, name, n_merges):
        tokenizer = learned(TOKENIZERS.get(name), ["CCO"], n_merges)
        assert len(tokenizer.unknown("CCN(C)N")) >= 1
        ids = tokenizer.encode("CCNN")
        assert (ids == UNK).sum() == 2
        assert "<unk>" in tokenizer.decode(ids)

    def test_a_begin_mark_in_front_is_skipped_and_padding_ends(self, name, n_merges):
        tokenizer = self.make(name, n_merges)
        body = tokenizer.encode("CCO")[:-1]
        assert tokenizer.decode([BOS, *body, PAD, *body]) == "CCO"
        assert "<bos>" in tokenizer.decode([*body, BOS, *body])
        assert tokenizer.decode_many(np.array([[BOS, *body], [*body, EOS]])) == ["CCO", "CCO"]

    def test_too_long_a_text_is_refused(self, name, n_merges):
        tokenizer = self.make(name, n_merges)
        assert tokenizer.decode(tokenizer.encode("C" * MAX_TOKENS)) == "C" * MAX_TOKENS
        with pytest.raises(TokenizationError, match="limit"):
            tokenizer.encode("C" * (MAX_TOKENS + 1))

    def test_the_vocabulary_travels_as_json(self, name, n_merges):
        tokenizer = self.make(name, n_merges)
        again = TOKENIZERS.get(name)(Vocabulary.from_json(tokenizer.vocabulary.to_json()))
        assert all((again.encode(text) == tokenizer.encode(text)).all() for text in DRUGS)

    def test_merged_tokens_are_fewer_and_spell_the_same(self, name, n_merges):
        tokenizer = self.make(name, n_merges)
        for text in DRUGS:
            units, tokens = tokenizer.split(text), tokenizer.merge(tokenizer.split(text))
            assert "".join(tokens) == "".join(units)
            assert (tokens == units) if n_merges == 0 else (len(tokens) <= len(units))
        assert (
            sum(map(len, map(tokenizer.merge, map(tokenizer.split, DRUGS))))
            < sum(map(len, map(tokenizer.split, DRUGS)))
        ) == (n_merges > 0)


@given(st.text() | LIKE_SMILES)
def test_smiles_tokens_joined_are_the_text(text):
    tokens = SmilesTokenizer.split(text)
    assert "".join(tokens) == text
    assert "" not in tokens


@given(st.lists(LIKE_SMILES, min_size=1, max_size=6), st.integers(0, 6))
def test_smiles_ids_decode_to_the_text(texts, n_merges):
    tokenizer = learned(SmilesTokenizer, texts, n_merges)
    rows = [tokenizer.encode(text) for text in texts]
    ids = np.zeros((len(rows), max(map(len, rows))), dtype=np.uint8)
    for row, values in zip(ids, rows, strict=True):
        row[: len(values)] = values
    assert tokenizer.decode_many(ids) == texts


@given(
    st.lists(
        st.sampled_from([*learned(SelfiesTokenizer, DRUGS).vocabulary.tokens, "[nope]", "x", "["]),
        max_size=60,
    )
)
@settings(deadline=None)
def test_any_sequence_of_selfies_tokens_has_an_answer(tokens):
    text = SelfiesTokenizer.write("".join(tokens))
    if any(token in {"[nope]", "x", "[", "<unk>", "<bos>", "<pad>", "<eos>"} for token in tokens):
        assert text.startswith("<") or text == "" or "[nope]" in tokens


@pytest.mark.parametrize(
    "text", ["", "xyz", "C*C", "C1CC", "CC\nC", "[U+7", "F(F)(F)F", "C" * 5000, "(" * 900]
)
def test_what_selfies_cannot_express_is_an_error_with_a_reason(text):
    with pytest.raises(TokenizationError):
        SelfiesTokenizer.split(text)


@pytest.mark.parametrize("text", ["CCO", "[C][nope]", "[C][C", "<unk>", "[C]" * 100_000])
def test_what_is_not_selfies_is_never_read_as_a_molecule(text):
    assert SelfiesTokenizer.write(text).startswith("<")


def test_a_wrong_name_names_the_nearest():
    assert set(TOKENIZERS.names()) >= {"smiles", "selfies"}
    with pytest.raises(UnknownNameError, match="selfies"):
        TOKENIZERS.get("selfie")


@pytest.mark.skipif("MOLVAE_DATA" not in os.environ, reason="needs the real data sets")
def test_the_zinc_vocabulary_has_its_known_size():
    path = Path(os.environ["MOLVAE_DATA"]) / "zinc250k" / "zinc250k.csv.gz"
    with gzip.open(path, "rt") as file:
        texts = [line.partition(",")[0] for line in file][1:50_001]
    tokenizer = learned(SmilesTokenizer, texts)
    assert 40 < len(tokenizer.vocabulary) < 80
