"""Arrays on disk, duplicates, splits, scaling and batches."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molvae.campaign.cells import ColumnReader
from molvae.data.arrays import ArrayWriter, Ragged, RaggedWriter, blocks
from molvae.data.batching import collate, epoch_batches
from molvae.data.records import read_number
from molvae.data.replicates import first_of_group
from molvae.data.scaling import PropertyScaler
from molvae.data.splitting import divided, held_out_sizes, key_of, largest_group, part_of
from molvae.errors import InputError


@pytest.mark.parametrize("width", [(), (2,), (0,)])
@pytest.mark.parametrize("n", [0, 1, 1000])
def test_an_array_appended_in_pieces_is_one_npy_file(tmp_path, width, n):
    whole = np.arange(n * int(np.prod(width, dtype=int)), dtype=np.float32).reshape(n, *width)
    with ArrayWriter(tmp_path / "a.npy", np.float32, width) as writer:
        for start, stop in blocks(n, 7):
            writer.append(whole[start:stop])
    assert np.array_equal(np.load(tmp_path / "a.npy"), whole)


@given(st.lists(st.lists(st.text(max_size=5), max_size=4), max_size=6))
def test_texts_of_any_length_come_back(tmp_path_factory, pieces):
    directory = tmp_path_factory.mktemp("ragged")
    with RaggedWriter(directory, "t", np.uint8) as writer:
        for piece in pieces:
            writer.append_texts(piece)
    expected = [text.encode("utf-8", "replace").decode() for piece in pieces for text in piece]
    column = Ragged.open(directory, "t")
    assert len(column) == len(expected)
    assert [column.text(row) for row in range(len(column))] == expected


@given(st.lists(st.integers(0, 12), max_size=60))
def test_the_first_row_of_every_group_is_found(values):
    digests = np.array([[v, v % 3] for v in values], dtype=np.uint64).reshape(-1, 2)
    assert first_of_group(digests).tolist() == [values.index(v) for v in values]


class TestSplitting:
    @given(
        st.integers(1, 5000),
        st.sampled_from([(0.9, 0.05, 0.05), (0.8, 0.2, 0.0), (1.0, 0.0, 0.0), (0.1, 0.45, 0.45)]),
    )
    @settings(max_examples=40, deadline=None)
    def test_a_random_split_has_exactly_the_asked_sizes(self, n, fractions):
        keys = np.array([key_of(7, str(i)) for i in range(n)], dtype=np.uint64)
        n_valid, n_test = held_out_sizes(n, fractions)
        sizes = np.bincount(divided(keys, n_valid, n_test), minlength=3)
        assert sizes.tolist() == [n - n_valid - n_test, n_valid, n_test]
        assert sizes[0] >= 1

    def test_sizes_round_and_never_starve_the_training_part(self):
        assert held_out_sizes(3, (0.9, 0.05, 0.05)) == (1, 1)
        assert held_out_sizes(2, (0.9, 0.05, 0.05)) == (1, 0)
        assert held_out_sizes(1, (0.9, 0.05, 0.05)) == (0, 0)
        assert held_out_sizes(100, (1.0, 0.0, 0.0)) == (0, 0)
        assert largest_group(1000, (1.0, 0.0, 0.0)) == 0

    def test_equal_keys_are_not_divided(self):
        keys = np.repeat(np.array([5, 1 << 60, 9 << 60], dtype=np.uint64), [3, 4, 3])
        parts = divided(keys, 4, 4)
        assert all(len(set(parts[keys == key])) == 1 for key in set(keys.tolist()))
        assert np.bincount(parts, minlength=3)[1:].sum() <= 8

    def test_words(self):
        assert [part_of(word) for word in ("train", " VAL ", "dev", "hold-out", "", "1")] == [
            0,
            1,
            1,
            2,
            None,
            None,
        ]

    def test_the_key_depends_on_seed_and_text_alone(self):
        assert key_of(0, "CCO") == key_of(0, "CCO")
        assert len({key_of(s, t) for s, t in itertools.product((0, 1), ("CCO", "C"))}) == 4


class TestScaling:
    values = st.floats(-1e6, 1e6).map(np.float32)

    @given(
        st.lists(st.lists(values | st.just(float("nan")), min_size=3, max_size=3), min_size=1, max_size=30)
    )
    def test_there_and_back(self, rows):
        labels = np.array(rows, dtype=np.float32)
        scaler = PropertyScaler.fit(labels, ["a", "b", "c"])
        back = scaler.from_unit(scaler.to_unit(labels))
        span = np.abs(np.where(np.isnan(labels), 0, labels)).max() + 1
        assert np.allclose(back, labels, atol=1e-5 * span, equal_nan=True)
        assert PropertyScaler.from_json(scaler.to_json()) == scaler

    def test_unit_spread_and_variance(self):
        labels = np.random.default_rng(0).normal(5, 3, size=(1000, 2))
        scaler = PropertyScaler.fit(labels, ["a", "b"])
        unit = scaler.to_unit(labels)
        assert np.allclose(unit.mean(axis=0), 0, atol=1e-5)
        assert np.allclose(unit.std(axis=0), 1, atol=1e-5)
        assert np.allclose(scaler.variance_from_unit(np.ones((1, 2))), labels.var(axis=0))

    def test_constant_missing_and_no_properties(self):
        scaler = PropertyScaler.fit(np.array([[2.0, np.nan], [2.0, np.nan]]), ["constant", "missing"])
        assert scaler.scale == (1.0, 1.0)
        assert scaler.mean == (2.0, 0.0)
        none = PropertyScaler.fit(np.empty((4, 0)), [])
        assert none.to_unit(np.empty((4, 0))).shape == (4, 0)
        assert none.from_unit(np.empty((4, 0))).shape == (4, 0)

    @pytest.mark.parametrize(
        "text",
        ["", "[]", '{"names": ["a"], "mean": [0], "scale": [0]}', '{"names": [], "mean": [1], "scale": [1]}'],
    )
    def test_nonsense_is_refused(self, text):
        with pytest.raises(InputError):
            PropertyScaler.from_json(text)


class TestBatching:
    @given(st.lists(st.integers(1, 9), min_size=1, max_size=80), st.integers(1, 9), st.integers(0, 3))
    def test_every_row_once_in_batches_of_nearly_one_length(self, lengths, size, seed):
        lengths = np.array(lengths)
        rows = np.arange(len(lengths))
        batches = epoch_batches(rows, lengths, size, np.random.default_rng(seed))
        again = epoch_batches(rows, lengths, size, np.random.default_rng(seed))
        assert all(np.array_equal(a, b) for a, b in zip(batches, again, strict=True))
        assert sorted(np.concatenate(batches).tolist()) == rows.tolist()
        assert sum(len(batch) != size for batch in batches) <= 1
        ranges = sorted((lengths[batch].min(), lengths[batch].max()) for batch in batches)
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(ranges))

    def test_another_epoch_is_another_order(self):
        rows, lengths = np.arange(200), np.repeat([5, 6], 100)
        first, second = (epoch_batches(rows, lengths, 10, np.random.default_rng(s)) for s in (0, 1))
        assert not all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))

    def test_no_rows_no_batches(self):
        assert epoch_batches(np.arange(0), np.array([3]), 4, np.random.default_rng(0)) == []

    def test_a_batch_holds_the_tokens_and_scaled_labels_of_its_rows(self, corpus):
        rows = np.array([5, 0, 41, 3])
        scaler = PropertyScaler.fit(corpus.labels, corpus.property_names)
        batch = collate(corpus, rows, scaler=scaler)
        assert (batch.tokens.dtype, batch.properties.dtype, batch.observed.dtype) == (
            np.int64,
            np.float32,
            np.bool_,
        )
        assert len(batch) == 4
        for n, row in enumerate(rows):
            length = batch.lengths[n]
            assert length == corpus.lengths[row]
            assert np.array_equal(batch.tokens[n, :length], corpus.ids[row])
            assert (batch.tokens[n, length:] == 0).all()
        assert batch.observed[:, 0].tolist() == [bool(row % 3) for row in rows]
        assert (batch.properties[~batch.observed] == 0).all()
        back = scaler.from_unit(batch.properties)[batch.observed]
        assert np.allclose(back, corpus.labels[rows][batch.observed])


@pytest.mark.parametrize(
    ("cell", "number"),
    [("1.5", 1.5), (" -2e3 ", -2000.0), ("", None), ("N/A", None), ("NaN", None), ("-", None)],
)
def test_numbers_and_missing_values(cell, number):
    value = read_number(cell)
    assert np.isnan(value) if number is None else value == number


@pytest.mark.parametrize(
    "cell", [">10", "1,5", "inf", "-Infinity", "1e300", "1_000", "true", "0x10", "12 nM"]
)
def test_cells_that_hold_no_number(cell):
    assert read_number(cell) is None


@pytest.mark.parametrize("cell", ["1_000", "\uff15", "\u0665", "1\u00a0000", "0x10", "5_0.1"])
def test_what_only_python_takes_for_a_number_is_none(cell):
    assert read_number(cell) is None
    score, problem = ColumnReader().read(cell)
    assert score is None
    assert problem
