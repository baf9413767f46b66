"""The estimators follow scikit-learn's conventions, and keep all rows."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from molvae.chemistry.descriptors import describe_smiles
from molvae.errors import UsageError
from molvae.latent.estimators import LatentRegressor, MolVAETransformer
from tests.conftest import little_smiles


@pytest.mark.parametrize("head", ["ridge", "gp"])
def test_the_regressor_passes_scikit_learn_s_own_checks(head):
    check_estimator(LatentRegressor(head))


def test_invalid_rows_are_nan_and_counts_are_kept(tiny_checkpoint, tiny_model):
    molecules = ["CCCc1ccc(CO)cc1", "C1CC", None, "CCNC(=O)CC"]
    for given in (molecules, np.array(molecules, dtype=object)[:, None]):
        z = MolVAETransformer(tiny_checkpoint, device="cpu").fit_transform(given)
        assert np.isnan(z).all(axis=1).tolist() == [False, True, True, False]
        np.testing.assert_array_equal(z[[0, 3]], tiny_model.posterior([molecules[0], molecules[3]])[0])


def test_it_learns_in_a_pipeline_under_cross_validation(tiny_checkpoint):
    molecules = little_smiles()[::3]
    values = describe_smiles(molecules, ["heavy_atoms"])[:, 0]
    for head in ("ridge", "gp"):
        pipeline = make_pipeline(MolVAETransformer(tiny_checkpoint, device="cpu"), LatentRegressor(head))
        assert cross_val_score(pipeline, molecules, values, cv=3).mean() > 0.5
    guess = make_pipeline(MolVAETransformer(tiny_checkpoint, "cpu"), SimpleImputer(), LatentRegressor())
    assert np.isfinite(clone(guess).fit([*molecules, "C1CC"], [*values, 1.0]).predict(["C1CC"])).all()


def test_standard_deviations_cover_the_errors():
    generator = np.random.default_rng(0)
    z = generator.normal(size=(400, 5))
    values = z @ generator.normal(size=5) + 0.3 * generator.normal(size=400)
    for head in ("ridge", "gp"):
        mean, deviation = LatentRegressor(head).fit(z[:300], values[:300]).predict(z[300:], return_std=True)
        within = np.abs(values[300:] - mean) < 2 * deviation
        assert 0.88 < within.mean() <= 1.0
        assert deviation.mean() == pytest.approx(0.3, rel=0.3)


def test_a_pipeline_shares_a_model_that_is_loaded(tiny_model):
    pipeline = make_pipeline(MolVAETransformer(tiny_model), LatentRegressor())
    assert clone(pipeline)[0].checkpoint is tiny_model, "no copy of the network for each fold"


def test_features_have_names(tiny_checkpoint):
    transformer = MolVAETransformer(tiny_checkpoint, device="cpu").fit(["CCO"])
    assert transformer.get_feature_names_out()[:2].tolist() == ["z0", "z1"]
    assert len(transformer.get_feature_names_out()) == transformer.transform(["CCO"]).shape[1]


def test_input_that_is_not_a_column_of_smiles_is_rejected(tiny_checkpoint):
    transformer = MolVAETransformer(tiny_checkpoint, device="cpu").fit(["CCO"])
    with pytest.raises(UsageError, match="one text"):
        transformer.transform("CCO")
    with pytest.raises(UsageError, match="one column"):
        transformer.transform([["CCO", "CC"]])
    with pytest.raises(UsageError, match="got NoneType"):
        transformer.transform(None)
    with pytest.raises(UsageError, match="head"):
        LatentRegressor("forest").fit(np.zeros((3, 2)), np.zeros(3))
