"""A molecule in space: one conformer, always the same one, and poses as SDF text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

from molvae.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from molvae.chemistry.molecule import Molecule

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


def pose_block(mol: Chem.Mol, number: int = 0) -> str:
    """The molblock of one conformer.

    Args:
        mol: Has conformers.
        number: Which of them, counted from 0.
    """
    ids = [found.GetId() for found in mol.GetConformers()]
    return str(Chem.MolToMolBlock(mol, confId=ids[number]))


def pose_record(block: str, title: str, fields: Mapping[str, str]) -> str:
    """A record of an SDF: a molblock with another title line, and data fields of one line each."""
    head, rest = one_line(title), block.partition("\n")[2].rstrip("\n")
    data = "".join(f">  <{key}>\n{one_line(value)}\n\n" for key, value in fields.items())
    return f"{head}\n{rest}\n{data}$$$$\n"


def inchikey(molecule: Molecule) -> str:
    """The InChIKey, by which a molecule is found elsewhere.

    >>> from molvae.chemistry.molecule import parse
    >>> inchikey(parse("CCO"))
    'LFQSCWFLJHTTHZ-UHFFFAOYSA-N'
    """
    with rdBase.BlockLogs():
        return str(Chem.MolToInchiKey(molecule.mol))
