"""Rules for accepting a molecule: parse, standardize, size limits, filters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from molvae.chemistry.filters import filter_reasons
from molvae.chemistry.molecule import Invalid, Molecule, parse
from molvae.chemistry.sdf import parse_molblock
from molvae.chemistry.standardize import standardization

if TYPE_CHECKING:
    from molvae.chemistry.standardize import Level, Standardized


@dataclass(frozen=True, slots=True)
class Refused:
    """A text that was not admitted: at which stage, and why."""

    stage: Literal["parse", "standardize", "filter"]
    reason: str


@dataclass(frozen=True, slots=True)
class Rules:
    """Criteria for accepting a molecule.

    Attributes:
        standardize: How far it is standardized.
        keep_stereo: Whether stereochemistry stays.
        max_heavy_atoms: Larger ones are refused, and those without any.
        filters: Names of filters whose hits are refused.
    """

    standardize: Level = "basic"
    keep_stereo: bool = True
    max_heavy_atoms: int = 999
    filters: tuple[str, ...] = ()


def admit(text: str, rules: Rules, *, is_molblock: bool = False) -> Molecule | Refused:
    """The standardized molecule of a SMILES or molblock, or why it is refused; never raises on any text.

    >>> admit("[Na+].CC(=O)[O-]", Rules())
    Molecule(smiles='CC(=O)O')
    >>> admit("CCO", Rules(max_heavy_atoms=2))
    Refused(stage='filter', reason='3 heavy atoms; 1 to 2 were asked for')
    """
    read = read_text(text, is_molblock=is_molblock)
    admitted = read if isinstance(read, Refused) else admission(read, rules)
    return admitted if isinstance(admitted, Refused) else admitted.molecule


def read_text(text: str, *, is_molblock: bool = False) -> Molecule | Refused:
    """Parse a SMILES or molblock without standardizing it: the first step of `admit`."""
    read = parse_molblock(text) if is_molblock else parse(text)
    return Refused("parse", read.reason) if isinstance(read, Invalid) else read


def admission(read: Molecule, rules: Rules) -> Standardized | Refused:
    """Standardize a parsed molecule and check the rules: the second step of `admit`."""
    done = standardization(read, rules.standardize, keep_stereo=rules.keep_stereo)
    if isinstance(done, Invalid):
        return Refused("standardize", done.reason)
    molecule = done.molecule
    atoms = molecule.mol.GetNumHeavyAtoms()
    if not 1 <= atoms <= rules.max_heavy_atoms:
        return Refused("filter", f"{atoms} heavy atoms; 1 to {rules.max_heavy_atoms} were asked for")
    if rules.filters and (hits := filter_reasons(molecule, rules.filters)):
        return Refused("filter", "; ".join(hits))
    return done
