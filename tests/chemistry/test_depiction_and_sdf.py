from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from molvae.chemistry import sdf
from molvae.chemistry.depiction import grid_png, grid_svg, molecule_svg
from molvae.chemistry.molecule import Invalid, parse
from molvae.chemistry.sdf import NOT_DRAWN, parse_molblock, sdf_record
from molvae.errors import UsageError
from tests.strategies import DRUGS, smiles

MOLECULES = [parse(text) for text in list(DRUGS.values())[:5]]


def test_grids_have_the_size_of_their_panels():
    picture = grid_svg(MOLECULES, [f"molecule {i}" for i in range(5)], columns=2, panel=(100, 80))
    root = ET.fromstring(picture)  # noqa: S314 - our own text
    assert (root.get("width"), root.get("height")) == ("200px", "240px")
    png = grid_png(MOLECULES, columns=3)
    assert png.startswith(b"\x89PNG")
    assert (int.from_bytes(png[16:20]), int.from_bytes(png[20:24])) == (750, 400)


@given(st.text(max_size=30))
@settings(max_examples=30)
def test_a_legend_never_breaks_the_picture(legend):
    picture = grid_svg(MOLECULES[:1], [legend])
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
    sdf_record(molecule)
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
    records = [
        sdf_record(molecule, name, {"qed": f"0.{i}", "source": "a b"})
        for i, (molecule, name) in enumerate(zip(MOLECULES, DRUGS))
    ]
    read = _read("".join(records))
    assert [Chem.MolToSmiles(mol) for mol in read] == [molecule.smiles for molecule in MOLECULES]
    assert [mol.GetProp("_Name") for mol in read] == list(DRUGS)[:5]
    assert read[3].GetPropsAsDict() == {"qed": 0.3, "source": "a b"}


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
@settings(max_examples=60)
def test_no_field_breaks_the_records_after_it(key, value, name):
    first = sdf_record(MOLECULES[0], name, {key: value, "z": "last"})
    read = _read(first + sdf_record(MOLECULES[1], "second", {"z": "next"}))
    assert len(read) == 2
    assert read[0].GetProp("z") == "last" or key == "z"
    assert read[1].GetProp("_Name") == "second"


@pytest.mark.parametrize(
    "text",
    [
        "COc1cc(/C=C/C(=O)C=C(O)/C=C/c2ccc(O)c(OC)c2)ccc1O",  # one double bond of unknown configuration
        "CCCCC/C=C/C(C)=CC=CC(=O)O",
        "Cn1/c(=N\\N=Cc2cccnc2)sc2ccccc21",
        "CC(=O)N1c2c(O)cccc2[C@@]23CCN4CCC[C@]5(CC[C@]12CC5)[C@H]43",  # crowded wedges
        "CC1(C)CCC[C@@]2(C)C1CC[C@@]13C2CC[C@H]2C(=O)O[C@@H](O[C@H]1O)[C@H]23",
        "CC(=O)O[C@]12CCC(C(=O)OC(C)C)=CC[C@]13CC[C@H]2[C@@](C)(/C=C/C=C(\\C)C(=O)O)OC3=O",
        "O=CC1=C[C@@]23CC/C=C\\CCCCN4CC[C@@H]1[C@@]1(C4)C[C@]4(CCC(=O)CCCN4[C@H]12)O3",  # a large ring
    ],
)
def test_what_is_written_as_sdf_reads_back_as_the_same_molecule(text):
    molecule = parse(text)
    record = sdf_record(molecule)
    assert NOT_DRAWN not in record
    assert parse_molblock(record.partition("$$$$")[0]) == molecule


def test_a_drawing_that_does_not_show_its_molecule_says_so(monkeypatch):
    monkeypatch.setattr(sdf, "parse_molblock", lambda _: parse("C"))
    record = sdf_record(parse("C[C@H](N)O"), fields={"name": "x"})
    assert f">  <{NOT_DRAWN}>\nC[C@H](N)O\n" in record
