"""The standard form of molecules in a campaign, and stereoisomers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from molvae.chemistry.molecule import Invalid, Molecule, is_valid, parse
from molvae.chemistry.standardize import standardize


@dataclass(frozen=True, slots=True)
class Form:
    """A molecule in standard form.

    Attributes:
        smiles: Canonical SMILES of its standard form.
        changed: Whether it was given in another form: a salt, charged, with a solvent.
    """

    smiles: str
    changed: bool


def standard(molecule: Molecule | Invalid) -> Molecule | Invalid:
    """The molecule in standard form: the parent of a salt, neutralized by protons if possible."""
    return standardize(molecule) if is_valid(molecule) else molecule


@lru_cache(maxsize=65_536)
def form_of(text: str) -> Form | Invalid:
    """The standard form of a SMILES.

    >>> form_of("[Na+].CC(=O)[O-]")
    Form(smiles='CC(=O)O', changed=True)
    >>> form_of("OCC")
    Form(smiles='CCO', changed=False)
    """
    read = parse(text)
    made = standard(read)
    if isinstance(made, Invalid) or isinstance(read, Invalid):
        return made if isinstance(made, Invalid) else Invalid(text, "cannot be read")
    return Form(made.smiles, made.smiles != read.smiles)


@lru_cache(maxsize=65_536)
def flat(smiles: str) -> str:
    """A molecule in standard form without its stereochemistry.

    >>> flat("C[C@H](N)O"), flat("CCO")
    ('CC(N)O', 'CCO')
    """
    if not any(mark in smiles for mark in "@/\\"):
        return smiles
    made = standardize(smiles, "none", keep_stereo=False)
    return made.smiles if is_valid(made) else smiles


def are_stereoisomers(first: str, second: str) -> bool:
    """Whether two different molecules, given as SMILES, are the same but for their stereochemistry.

    >>> are_stereoisomers("C[C@H](N)O", "C[C@@H](N)O"), are_stereoisomers("CCO", "CCN")
    (True, False)
    """
    flat = [standardize(text, keep_stereo=False) for text in (first, second)]
    return all(map(is_valid, flat)) and len({molecule.smiles for molecule in flat if is_valid(molecule)}) == 1
