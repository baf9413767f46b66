"""Molecules to SDF text, with 2D coordinates and data fields that cannot break the format."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rdkit import Chem, rdBase
from rdkit.Chem import rdCoordGen, rdDepictor

from molvae.chemistry.molblock import parse_molblock
from molvae.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from molvae.chemistry.molecule import Molecule


NOT_DRAWN = "SMILES, which the drawing does not show"
"""Data field of the rare molecules whose stereochemistry no drawing shows: their SMILES."""
_UNKNOWN = Chem.StereoSpecified.Unspecified
_DRAWINGS = (
    partial(rdDepictor.Compute2DCoords, useRingTemplates=True),
    partial(rdDepictor.Compute2DCoords, useRingTemplates=False),
    rdCoordGen.AddCoords,
)


def to_sdf(
    molecules: Sequence[Molecule],
    properties: Sequence[Mapping[str, str]] | None = None,
    names: Sequence[str] | None = None,
) -> str:
    """SDF text of molecules, one record each, which reads back as these molecules.

    Where no drawing shows the stereochemistry, the field `NOT_DRAWN` has the SMILES.

    Args:
        molecules: What to write.
        properties: Data fields of each record; a value is kept on one line.
        names: Title line of each record.

    Raises:
        UsageError: Not one mapping, or not one name, for each molecule.
    """
    for what, given in (("mapping of properties", properties), ("name", names)):
        if given is not None and len(given) != len(molecules):
            raise UsageError(f"an SDF needs one {what} for each molecule: {len(given)} for {len(molecules)}")
    fields = properties if properties is not None else [{}] * len(molecules)
    titles = names if names is not None else [""] * len(molecules)
    return "".join(_record(*entry) for entry in zip(molecules, fields, titles, strict=True))


def _record(molecule: Molecule, properties: Mapping[str, str], name: str) -> str:
    block, faithful = _block(molecule, _one_line(name))
    fields = properties if faithful else {**properties, NOT_DRAWN: molecule.smiles}
    data = "".join(f">  <{_key(key)}>\n{_one_line(value)}\n\n" for key, value in fields.items())
    return f"{block}{data}$$$$\n"


def _block(molecule: Molecule, title: str) -> tuple[str, bool]:
    """A molblock and whether it reads back as the molecule: in a crowded drawing wedges may not do."""
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
    """A copy whose double bonds of unknown configuration are drawn so, not the way they happen to lie."""
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
