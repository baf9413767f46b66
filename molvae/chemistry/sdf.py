"""Molecules to SDF text, with 2D coordinates and data fields that cannot break the format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rdkit import Chem, rdBase
from rdkit.Chem import rdDepictor

from molvae.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from molvae.chemistry.molecule import Molecule


def to_sdf(
    molecules: Sequence[Molecule],
    properties: Sequence[Mapping[str, str]] | None = None,
    names: Sequence[str] | None = None,
) -> str:
    """SDF text of molecules, one record each.

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
    mol = Chem.Mol(molecule.mol)
    with rdBase.BlockLogs():
        rdDepictor.Compute2DCoords(mol, useRingTemplates=True)
        mol.SetProp("_Name", _one_line(name)[:80])
        block = str(Chem.MolToMolBlock(mol))
    data = "".join(f">  <{_key(key)}>\n{_one_line(value)}\n\n" for key, value in properties.items())
    return f"{block}{data}$$$$\n"


def _one_line(value: str) -> str:
    """A value as SDF can hold it: one line, and none that reads as the end of the record."""
    line = " ".join(value.split())
    return f" {line}" if line.startswith(("$$$$", ">")) else line


def _key(key: str) -> str:
    return _one_line(key).replace("<", "(").replace(">", ")").strip() or "unnamed"
