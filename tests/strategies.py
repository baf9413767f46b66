"""Hypothesis strategies for molecules and texts."""

from __future__ import annotations

from hypothesis import strategies as st
from rdkit import Chem

from molvae.chemistry.molecule import Molecule, parse

DRUGS = {
    "aspirin": "CC(=O)Oc1ccccc1C(=O)O",
    "caffeine": "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
    "celecoxib": "Cc1ccc(-c2cc(C(F)(F)F)nn2-c2ccc(S(N)(=O)=O)cc2)cc1",
    "nicotine": "CN1CCC[C@H]1c1cccnc1",
    "sildenafil": "CCCc1nn(C)c2c(=O)[nH]c(-c3cc(S(=O)(=O)N4CCN(C)CC4)ccc3OCC)nc12",
    "sitagliptin": "N[C@@H](CC(=O)N1CCn2c(C(F)(F)F)nnc2C1)Cc1cc(F)c(F)cc1F",
    "menthol": "CC(C)[C@@H]1CC[C@@H](C)C[C@H]1O",
    "morphine": "CN1CC[C@]23c4c5ccc(O)c4O[C@H]2[C@@H](O)C=C[C@H]3[C@H]1C5",
    "penicillin_g": "CC1(C)S[C@@H]2[C@H](NC(=O)Cc3ccccc3)C(=O)N2[C@H]1C(=O)O",
    "tamoxifen": "CC/C(=C(\\c1ccccc1)c1ccc(OCCN(C)C)cc1)c1ccccc1",
    "benzimidazole": "c1ccc2[nH]cnc2c1",
    "ferrocenium-free salt": "[Na+].CC(=O)[O-]",
    "choline": "C[N+](C)(C)CCO",
    "nitrobenzene": "O=[N+]([O-])c1ccccc1",
    "deuterated methanol": "[2H]C([2H])([2H])O",
    "iodoform": "IC(I)I",
    "thiophene sulfonamide": "NS(=O)(=O)c1cccs1",
    "phosphate": "COP(=O)(O)OC",
    "boronic acid": "OB(O)c1ccccc1",
    "selenium": "C[Se]C",
    "cubane": "C12C3C4C1C5C2C3C45",
    "alkyne": "C#CCOc1ccccc1",
    "methane": "C",
    "water": "O",
}
"""Known molecules that together use most of SMILES: rings, charges, isotopes, both kinds of stereo."""

_CORES = [
    "c1ccc({})cc1",
    "c1cnc({})nc1",
    "C1CCN({})CC1",
    "c1csc({})c1",
    "C1CC({})C1",
    "C{}",
    "NC(=O)C{}",
    "c1cc2[nH]c({})cc2cc1",
]
_GROUPS = [
    "C",
    "O",
    "N",
    "F",
    "Cl",
    "Br",
    "C#N",
    "C(=O)O",
    "C(N)=O",
    "OC",
    "N(C)C",
    "S(C)(=O)=O",
    "[N+](=O)[O-]",
    "C(F)(F)F",
    "[C@H](C)O",
]


@st.composite
def composed_smiles(draw: st.DrawFn) -> str:
    """A chain of rings and groups: always valid, rarely the same."""
    text = draw(st.sampled_from(_GROUPS))
    for _ in range(draw(st.integers(0, 3))):
        text = draw(st.sampled_from(_CORES)).format(text)
    return text


def smiles() -> st.SearchStrategy[str]:
    """Valid SMILES, not always canonical."""
    return st.one_of(st.sampled_from(sorted(DRUGS.values())), composed_smiles())


def smiles_like() -> st.SearchStrategy[str]:
    """Texts of SMILES characters, mostly invalid."""
    pieces = [
        "C",
        "c",
        "N",
        "n",
        "O",
        "o",
        "S",
        "Cl",
        "Br",
        "1",
        "2",
        "%10",
        "(",
        ")",
        "=",
        "#",
        "[",
        "]",
        "@",
        "H",
        "+",
        "-",
        "/",
        "\\",
        ".",
        "*",
        "[nH]",
        "[C@@H]",
        ":",
        "$",
        "~",
        ">",
        "|",
    ]
    return st.lists(st.sampled_from(pieces), max_size=40).map("".join)


def texts() -> st.SearchStrategy[str]:
    """Any text in place of a SMILES, with control characters and lone surrogates."""
    anything = st.text(st.characters(exclude_categories=()), max_size=60)
    return st.one_of(smiles_like(), anything, st.builds("{}{}{}".format, smiles(), anything, smiles()))


def reordered(molecule: Molecule, seed: int) -> Molecule:
    """The same molecule, parsed from another of its SMILES."""
    read = parse(Chem.MolToRandomSmilesVect(molecule.mol, 1, randomSeed=seed)[0])
    assert isinstance(read, Molecule)
    return read
