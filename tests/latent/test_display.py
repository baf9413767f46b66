"""Notebook display, and tables for other libraries."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest

from molvae.chemistry.depiction import MOST, MoleculeList, grid_html, table_html
from molvae.chemistry.molecule import parse
from molvae.evaluation.base import Metric, MetricTable
from molvae.latent.interpolation import interpolate
from molvae.latent.neighbors import neighborhood

ONE, OTHER = "CCc1ccc(CC)cc1", "CCC1CCC(CO)CC1"


def test_lists_of_molecules_are_grids_that_count_what_is_invalid():
    many = MoleculeList([parse("CCO")] * (MOST + 6) + [parse("C1")])
    html = many._repr_html_()
    assert f"{MOST + 6} molecules, 1 invalid; the first {MOST} are shown" in html
    assert html.count("<svg") == MOST
    assert MoleculeList([parse("CCO")]) == [parse("CCO")], "a list like any other"


def test_text_is_never_markup():
    assert "<b>" not in grid_html([], [], "<b>")
    assert "<b>" not in table_html(["<b>"], [["<b>", None, math.nan, True]], "<b>")


def test_predictions_and_neighbors_are_tables(tiny_model):
    prediction = tiny_model.predict([ONE, "no molecule"])
    table = pa.table(prediction)
    assert table.column_names == [n for name in tiny_model.property_names for n in (name, f"{name}_sd")]
    first, second = table.to_pylist()
    assert first[tiny_model.property_names[0]] == prediction.mean[0, 0]
    assert set(second.values()) == {None}
    assert "<td>-</td>" in prediction._repr_html_()
    near = neighborhood(tiny_model, ONE, radius=2.0, n_draws=20)
    assert pa.table(near).column("smiles").to_pylist() == [n.molecule.smiles for n in near.neighbors]
    assert "20 draws" in near._repr_html_()
    assert "<svg" in interpolate(tiny_model, ONE, OTHER, n_steps=3)._repr_html_()
    metrics = MetricTable((Metric("valid", 0.5, 4, "higher"),), ("counted <all>",))
    assert "valid ↑" in metrics._repr_html_()
    assert "counted &lt;all&gt;" in metrics._repr_html_()


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_latent_vectors_are_frames_when_asked_for(tiny_model, library):
    frames = pytest.importorskip(library, reason=f"{library} is not installed")
    from molvae.latent.estimators import MolVAETransformer

    transformer = MolVAETransformer(tiny_model).set_output(transform=library)
    given = frames.DataFrame({"smiles": [ONE, "no molecule"]})
    z = transformer.fit_transform(given)
    assert isinstance(z, frames.DataFrame)
    assert list(z.columns)[:2] == ["z0", "z1"]
    assert len(z) == 2
    assert len(frames.DataFrame(pa.table(tiny_model.predict([ONE])).to_pydict())) == 1
