from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from rdkit import DataStructs

from molvae.chemistry.fingerprints import (
    KINDS,
    count_entries,
    similarity_matrix,
    sparse_counts,
    tanimoto,
)
from molvae.chemistry.molecule import parse
from molvae.errors import UnknownNameError, UsageError
from tests.strategies import DRUGS, smiles

MOLECULES = [parse(text) for text in DRUGS.values()]


@given(smiles(), smiles())
def test_similarity_is_symmetric_bounded_and_one_for_itself(a, b):
    first, second = parse(a), parse(b)
    for kind in KINDS:
        (there,), (back,) = (
            similarity_matrix([first], [second], kind),
            similarity_matrix([second], [first], kind),
        )
        assert there == back
        assert 0 <= there <= 1
        if first.mol.GetNumAtoms() > 1:
            assert similarity_matrix([first], [first], kind) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n_features", "tolerance"), [(2048, 0.006), (16384, 0.002)])
def test_folded_counts_are_near_rdkits_tanimoto(kind, n_features, tolerance):
    lengths, features, counts = count_entries(MOLECULES, kind, n_features=n_features)
    folded = np.zeros((len(MOLECULES), n_features))
    folded[np.repeat(np.arange(len(MOLECULES)), lengths), features] = counts
    lower, upper = (extreme(folded[:, None], folded[None]).sum(-1) for extreme in (np.minimum, np.maximum))
    difference = lower / np.maximum(upper, 1) - similarity_matrix(MOLECULES, MOLECULES, kind)
    assert np.abs(difference).mean() < tolerance
    assert np.abs(difference).max() < 0.1


def test_bulk_equals_one_by_one():
    matrix = similarity_matrix(MOLECULES[:4], MOLECULES)
    for row, molecule in zip(matrix, MOLECULES[:4]):
        np.testing.assert_array_equal(row, tanimoto(molecule, MOLECULES))
    vectors = [sparse_counts(molecule) for molecule in MOLECULES[:2]]
    assert matrix[0, 1] == DataStructs.TanimotoSimilarity(*vectors)


def test_golden_ecfp4_similarities_by_their_medians():
    camphor, menthol = parse("CC1(C)C2CCC1(C)C(=O)C2"), parse("CC(C)C1CCC(C)CC1O")
    assert np.sqrt(similarity_matrix([camphor], [menthol], radius=2)) == pytest.approx(0.4, abs=1e-3)
    tadalafil = parse("O=C1N(CC(N2C1CC3=C(C2C4=CC5=C(OCO5)C=C4)NC6=C3C=CC=C6)=O)C")
    assert np.sqrt(tanimoto(tadalafil, [parse(DRUGS["sildenafil"])])[0]) == pytest.approx(0.3624, abs=1e-3)


def test_empty_lists_have_empty_answers():
    assert tanimoto(MOLECULES[0], []).shape == (0,)
    assert similarity_matrix([], MOLECULES).shape == (0, len(MOLECULES))
    assert similarity_matrix(MOLECULES, []).shape == (len(MOLECULES), 0)
    assert [len(found) for found in count_entries([])] == [0, 0, 0]


def test_invalid_settings_are_errors():
    with pytest.raises(UnknownNameError, match="did you mean 'morgan'"):
        sparse_counts(MOLECULES[0], "morgen")
    with pytest.raises(UsageError, match="no radius"):
        sparse_counts(MOLECULES[0], "atom_pair", 2)
    with pytest.raises(UsageError, match="radius"):
        sparse_counts(MOLECULES[0], "morgan", -1)
    with pytest.raises(UsageError, match="at least 1 feature"):
        count_entries(MOLECULES, n_features=0)
