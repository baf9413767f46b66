"""Standardize molecules: main fragment, drawing, charges; optionally isotopes and tautomers."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_args

from rdkit import Chem, rdBase
from rdkit.Chem.MolStandardize import rdMolStandardize

from molvae.chemistry import diagnosis
from molvae.chemistry.charges import uncharged
from molvae.chemistry.molecule import Invalid, Molecule, from_mol, parse
from molvae.chemistry.salts import is_metal, main_fragment, why_refused
from molvae.errors import UnknownNameError, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Step = Callable[[Chem.Mol], Chem.Mol | None]  # None where there is nothing to do; may work in place

Level = Literal["none", "basic", "parent"]
"""How far a molecule is standardized.

* `none`: as it was read.
* `basic`: the main fragment (bonds of salts to metals are cut), functional groups in one drawing, no charges
  that protons can remove, no atom maps.
* `parent`: also no isotopes and the canonical tautomer: 20 to 400 ms.
"""
LEVELS: tuple[Level, ...] = get_args(Level)
_TO_DO = re.compile(r"\.|[+-]\d*[\]:]|:\d+\]")
"""Further fragments, charges, atom maps."""
_AMMONIUM = (7, 1)
_VALENCES = {
    5: (3,),
    6: (4,),
    7: (3,),
    8: (2,),
    9: (1,),
    14: (4,),
    15: (3, 5),
    16: (2, 6),
    17: (1,),
    35: (1,),
    53: (1,),
}
"""Valences of atoms without charge that no rule about drawings applies to (but S(IV), the sulfoxide's)."""
_OTHER_AZIDE = Chem.MolFromSmarts("[#6,#7;-]-[N+]#[N+0]")
_AZIDES = "azides\t[#6,#7;-:1]-[N;+:2]#[N;+0:3]>>[*;+0:1]=[N;+1:2]=[N;-1:3]"
_MOST_TAUTOMERS = 200
_MOST_TRANSFORMS = 200


@dataclass(frozen=True, slots=True)
class Standardized:
    """A molecule in its standard form, and what was done to it.

    Attributes:
        molecule: The standard form.
        changed: The steps that changed it: "metal bonds", "main fragment", "drawing" (of functional groups),
            "charges", "atom maps", "isotopes", "tautomer", "stereochemistry".
        left_out: Those that would have made it unreadable, so that they were left out.
        doubt: What is doubtful about the fragment that was kept, "" if nothing is.
    """

    molecule: Molecule
    changed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    doubt: str = ""


def standardize(
    molecule: Molecule | str, level: Level = "basic", *, keep_stereo: bool = True
) -> Molecule | Invalid:
    """The standard form of a molecule that was read, or of a SMILES.

    Stereochemistry stays if it is to be kept, but where the canonical tautomer loses it.

    Raises:
        UnknownNameError: An unknown level.

    >>> standardize("[Na+].CC(=O)[O-]").smiles
    'CC(=O)O'
    >>> standardize(parse("C[C@H](N)O"), "none", keep_stereo=False).smiles
    'CC(N)O'
    """
    done = standardization(molecule, level, keep_stereo=keep_stereo)
    return done if isinstance(done, Invalid) else done.molecule


def standardization(
    molecule: Molecule | str, level: Level = "basic", *, keep_stereo: bool = True
) -> Standardized | Invalid:
    """The standard form of a molecule with what was done to it; see `standardize`.

    Complexes and radicals have no standard form unless the level is `none`. A step that would make a
    molecule unreadable is left out. What comes out is its own standard form.

    >>> standardization("C[N+](C)(C)CC(=O)O.[Cl-]").changed
    ('main fragment', 'charges')
    """
    if level not in LEVELS:
        raise UnknownNameError(
            f"unknown standardization level '{level}'{suggest(level, LEVELS)}",
            hint=f"Known: {', '.join(LEVELS)}.",
        )
    read = molecule if isinstance(molecule, Molecule) else parse(molecule)
    if isinstance(read, Invalid):
        return read
    with rdBase.BlockLogs():
        done = Standardized(read)
        if level != "none" and not is_plain(read):
            refusal = why_refused(read.mol)
            if refusal:
                return Invalid(read.smiles, f"{refusal}; only standardize none keeps it")
            done = _settled(read)
        if level == "parent":
            done = _applied(done, _PARENT_STEPS)
        return done if keep_stereo else _applied(done, _FLAT_STEPS)


def is_plain(molecule: Molecule) -> bool:
    """Whether `basic` would change nothing, by a quick check that holds for most molecules."""
    if _TO_DO.search(molecule.smiles):
        return False
    mol = molecule.mol
    return all(
        map(_is_ordinary, map(mol.GetAtomWithIdx, range(mol.GetNumAtoms())))
    )  # twice as fast as GetAtoms


def _is_ordinary(atom: Chem.Atom) -> bool:
    return atom.GetTotalValence() in _VALENCES.get(atom.GetAtomicNum(), ())


def _is_ammonium(atom: Chem.Atom) -> bool:
    return (atom.GetAtomicNum(), atom.GetFormalCharge()) == _AMMONIUM and atom.GetTotalNumHs() > 0


def _settled(read: Molecule) -> Standardized:
    """The steps of `basic` until they change nothing more, for one may make room for another."""
    mol, done = Chem.Mol(read.mol), Standardized(read)
    if any(is_metal(atom) and atom.GetDegree() for atom in mol.GetAtoms()):
        _tools()["metal"].DisconnectInPlace(mol)
        done = Standardized(read, ("metal bonds",))
    if done.changed or "." in read.smiles:
        kept, doubt = main_fragment(mol)
        done = Standardized(read, (*done.changed, "main fragment"), (), doubt)
        done = _applied(done, _BASIC_STEPS, kept)
    seen = [done.molecule]
    while not is_plain(done.molecule):
        done = _applied(done, _BASIC_STEPS)
        if done.molecule in seen:  # most often the last; where they go round in a ring, the first by alphabet
            ring = seen[seen.index(done.molecule) :]
            return replace(done, molecule=min(ring, key=lambda molecule: molecule.smiles))
        seen.append(done.molecule)
    return done


def _applied(done: Standardized, steps: Mapping[str, Step], part: Chem.Mol | None = None) -> Standardized:
    """A molecule, or a part of it, after some steps: all at once or, if that is unreadable, one by one."""
    mol, changed = Chem.Mol(done.molecule.mol) if part is None else Chem.Mol(part), []
    try:
        for name, step in steps.items():
            stepped = step(mol)
            if stepped is not None:
                mol = stepped
                changed.append(name)
        result = from_mol(mol) if changed or part is not None else done.molecule
    except (RuntimeError, ValueError) as error:
        result = Invalid(done.molecule.smiles, diagnosis.first_line(str(error)))
    if isinstance(result, Molecule):
        return replace(done, molecule=result, changed=_together(done.changed, changed))
    if part is not None:
        return _applied(_applied(done, {}, part), steps)
    if len(steps) == 1:
        return replace(done, left_out=_together(done.left_out, steps))
    for name, step in steps.items():
        done = _applied(done, {name: step})
    return done


def _together(known: tuple[str, ...], new: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*known, *new)))


def _drawing(mol: Chem.Mol) -> Chem.Mol | None:
    """Functional groups drawn in RDKit's way, whose rules are those of ChEMBL and MolVS.

    A sulfoxide is drawn [S+]-[O-], as in ChEMBL, and nitro groups and N-oxides likewise: existing corpora and
    checkpoints use this form. Pattern searches see S=O too (`substructure`, `filters`).
    """
    if all(_is_ordinary(atom) or _is_ammonium(atom) for atom in mol.GetAtoms()):
        return None
    before = _charges(mol)
    mol = _tools()["normalizer"].normalize(mol)
    if mol.HasSubstructMatch(_OTHER_AZIDE):
        mol = _tools()["azides"].normalize(mol)
    return None if _charges(mol) == before else mol


def _uncharge(mol: Chem.Mol) -> Chem.Mol | None:
    before = _charges(mol)
    mol = uncharged(mol)
    return None if _charges(mol) == before else mol


def _charges(mol: Chem.Mol) -> list[int]:
    return [atom.GetFormalCharge() for atom in mol.GetAtoms()]


def _forget_maps(mol: Chem.Mol) -> Chem.Mol | None:
    mapped = [atom for atom in mol.GetAtoms() if atom.GetAtomMapNum()]
    for atom in mapped:
        atom.SetAtomMapNum(0)
    return mol if mapped else None


def _forget_isotopes(mol: Chem.Mol) -> Chem.Mol | None:
    labeled = any(atom.GetIsotope() for atom in mol.GetAtoms())
    return rdMolStandardize.IsotopeParent(mol) if labeled else None


def _canonical_tautomer(mol: Chem.Mol) -> Chem.Mol:
    return _tools()["tautomer"].Canonicalize(mol)


def _without_stereo(mol: Chem.Mol) -> Chem.Mol:
    Chem.RemoveStereochemistry(mol)
    return mol


_BASIC_STEPS = {"drawing": _drawing, "charges": _uncharge, "atom maps": _forget_maps}
_PARENT_STEPS = {"isotopes": _forget_isotopes, "tautomer": _canonical_tautomer}
_FLAT_STEPS = {"stereochemistry": _without_stereo}


@cache
def _tools() -> dict[str, Any]:
    parameters = rdMolStandardize.CleanupParameters()
    parameters.maxTautomers = _MOST_TAUTOMERS
    parameters.maxTransforms = _MOST_TRANSFORMS
    parameters.tautomerRemoveSp3Stereo = False
    parameters.tautomerRemoveBondStereo = False
    return {
        "metal": rdMolStandardize.MetalDisconnector(),
        "normalizer": rdMolStandardize.Normalizer(),
        "azides": rdMolStandardize.NormalizerFromData(_AZIDES, parameters),
        "tautomer": rdMolStandardize.TautomerEnumerator(parameters),
    }


def inchikey(molecule: Molecule) -> str:
    """Standard InChIKey, the same for all usual drawings of a compound, mobile hydrogens included.

    Where InChI has no answer (dative bonds, exotic valences) the canonical SMILES stands in, so that two
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
