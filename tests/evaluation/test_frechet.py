"""The Fréchet ChemNet Distance: independent of batches, and equal to the reference implementation."""

from __future__ import annotations

import numpy as np
import pytest

from molvae.errors import InputError, MissingDependencyError
from molvae.evaluation import frechet
from molvae.evaluation.distribution import measure
from molvae.evaluation.frechet import ChemNetStatistics, chemnet_statistics, frechet_distance
from molvae.evaluation.molecules import MoleculeSet

SMILES = ["CCO", "CC(=O)Nc1ccc(O)cc1", "c1ccccc1", "CCN", "CC#N", "OCC", "CCCC", "C1CC1"]


def test_the_distance_is_a_distance_of_gaussians():
    generator = np.random.default_rng(3)
    a, b = (_gaussian(generator.normal(size=(60, 12)) * scale + scale) for scale in (1.0, 1.7))
    assert frechet_distance(a, a) == pytest.approx(0.0, abs=1e-9)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a))
    thin = _gaussian(generator.normal(size=(5, 12)))  # a covariance without full rank
    assert np.isfinite(frechet_distance(thin, b))
    shifted = ChemNetStatistics(a.mean + 2.0, a.covariance, a.n)
    assert frechet_distance(a, shifted) == pytest.approx(12 * 4.0)


def test_chunks_do_not_change_the_statistics_and_are_kept(tmp_path):
    fcd_torch = pytest.importorskip("fcd_torch")
    found = chemnet_statistics(SMILES, chunk=3, cache=tmp_path)
    activations = fcd_torch.FCD(device="cpu").get_predictions(SMILES).astype(np.float64)
    np.testing.assert_allclose(found.mean, activations.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found.covariance, np.cov(activations.T), atol=1e-6)
    theirs = fcd_torch.calculate_frechet_distance(
        found.mean,
        found.covariance + np.eye(512) * 1e-3,
        found.mean + 0.1,
        found.covariance + np.eye(512) * 2e-3,
    )
    ours = frechet_distance(
        ChemNetStatistics(found.mean, found.covariance + np.eye(512) * 1e-3, 8),
        ChemNetStatistics(found.mean + 0.1, found.covariance + np.eye(512) * 2e-3, 8),
    )
    assert ours == pytest.approx(theirs, rel=1e-4)
    kept = chemnet_statistics(SMILES, cache=tmp_path)
    np.testing.assert_array_equal(kept.covariance, found.covariance)
    with pytest.raises(InputError, match="two molecules at least"):
        chemnet_statistics(["C"])


def test_a_missing_package_is_an_error_before_any_work(monkeypatch):
    monkeypatch.setattr(frechet, "find_spec", lambda _: None)
    with pytest.raises(MissingDependencyError, match="fcd_torch") as error:
        measure(MoleculeSet(SMILES), references=[MoleculeSet(SMILES, name="r")])
    assert "molvae[eval]" in error.value.hint
    assert "valid" in measure(MoleculeSet(SMILES), parts=())


def _gaussian(rows):
    return ChemNetStatistics(rows.mean(axis=0), np.cov(rows.T), len(rows))
