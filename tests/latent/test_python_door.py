"""Inputs from Python: RDKit molecules, columns with missing values, a single text, copies, files."""

from __future__ import annotations

import copy
import io
import pickle

import joblib
import numpy as np
import pytest
from rdkit import Chem
from sklearn.pipeline import make_pipeline

import molvae
from molvae.errors import UsageError

MOLECULES = ["CCCc1ccc(CO)cc1", "CCNC(=O)CC", "CCCC1CCC(C)CC1"]


def test_rdkit_molecules_and_gaps_are_taken_as_they_come(tiny_model):
    given = [Chem.MolFromSmiles(MOLECULES[0]), None, float("nan"), molvae.parse(MOLECULES[1])]
    z = tiny_model.encode(given)
    assert np.isnan(z).all(axis=1).tolist() == [False, True, True, False]
    np.testing.assert_array_equal(z[[0, 3]], tiny_model.encode(MOLECULES[:2]))
    assert "this is nan" in tiny_model.prepare(given)[2].reason
    np.testing.assert_array_equal(tiny_model.encode(text for text in MOLECULES), tiny_model.encode(MOLECULES))
    assert molvae.standardize("CC(=O)O.[Na]").smiles == "CC(=O)O"
    assert molvae.standardize("C1CC").reason


def test_ambiguous_input_is_rejected(tiny_model):
    with pytest.raises(UsageError, match="a sequence of SMILES is expected, got one text"):
        tiny_model.encode("CCO")
    with pytest.raises(UsageError, match="one column of SMILES is expected, got a table"):
        tiny_model.encode(np.array([["CCO", "CCN"]]))
    with pytest.raises(UsageError, match="n must not be negative, got -1"):
        tiny_model.sample(-1)
    with pytest.raises(UsageError, match=r"start is a list of SMILES or a table, got the text 'mine.csv'"):
        molvae.optimize(tiny_model, maximize="qed", start="mine.csv", budget=2, output="never")


def test_models_and_pipelines_can_be_copied_and_saved(tiny_model):
    pipeline = make_pipeline(molvae.MolVAETransformer(tiny_model), molvae.LatentRegressor())
    pipeline.fit(MOLECULES, [1.0, 2.0, 3.0])
    expected = pipeline.predict(MOLECULES)
    file = io.BytesIO()
    joblib.dump(pipeline, file)
    file.seek(0)
    for back in (joblib.load(file), pickle.loads(pickle.dumps(pipeline)), copy.deepcopy(pipeline)):  # noqa: S301
        np.testing.assert_array_equal(back.predict(MOLECULES), expected)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_tables_go_in_and_out(tiny_model, library, tmp_path):
    frames = pytest.importorskip(library, reason=f"{library} is not installed")
    table = frames.DataFrame({"smiles": [*MOLECULES, "C1CC"], "qed": [0.1, 0.2, None, None]})
    z = molvae.MolVAETransformer(tiny_model).set_output(transform=library).fit_transform(table[["smiles"]])
    assert type(z) is frames.DataFrame
    assert (z.shape, list(z.columns)[:2]) == ((4, tiny_model.latent_size), ["z0", "z1"])
    np.testing.assert_array_equal(tiny_model.posterior(table["smiles"])[0], z.to_numpy())
    found = molvae.optimize(
        tiny_model, maximize="qed", start=table, budget=2, method="random", output=tmp_path / "found"
    )
    back = frames.DataFrame(found) if library == "polars" else frames.DataFrame.from_arrow(found)
    assert {"smiles", "qed"} <= set(back.columns)
