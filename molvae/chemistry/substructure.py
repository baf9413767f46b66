"""Parts of molecules: SMARTS patterns, cores, scaffolds and BRICS fragments."""

from __future__ import annotations

import re
from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING, Any

from rdkit import Chem, rdBase
from rdkit.Chem.Scaffolds import MurckoScaffold

from molvae.chemistry.charges import drawn_neutral
from molvae.chemistry.diagnosis import first_line, unwanted_character
from molvae.chemistry.molecule import Molecule, is_valid, parse
from molvae.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_CHARACTERS = 1_000
"""Longest SMARTS that is handed to the parser."""


def contains(molecule: Molecule, smarts: str) -> bool:
    """Whether the pattern occurs in the molecule.

    Groups with charges in their standard drawing are found in both: a sulfoxide by `[S+][O-]` and by `S=O`, a
    nitro group by `[N+](=O)[O-]` and by `N(=O)=O`. Hydrogens are found whether they are atoms in the pattern
    (`[H]Nc`) or counted (`[NH]c`).

    Raises:
        UsageError: The text is not SMARTS.

    >>> from molvae.chemistry.molecule import parse
    >>> contains(parse("CCO"), "[CX4][OH]"), contains(parse("COC"), "[CX4][OH]")
    (True, False)
    >>> contains(parse("C[S+](C)[O-]"), "S=O"), contains(parse("Nc1ccccc1"), "[H]Nc")
    (True, True)
    """
    query, explicit_hydrogens = pattern(smarts)
    with rdBase.BlockLogs():
        return any(mol.HasSubstructMatch(query) for mol in _drawings(molecule, hydrogens=explicit_hydrogens))


def occurrences(molecule: Molecule, smarts: str) -> tuple[frozenset[int], ...]:
    """The heavy atoms of each match of the pattern, without duplicates; matches are those of `contains`.

    >>> from molvae.chemistry.molecule import parse
    >>> [sorted(atoms) for atoms in occurrences(parse("OCCO"), "[CX4][OH]")]
    [[0, 1], [2, 3]]
    """
    query, explicit_hydrogens = pattern(smarts)
    n = molecule.mol.GetNumAtoms()
    with rdBase.BlockLogs():
        found = [
            m
            for mol in _drawings(molecule, hydrogens=explicit_hydrogens)
            for m in mol.GetSubstructMatches(query)
        ]
    return tuple(dict.fromkeys(frozenset(index for index in match if index < n) for match in found))


def _drawings(molecule: Molecule, *, hydrogens: bool) -> Iterator[Chem.Mol]:
    drawings = [molecule.mol]
    if "-]" in molecule.smiles:
        drawings.append(drawn_neutral(molecule.mol, all_groups=True))
    return (Chem.AddHs(mol) if hydrogens else mol for mol in drawings)


@cache
def pattern(smarts: str) -> tuple[Any, bool]:
    """The RDKit query molecule of a SMARTS, and whether it matches molecules with explicit hydrogens.

    A hydrogen bonded to another atom of the pattern becomes a property of that atom.

    Raises:
        UsageError: The text is not SMARTS; the message says why.
    """
    if not smarts.strip():
        raise UsageError("the SMARTS pattern is empty")
    if len(smarts) > MAX_CHARACTERS:
        raise UsageError(f"the SMARTS pattern has {len(smarts)} characters, over {MAX_CHARACTERS}")
    for position, character in enumerate(smarts):
        if not character.isascii():  # RDKit's message about it would not be valid text
            reason = unwanted_character(character, position)
            raise UsageError(f"{smarts!a} is not a SMARTS pattern: {reason}")
    with rdBase.BlockLogs(), rdBase.CaptureErrorLog() as log:
        query = Chem.MolFromSmarts(smarts)
        messages = str(log.messages)
    if query is None or query.GetNumAtoms() == 0:
        reason = first_line(messages).removeprefix("SMARTS Parse Error: ").partition(" while parsing")[0]
        raise UsageError(f"'{smarts}' is not a SMARTS pattern: {reason}")
    with rdBase.BlockLogs():
        query = Chem.MergeQueryHs(query)
    return query, Chem.HasQueryHs(query)[0]


_PLAIN_ATOM = re.compile(r"\[#(\d+)(?:&?H\d?)?(?:&D\d)?(?:&?([+-]\d?))?\]")
_MOST_HYDROGENS = 3  # of aromatic nitrogens


def core_pattern(text: str) -> str:
    """The SMARTS of a core.

    Without attachment points the text is returned as it is: SMARTS, or a SMILES read as SMARTS, which occurs
    wherever its atoms and bonds do. With attachment points (`[*:1]`, `*`) the text is a SMILES, and only the
    atoms they are bonded to may have more neighbors in a molecule than in the core.

    Raises:
        UsageError: The text is neither, or its attachment points are not at the ends of single bonds.

    >>> core_pattern("c1ccccc1C(=O)N")
    'c1ccccc1C(=O)N'
    >>> core_pattern("[*:1]c1ccncc1")
    '[#6]1:[#6&D2]:[#6&D2]:[#7&D2]:[#6&D2]:[#6&D2]:1'
    """
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(text) if "*" in text else None
    points = [] if mol is None else [atom for atom in mol.GetAtoms() if atom.GetAtomicNum() == 0]
    if mol is None or not points:
        pattern(text)  # raises if it is no SMARTS
        return text
    if any(point.GetDegree() != 1 or point.GetBonds()[0].GetBondTypeAsDouble() != 1 for point in points):
        raise UsageError(
            f"an attachment point of the core '{text}' is not at the end of a single bond",
            hint="Write it as in [*:1]c1ccncc1. Without attachment points the core may be any SMARTS.",
        )
    open_atoms = {point.GetNeighbors()[0].GetIdx() for point in points}
    query = Chem.RWMol(mol)
    for atom in mol.GetAtoms():
        if atom.GetAtomicNum() and atom.GetIdx() not in open_atoms:
            charge = f"&{atom.GetFormalCharge():+d}" if atom.GetFormalCharge() else ""
            query.ReplaceAtom(
                atom.GetIdx(), Chem.AtomFromSmarts(f"[#{atom.GetAtomicNum()}&D{atom.GetDegree()}{charge}]")
            )
    for point in sorted((point.GetIdx() for point in points), reverse=True):
        query.RemoveAtom(point)
    return str(Chem.MolToSmarts(query))


def core_molecule(smarts: str) -> Molecule | None:
    """The core of `core_pattern` as a molecule, with hydrogens where it may grow.

    None if the pattern does not specify all atoms and bonds.

    >>> core_molecule(core_pattern("[*:1]c1ccncc1")).smiles
    'c1ccncc1'
    >>> core_molecule("[#6,#7]C") is None
    True
    """
    read = parse(smarts)
    if is_valid(read):
        return read
    drawn = _drawn(Chem.MolFromSmarts(smarts))
    if drawn is None:
        return None
    nitrogens = [a.GetIdx() for a in drawn.GetAtoms() if a.GetAtomicNum() == 7 and a.GetIsAromatic()]  # noqa: PLR2004
    for n in range(_MOST_HYDROGENS + 1):  # a pattern does not say which aromatic nitrogens have a hydrogen
        for chosen in combinations(nitrogens, n):
            tried = Chem.RWMol(drawn)
            for index in chosen:
                tried.GetAtomWithIdx(index).SetNumExplicitHs(1)
            with rdBase.BlockLogs():
                found = parse(Chem.MolToSmiles(tried))
            if is_valid(found) and contains(found, smarts):
                return found
    return None


def _drawn(query: Chem.Mol | None) -> Chem.RWMol | None:
    """The atoms and bonds of a pattern without hydrogens; None if it does not specify them all."""
    matches = [] if query is None else [_PLAIN_ATOM.fullmatch(atom.GetSmarts()) for atom in query.GetAtoms()]
    if query is None or None in matches:
        return None
    drawn = Chem.RWMol()
    for element, charge in (match.groups() for match in matches if match is not None):
        atom = Chem.Atom(int(element))
        atom.SetFormalCharge(int(charge if charge[1:] else f"{charge}1") if charge else 0)
        drawn.AddAtom(atom)
    for bond in query.GetBonds():
        ends = (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
        drawn.AddBond(*ends, bond.GetBondType())
        if bond.GetBondType() == Chem.BondType.AROMATIC:
            for end in ends:
                drawn.GetAtomWithIdx(end).SetIsAromatic(True)
    return drawn


def murcko_scaffold(molecule: Molecule, *, keep_stereo: bool = False) -> str:
    """SMILES of the scaffold; empty for a molecule without rings (Bemis and Murcko 1996).

    Stereochemistry is left out unless asked for, so that isomers share a scaffold and a scaffold split keeps
    them together.

    >>> from molvae.chemistry.molecule import parse
    >>> murcko_scaffold(parse("Cc1ccc(C(=O)NC2CC2)cc1"))
    'O=C(NC1CC1)c1ccccc1'
    >>> murcko_scaffold(parse("CCO"))
    ''
    """
    with rdBase.BlockLogs():
        mol = MurckoScaffold.GetScaffoldForMol(molecule.mol)
        return str(Chem.MolToSmiles(mol, isomericSmiles=keep_stereo))


def brics_fragments(molecule: Molecule) -> tuple[str, ...]:
    """SMILES of the fragments between the BRICS bonds (Degen 2008), cut ends as numbered dummy atoms.

    A fragment comes as often as it occurs; a molecule without such a bond is its own fragment.

    >>> from molvae.chemistry.molecule import parse
    >>> brics_fragments(parse("CC(=O)NCC"))
    ('[1*]C(C)=O', '[4*]CC', '[5*]N[5*]')
    """
    with rdBase.BlockLogs():
        return tuple(str(Chem.MolToSmiles(Chem.FragmentOnBRICSBonds(molecule.mol))).split("."))
