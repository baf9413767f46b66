from __future__ import annotations

import pickle
import re
from itertools import product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rdkit import Chem

from molvae.chemistry.molecule import (
    MAX_CHARACTERS,
    MAX_NESTING,
    Invalid,
    Molecule,
    canonical,
    is_valid,
    parse,
)
from molvae.chemistry.sdf import parse_molblock
from tests.strategies import reordered, smiles, texts


@given(smiles())
def test_canonical_is_idempotent(text):
    once = canonical(text)
    assert once is not None
    assert canonical(once) == once


@given(texts())
@settings(max_examples=400)
def test_no_text_raises(text):
    read = parse(text)
    assert is_valid(read) == isinstance(read, Molecule)
    if isinstance(read, Invalid):
        assert read.text == text
        assert read.reason
        assert "\n" not in read.reason
        assert read.position is None or 0 <= read.position < len(text)
        assert str(read).startswith(read.reason)
    else:
        assert canonical(read.smiles) is not None


@given(smiles(), st.integers(1, 2**31 - 1))
def test_another_order_of_the_atoms_is_the_same_molecule(text, seed):
    molecule = parse(text)
    other = reordered(molecule, seed)
    assert other == molecule
    assert hash(other) == hash(molecule)


@pytest.mark.parametrize("substituent", ["F", "Cl", "O", "C"])
def test_canonical_smiles_keep_every_stereoisomer_of_a_symmetric_ring(substituent):
    ring = "{0}[C{1}H]1[C{2}H]({0})[C{3}H]({0})[C{4}H]({0})[C{5}H]({0})[C{6}H]1{0}"
    for marks in product(("@", "@@"), repeat=6):
        molecule = parse(ring.format(substituent, *marks))
        assert parse(molecule.smiles) == molecule


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the text is empty"),
        ("C C", "white space at character 2"),
        ("CCO name", "white space at character 4"),
        ("C\nC", "white space at character 2"),
        ("CCO\t", "white space at character 4"),
        ("C\0C", "control character 0x00 at character 2"),
        ("\x1b[31mC", "control character 0x1b at character 1"),
        ("Cé", "non-ASCII character (latin small letter e with acute) at character 2"),
        ("\ufeffCCO", "non-ASCII character (zero width no-break space) at character 1"),
        ("C" * (MAX_CHARACTERS + 1), "the text has 1001 characters, over 1000"),
        ("C(" * (MAX_NESTING + 1) + "C" + ")" * (MAX_NESTING + 1), "branches are nested deeper than 100"),
        ("CCO|$a$|", "syntax error at character 4 ('|')"),
        ("CC>>CC", "a reaction (>), not a molecule: give its product"),
        ("CC(=O)O.OC>[H+]>CC(=O)OC", "a reaction (>), not a molecule: give its product"),
        ("*CC", "a wildcard (* or ~) stands for any atom or bond: write the whole molecule"),
        ("C~C", "a wildcard (* or ~) stands for any atom or bond: write the whole molecule"),
        ("[1*]C", "a wildcard (* or ~) stands for any atom or bond: write the whole molecule"),
        ("C[*:1]", "a wildcard (* or ~) stands for any atom or bond: write the whole molecule"),
        ("aspirin", "a name, not a SMILES: give the structure"),
        ("Ibuprofen", "a name, not a SMILES: give the structure"),
        ("imatinib-2", "a name, not a SMILES: give the structure"),
        ("ccccc", "an atom outside any ring is marked aromatic at character 1"),
        ("\xef\xbe\xad\xde\0\0", "a pickled RDKit molecule, not text: write SMILES into the table"),
        ("[C,N]CO", "a pattern (SMARTS), not a molecule: ',' at character 3"),
        ("[CX4]O", "a pattern (SMARTS), not a molecule: 'X' at character 3"),
        ("[R1]CC", "'R1' at character 2 is an R group, not an atom: write the group out"),
        ("PhC(=O)O", "'Ph' at character 1 is an abbreviation, not an atom: write the group out"),
        ("c1ccccc1OMe", "'Me' at character 10 is an abbreviation, not an atom: write the group out"),
        ("CC(=O)OtBu", "'tBu' at character 8 is an abbreviation, not an atom: write the group out"),
        ("InChI=1S/C2H6O/c1-2-3", "not a whole InChI: its layers do not give the formula"),
        ("InChI=1S/C2H6O/c1-2", "not a whole InChI: its layers do not give the formula"),
        (
            "LFQSCWFLJHTTHZ-UHFFFAOYSA-N",
            "an InChIKey names a molecule without holding it: give its SMILES or InChI",
        ),
        ("CC(C", "extra open parentheses at character 3 ('(')"),
        ("C1CCC", "unclosed ring at character 2 ('1')"),
        ("CN(C)(C)C", "N has valence 4, more than is allowed at character 2"),
        ("CC(=O)(C)(C)C", "C has valence 6, more than is allowed at character 2"),
        ("Cc1cccc1", "5 aromatic atoms cannot be given alternating double bonds at character 2"),
        ("Ccc", "an atom outside any ring is marked aromatic at character 2"),
    ],
)
def test_refusals_say_why(text, reason):
    read = parse(text)
    assert isinstance(read, Invalid)
    assert read.reason == reason
    assert isinstance(parse(text, diagnose=False), Invalid)


def test_the_caret_stands_below_the_character_to_blame():
    assert str(parse("CC(=O)X")).splitlines()[1:] == ["CC(=O)X", "      ^"]
    long = parse("C" * 200 + "X" + "C" * 200).pointer().splitlines()
    assert long[0][long[1].index("^")] == "X"
    assert max(map(len, long)) < 80


@pytest.mark.parametrize("text", ["C" * 999, "C(" * 100 + "C" + ")" * 100, "C1CC1" * 200, "C." * 499 + "C"])
def test_the_largest_texts_are_read(text):
    assert isinstance(parse(text), Molecule)


@given(smiles())
def test_molecules_can_be_sent_to_another_process(text):
    molecule = parse(text)
    back = pickle.loads(pickle.dumps(molecule))  # noqa: S301 - our own bytes
    assert back == molecule
    assert Chem.MolToSmiles(back.mol) == molecule.smiles


@given(smiles())
def test_molblocks_give_the_molecule_of_their_smiles(text):
    molecule = parse(text)
    assert parse_molblock(Chem.MolToMolBlock(molecule.mol)) == molecule
    assert parse_molblock(Chem.MolToV3KMolBlock(molecule.mol)) == molecule


@given(texts(), st.integers(0, 200), st.integers(0, 200))
@example("\x80", 165, 0)
@settings(max_examples=200)
def test_no_molblock_raises(text, start, length):
    block = Chem.MolToMolBlock(Chem.MolFromSmiles("CC(=O)Nc1ccc(O)cc1"))
    read = parse_molblock(block[:start] + text + block[start + length :])
    assert isinstance(read, (Molecule, Invalid))
    assert isinstance(read, Molecule) or "\n" not in read.reason


@given(smiles())
@settings(max_examples=40)
def test_an_inchi_gives_its_molecule(text):
    """The tautomer may differ; the InChI is the same."""
    inchi = Chem.MolToInchi(parse(text).mol)
    read = parse(inchi)
    assert isinstance(read, Molecule)
    assert Chem.MolToInchi(read.mol).split("/")[:3] == inchi.split("/")[:3]


ETHER = Chem.MolToMolBlock(Chem.MolFromSmiles("CCOC"))


def drawn(symbol="C", *, lines=(), bond="1"):
    """A molblock with a symbol of the first atom, a type of the first bond, and further lines."""
    block = ETHER.replace(" C  ", f" {symbol:<3}", 1).replace("  1  2  1  0", f"  1  2  {bond}  0")
    return block.replace("M  END", "\n".join([*lines, "M  END"]))


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (drawn("A"), "a query: 'A' at atom 1"),
        (drawn("Q"), "a query: 'Q' at atom 1"),
        (drawn("*"), "a query: '*' at atom 1"),
        (drawn("L", lines=["M  ALS   1  2 F C   N   "]), "a query: 'L' at atom 1"),
        (Chem.MolToV3KMolBlock(Chem.MolFromSmarts("[C,N]CO")), "a query: '[C,N]' at atom 1"),
        (drawn(bond="5"), "a query: a bond"),
        (drawn(bond="8"), "a query: a bond"),
        (drawn("R"), "'R' at atom 1 is an R group"),
        (drawn("R#", lines=["M  RGP  1   1   2"]), "'R2' at atom 1 is an R group"),
        (drawn("Pol"), "'Pol' at atom 1 is an R group or placeholder"),
        (drawn(lines=["M  APO  1   1   1"]), "a group with an open end at atom 1"),
        (drawn("Ph"), "'Ph' is not an element"),
        (drawn("Me"), "'Me' is not an element"),
        (drawn("OMe"), "'OMe' is not an element"),
        (drawn(lines=["A    1", "OMe"]), "'OMe' at atom 1 is an abbreviation"),
        (drawn(lines=["A    4", "Boc"]), "'Boc' at atom 4 is an abbreviation"),
        (drawn(lines=["G    1  2", "Ph"]), "'Ph' is an abbreviation"),
        (drawn(lines=["M  STY  1   1 SRU", "M  SAL   1  2   1   2", "M  SMT   1 n"]), "a polymer"),
        (drawn(lines=["M  STY  1   1 COP", "M  SAL   1  2   1   2"]), "a polymer"),
        ("$RXN\n\n\n\n  1  1\n", "a reaction"),
    ],
)
def test_drawings_of_no_single_molecule_are_refused_by_name(block, reason):
    assert parse_molblock(block).reason.startswith(reason)


@pytest.mark.parametrize(
    "lines", [["A    1", "CH3"], ["A    3", "O"], ["A    1", "1"], ["M  STY  1   1 DAT", "M  SAL   1  1   1"]]
)
def test_labels_and_data_of_a_drawing_do_no_harm(lines):
    assert parse_molblock(drawn(lines=lines)) == parse("CCOC")


def test_bad_molblocks_say_why():
    block = Chem.MolToMolBlock(Chem.MolFromSmiles("CO"))
    assert "empty" in parse_molblock(Chem.MolToMolBlock(Chem.Mol())).reason
    assert "valence" in parse_molblock(block.replace("  1  2  1  0", "  1  2  3  0")).reason
    assert "characters" in parse_molblock("x" * 400_001).reason
    assert "NUL" in parse_molblock(block + "\0").reason


@pytest.mark.parametrize("unit", ["C1=CNC(=C1)", "C1=CNC=C1.", "C1=CC2=C(N1)C=C2."])
@pytest.mark.parametrize("n", [20, 58, 90])
def test_what_is_read_can_be_read_again(unit, n):
    """The canonical SMILES may be longer than the text: `[nH]` for N."""
    molecule = parse((unit * n).rstrip("."))
    if isinstance(molecule, Molecule):
        assert parse(molecule.smiles) == molecule
    else:
        assert re.search("characters, over 1000", molecule.reason)
