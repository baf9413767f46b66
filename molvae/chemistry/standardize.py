"""One form for each compound: cleanup, largest fragment, no charge; optionally no isotopes, one tautomer."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from rdkit import Chem, rdBase
from rdkit.Chem.MolStandardize import rdMolStandardize

from molvae.chemistry import diagnosis
from molvae.chemistry.molecule import Invalid, Molecule, from_mol, parse
from molvae.errors import UnknownNameError, suggest

if TYPE_CHECKING:
    from collections.abc import Callable

Level = Literal["none", "basic", "parent"]
"""How far a molecule is standardized.

* `none`: as it was read.
* `basic`: functional groups cleaned up, metals disconnected, the largest (organic) fragment, charges removed
  where protons can do it, no atom maps: .1 ms where there is nothing to do, else about 1 ms.
* `parent`: besides, no isotopes and the canonical tautomer: 20 to 400 ms.
"""
_PLAIN_BRACKETS = re.compile(r"\[(C@@?H?|nH)\]")
"""Atoms that are written in brackets for their stereochemistry or hydrogen alone."""
_LOWEST_VALENCE = {6: 4, 7: 3, 8: 2, 9: 1, 16: 2, 17: 1, 35: 1, 53: 1}
"""Valences at which no rule of the normalization applies to an atom without a charge."""
_MOST_TAUTOMERS = 200
_MOST_TRANSFORMS = 200


def standardize(
    molecule: Molecule | str, level: Level = "basic", *, keep_stereo: bool = True
) -> Molecule | Invalid:
    """The standard form of a molecule.

    Args:
        molecule: What was read, or a SMILES.
        level: See `Level`.
        keep_stereo: Whether stereochemistry stays (the canonical tautomer loses it where a tautomer passes).

    Raises:
        UnknownNameError: An unknown level.

    >>> standardize("[Na+].CC(=O)[O-]").smiles
    'CC(=O)O'
    >>> standardize(parse("C[C@H](N)O"), "none", keep_stereo=False).smiles
    'CC(N)O'
    """
    steps = _steps(level)
    if not isinstance(molecule, Molecule):
        read = parse(molecule)
        return read if isinstance(read, Invalid) else standardize(read, level, keep_stereo=keep_stereo)
    if keep_stereo and (not steps or (level == "basic" and _is_standard(molecule))):
        return molecule
    with rdBase.BlockLogs():
        mol = Chem.Mol(molecule.mol)
        try:
            for step in steps:
                mol = step(mol)
            if not keep_stereo:
                Chem.RemoveStereochemistry(mol)
        except (RuntimeError, ValueError) as error:
            reason = diagnosis.first_line(str(error))
            return Invalid(molecule.smiles, f"cannot be standardized: {reason}")
    return from_mol(mol, molecule.smiles)


def _is_standard(molecule: Molecule) -> bool:
    """Whether `basic` would change nothing, told without going through it: so it is with most molecules.

    Without charges, metals, hydrogen atoms, isotopes, maps and further fragments, all of which the SMILES
    shows, only the normalization of functional groups is left, whose rules are all about charges and atoms
    with more bonds than their lowest valence (five-bonded nitrogen, sulfoxides).
    """
    if "." in molecule.smiles or "[" in _PLAIN_BRACKETS.sub("", molecule.smiles):
        return False
    if all(_LOWEST_VALENCE.get(a.GetAtomicNum()) == a.GetTotalValence() for a in molecule.mol.GetAtoms()):
        return True
    with rdBase.BlockLogs():
        mol = Chem.Mol(molecule.mol)
        try:
            _tools()["normalizer"].normalizeInPlace(mol)
            return bool(Chem.MolToSmiles(mol) == molecule.smiles)
        except (RuntimeError, ValueError):  # the whole way says why
            return False


def inchikey(molecule: Molecule) -> str:
    """Standard InChIKey, the same for all usual drawings of a compound, mobile hydrogens included.

    Where InChI has no answer (dummy atoms, exotic valences) the canonical SMILES stands in, so that two
    compounds without a key are never taken for one.

    >>> from molvae.chemistry.molecule import parse
    >>> inchikey(parse("CCO"))
    'LFQSCWFLJHTTHZ-UHFFFAOYSA-N'
    """
    with rdBase.BlockLogs():
        try:
            key = str(Chem.MolToInchiKey(molecule.mol))
        except (RuntimeError, ValueError):
            key = ""
    return key or molecule.smiles


def _steps(level: str) -> tuple[Callable[[Chem.Mol], Chem.Mol], ...]:
    basic = (_clean_up, _largest_fragment, _uncharge, _forget_maps)
    levels: dict[str, tuple[Callable[[Chem.Mol], Chem.Mol], ...]] = {
        "none": (),
        "basic": basic,
        "parent": (*basic, rdMolStandardize.IsotopeParent, _canonical_tautomer),
    }
    if level not in levels:
        raise UnknownNameError(
            f"unknown standardization level '{level}'{suggest(level, levels)}",
            hint=f"Known: {', '.join(levels)}.",
        )
    return levels[level]


def _clean_up(mol: Chem.Mol) -> Chem.Mol:
    """What rdMolStandardize.Cleanup does, which reads its rules anew for every molecule."""
    tools = _tools()
    mol = Chem.RemoveHs(mol)
    tools["metal"].DisconnectInPlace(mol)
    tools["normalizer"].normalizeInPlace(mol)
    tools["reionizer"].reionizeInPlace(mol)
    Chem.AssignStereochemistry(mol)
    return mol


def _largest_fragment(mol: Chem.Mol) -> Chem.Mol:
    _tools()["fragment"].chooseInPlace(mol)
    return mol


def _uncharge(mol: Chem.Mol) -> Chem.Mol:
    _tools()["uncharge"].unchargeInPlace(mol)
    return mol


def _canonical_tautomer(mol: Chem.Mol) -> Chem.Mol:
    return _tools()["tautomer"].Canonicalize(mol)


def _forget_maps(mol: Chem.Mol) -> Chem.Mol:
    for atom in mol.GetAtoms():
        atom.SetAtomMapNum(0)
    return mol


@cache
def _tools() -> dict[str, Any]:
    parameters = rdMolStandardize.CleanupParameters()
    parameters.preferOrganic = True
    parameters.maxTautomers = _MOST_TAUTOMERS
    parameters.maxTransforms = _MOST_TRANSFORMS
    parameters.tautomerRemoveSp3Stereo = False
    parameters.tautomerRemoveBondStereo = False
    return {
        "metal": rdMolStandardize.MetalDisconnector(),
        "normalizer": rdMolStandardize.Normalizer(),
        "reionizer": rdMolStandardize.Reionizer(),
        "fragment": rdMolStandardize.LargestFragmentChooser(parameters),
        "uncharge": rdMolStandardize.Uncharger(True),
        "tautomer": rdMolStandardize.TautomerEnumerator(parameters),
    }
