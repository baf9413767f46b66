"""SD files and conformers: molecules as SD blocks, and one reproducible conformer."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from rdkit import Chem, rdBase
from rdkit.Chem import rdCoordGen, rdDepictor, rdDistGeom, rdForceFieldHelpers

from molvae.chemistry import diagnosis
from molvae.chemistry.molecule import Invalid, Molecule, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_CHARACTERS = 400_000
"""Longest molblock that is handed to the parser (999 atoms with coordinates are about 120,000)."""

_POLYMERS = frozenset({"SRU", "MON", "MER", "COP", "CRO", "GRA", "MOD", "ANY"})
_ABBREVIATED_GROUP = re.compile(r"^G  [ \d]{3}[ \d]{3}\r?\n(.*)$", re.MULTILINE)
_V2000_HEADER = 4  # lines above the atoms


def parse_molblock(text: str) -> Molecule | Invalid:
    """Reads the molblock of an SDF record (V2000 or V3000, 2D or 3D); never raises.

    Stereochemistry comes from wedges or coordinates. The molecule then goes through its SMILES, so that it is
    the same molecule `parse` would give, held to the same caps. Queries, R groups, polymers, abbreviations
    and reactions are refused.
    """
    if len(text) > MAX_CHARACTERS:
        return Invalid(text[:80], f"the molblock has {len(text)} characters, over {MAX_CHARACTERS}")
    if "\0" in text:
        return Invalid(text[:80], "the molblock contains a NUL character", text[:80].find("\0"))
    if text.lstrip().startswith("$RXN"):
        return Invalid(text, "a reaction, not a molecule: give its product alone")
    with rdBase.BlockLogs():
        try:
            mol = Chem.MolFromMolBlock(text.encode(errors="replace").decode(), sanitize=True, removeHs=True)
            refusal = "" if mol is None else _why_no_molecule(mol, text)
            smiles = None if mol is None or refusal else Chem.MolToSmiles(mol)
        except (RuntimeError, ValueError) as error:
            return Invalid(text, diagnosis.first_line(str(error)))
    if smiles is None:
        return Invalid(text, refusal or diagnosis.explain_molblock(text))
    read = parse(smiles)
    return read if isinstance(read, Molecule) else Invalid(text, f"the molblock's molecule: {read.reason}")


def _why_no_molecule(mol: Chem.Mol, text: str) -> str:
    """Why a drawing is not a single molecule, "" if it is."""
    return next(_faults(mol, text), "")


def _faults(mol: Chem.Mol, text: str) -> Iterator[str]:
    for group in Chem.GetMolSubstanceGroups(mol):
        if group.GetProp("TYPE") in _POLYMERS:
            yield f"a polymer (brackets of type {group.GetProp('TYPE')}): draw one molecule of it"
    for atom in mol.GetAtoms():
        number = atom.GetIdx() + 1
        alias = atom.GetProp("molFileAlias").strip() if atom.HasProp("molFileAlias") else ""
        if atom.HasProp("molAttchpt"):
            yield f"a group with an open end at atom {number}: draw the whole molecule"
        elif atom.HasProp("dummyLabel"):
            yield f"'{atom.GetProp('dummyLabel')}' at atom {number} is an R group or placeholder, not an atom"
        elif atom.HasQuery() or not atom.GetAtomicNum():
            yield f"a query: '{_symbol(text, number)}' at atom {number} stands for several possibilities"
        elif _abbreviates(alias, atom.GetSymbol()):
            yield f"'{alias}' at atom {number} is an abbreviation: expand it where it was drawn"
    if any(bond.HasQuery() or bond.GetBondType() == Chem.BondType.UNSPECIFIED for bond in mol.GetBonds()):
        yield "a query: a bond may have several orders"
    for name in _ABBREVIATED_GROUP.findall(text):
        yield f"'{name.strip()}' is an abbreviation: expand it where it was drawn"


def _abbreviates(alias: str, symbol: str) -> bool:
    """Whether the text written at an atom is another group than the atom with its hydrogens (`NH2`, `HO`)."""
    own = re.fullmatch(rf"(H\d*)?{symbol}(H\d*)?[+-]?\d*[+-]?", alias)
    return own is None and any(character.isalpha() for character in alias)


def _symbol(text: str, number: int) -> str:
    """The symbol of an atom as the molblock has it."""
    lines = text.splitlines()
    if any("V3000" in line for line in lines[: _V2000_HEADER + 1]):
        found = re.search(rf'^M  V30 {number} ("[^"]*"|\S+)', text, re.MULTILINE)
        return found[1].strip('"') if found else "*"
    return lines[_V2000_HEADER + number - 1][31:34].strip()


NOT_DRAWN = "SMILES, which the drawing does not show"
"""Data field of the rare molecules whose stereochemistry no drawing shows: their SMILES."""
_UNKNOWN = Chem.StereoSpecified.Unspecified
_DRAWINGS = (
    partial(rdDepictor.Compute2DCoords, useRingTemplates=True),
    partial(rdDepictor.Compute2DCoords, useRingTemplates=False),
    rdCoordGen.AddCoords,
)


def sdf_record(molecule: Molecule, name: str = "", fields: Mapping[str, str] | None = None) -> str:
    """The SDF record of a molecule, which reads back as this molecule.

    It has the name as title line, and data fields, each value on one line. Where no drawing shows the
    stereochemistry, the field `NOT_DRAWN` has the SMILES.
    """
    block, faithful = _block(molecule, _one_line(name))
    shown = {} if faithful else {NOT_DRAWN: molecule.smiles}
    return f"{block}{_data({**(fields or {}), **shown})}$$$$\n"


def _data(fields: Mapping[str, str]) -> str:
    return "".join(f">  <{_key(key)}>\n{_one_line(value)}\n\n" for key, value in fields.items())


def _block(molecule: Molecule, title: str) -> tuple[str, bool]:
    """A molblock, and whether it parses back to the molecule: wedges can fail in a crowded drawing."""
    block = ""
    with rdBase.BlockLogs():
        for draw in _DRAWINGS:
            mol = _with_open_double_bonds(molecule.mol)
            mol.SetProp("_Name", title)
            draw(mol)
            block = str(Chem.MolToMolBlock(mol))
            if parse_molblock(block) == molecule:
                return block, True
    return block, False


def _with_open_double_bonds(mol: Chem.Mol) -> Chem.Mol:
    """A copy with double bonds of unknown configuration drawn as such."""
    copy = Chem.Mol(mol)
    for found in Chem.FindPotentialStereo(copy):
        if found.type == Chem.StereoType.Bond_Double and found.specified == _UNKNOWN:
            copy.GetBondWithIdx(found.centeredOn).SetStereo(Chem.BondStereo.STEREOANY)
    return copy


def _one_line(value: str) -> str:
    """A value as SDF can hold it: one line, and none that reads as the end of the record."""
    line = " ".join(value.split())
    return f" {line}" if line.startswith(("$$$$", ">")) else line


def _key(key: str) -> str:
    return _one_line(key).replace("<", "(").replace(">", ")").strip() or "unnamed"


_STEPS = 1000  # of the force field
_TRIES = 10  # per atom


def conformer(smiles: str, seed: int) -> Chem.Mol:
    """A molecule with its hydrogens and one conformer: ETKDG, then MMFF94, or UFF where that fails.

    Args:
        smiles: One molecule, as it is charged. A stereocenter that is left open gets the configuration that
            the conformer happens to have.
        seed: The same seed and SMILES have the same conformer.

    Raises:
        ValueError: No molecule, several, or one without a conformer; the message says which.

    >>> conformer("CCO", seed=1).GetNumAtoms()
    9
    """
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles)
        if mol is None:
            raise ValueError(f"'{smiles}' cannot be read")
        if len(Chem.GetMolFrags(mol)) > 1:
            raise ValueError(f"several molecules at once: {smiles}")
        mol = Chem.AddHs(mol)
        settings = rdDistGeom.ETKDGv3()
        settings.randomSeed = seed
        settings.maxIterations = _TRIES * mol.GetNumAtoms()
        if rdDistGeom.EmbedMolecule(mol, settings) != 0:
            raise ValueError("no conformer was found")
        if rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol):
            rdForceFieldHelpers.MMFFOptimizeMolecule(mol, maxIters=_STEPS)
        elif rdForceFieldHelpers.UFFHasAllMoleculeParams(mol):
            rdForceFieldHelpers.UFFOptimizeMolecule(mol, maxIters=_STEPS)
    return mol


def pose_block(mol: Chem.Mol) -> str:
    """The molblock of the first conformer."""
    return str(Chem.MolToMolBlock(mol, confId=mol.GetConformers()[0].GetId()))


def pose_record(block: str, title: str, fields: Mapping[str, str]) -> str:
    """A record of an SDF: a molblock with another title line, and data fields of one line each."""
    rest = block.partition("\n")[2].rstrip("\n")
    return f"{_one_line(title)}\n{rest}\n{_data(fields)}$$$$\n"
