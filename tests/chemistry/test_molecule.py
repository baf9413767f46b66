from __future__ import annotations

import pickle

import numpy as np
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
    parse_molblock,
    randomized_smiles,
)
from tests.strategies import smiles, texts


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


@given(smiles(), st.integers(0, 2**32 - 1))
def test_randomized_smiles_is_the_same_molecule(text, seed):
    molecule = parse(text)
    other = parse(randomized_smiles(molecule, np.random.default_rng(seed)))
    assert other == molecule
    assert hash(other) == hash(molecule)


def test_randomized_smiles_is_a_function_of_the_generator():
    molecule = parse("CC(=O)Oc1ccccc1C(=O)O")
    written = [
        [randomized_smiles(molecule, g) for _ in range(5)] for g in map(np.random.default_rng, (1, 1, 2))
    ]
    assert written[0] == written[1] != written[2]
    assert len(set(written[0])) > 1


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
        ("CC>>CC", "syntax error at character 3 ('>')"),
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


def test_the_cap_is_an_argument():
    assert isinstance(parse("CCCC", max_characters=3), Invalid)
    assert isinstance(parse("CCCC", max_characters=4), Molecule)


@pytest.mark.parametrize("text", ["C" * 999, "C(" * 100 + "C" + ")" * 100, "C1CC1" * 200, "C." * 499 + "C"])
def test_the_largest_texts_are_read(text):
    assert isinstance(parse(text), Molecule)


@given(smiles())
def test_molecules_survive_a_process_boundary(text):
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


def test_bad_molblocks_say_why():
    block = Chem.MolToMolBlock(Chem.MolFromSmiles("CO"))
    assert "empty" in parse_molblock(Chem.MolToMolBlock(Chem.Mol())).reason
    assert "valence" in parse_molblock(block.replace("  1  2  1  0", "  1  2  3  0")).reason
    assert "characters" in parse_molblock("x" * 400_001).reason
    assert "NUL" in parse_molblock(block + "\0").reason
