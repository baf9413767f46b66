from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from molvae.chemistry.depiction import grid_png, grid_svg, molecule_svg
from molvae.chemistry.molecule import Invalid, parse
from molvae.chemistry.sdf import to_sdf
from molvae.errors import UsageError
from tests.strategies import DRUGS, smiles

MOLECULES = [parse(text) for text in list(DRUGS.values())[:5]]


def test_grids_have_the_size_of_their_panels():
    picture = grid_svg(MOLECULES, [f"molecule {i}" for i in range(5)], columns=2, panel=(100, 80))
    root = ET.fromstring(picture)  # noqa: S314 - our own text
    assert (root.get("width"), root.get("height")) == ("200px", "240px")
    png = grid_png(MOLECULES, columns=3, panel=(100, 80))
    assert png.startswith(b"\x89PNG")
    assert (int.from_bytes(png[16:20]), int.from_bytes(png[20:24])) == (300, 160)


@given(st.text(max_size=30))
@settings(max_examples=30)
def test_a_legend_never_breaks_the_picture(legend):
    picture = molecule_svg(MOLECULES[0], legend=legend)
    assert picture.startswith("<svg")
    assert "<script" not in picture


@given(smiles())
@settings(max_examples=30)
def test_every_molecule_can_be_drawn(text):
    assert "</svg>" in molecule_svg(parse(text))


def test_an_invalid_is_an_empty_panel():
    assert grid_svg([MOLECULES[0], Invalid("x", "because")]).count("<svg") == 1


def test_drawing_leaves_the_molecule_alone():
    molecule = parse(DRUGS["penicillin_g"])
    before = Chem.MolToMolBlock(molecule.mol)
    molecule_svg(molecule)
    to_sdf([molecule])
    assert Chem.MolToMolBlock(molecule.mol) == before
    assert molecule._repr_svg_().startswith("<svg")


def test_grids_refuse_what_they_cannot_draw():
    with pytest.raises(UsageError, match="at least one molecule"):
        grid_svg([])
    with pytest.raises(UsageError, match="one legend for each"):
        grid_png(MOLECULES, ["a"])
    with pytest.raises(UsageError, match="at least one column"):
        grid_svg(MOLECULES, columns=0)


def _read(text):
    supplier = Chem.SDMolSupplier()
    supplier.SetData(text)
    return list(supplier)


def test_sdf_round_trip():
    text = to_sdf(MOLECULES, [{"qed": f"0.{i}", "source": "a b"} for i in range(5)], list(DRUGS)[:5])
    read = _read(text)
    assert [Chem.MolToSmiles(mol) for mol in read] == [molecule.smiles for molecule in MOLECULES]
    assert [mol.GetProp("_Name") for mol in read] == list(DRUGS)[:5]
    assert read[3].GetPropsAsDict() == {"qed": 0.3, "source": "a b"}


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
@settings(max_examples=60)
def test_no_field_breaks_the_records_after_it(key, value, name):
    text = to_sdf(MOLECULES[:2], [{key: value, "z": "last"}, {"z": "next"}], [name, "second"])
    read = _read(text)
    assert len(read) == 2
    assert read[0].GetProp("z") == "last" or key == "z"
    assert read[1].GetProp("_Name") == "second"


def test_sdf_refuses_lists_of_other_lengths():
    with pytest.raises(UsageError, match="one name for each"):
        to_sdf(MOLECULES, names=["a"])
