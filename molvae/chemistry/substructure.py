"""Substructures: SMARTS patterns, and whether a molecule contains one."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from rdkit import Chem, rdBase

from molvae.chemistry.charges import drawn_neutral
from molvae.chemistry.diagnosis import first_line, unwanted_character
from molvae.errors import UsageError

if TYPE_CHECKING:
    from molvae.chemistry.molecule import Molecule

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
    drawings = [molecule.mol]
    if "-]" in molecule.smiles:
        drawings.append(drawn_neutral(molecule.mol, all_groups=True))
    with rdBase.BlockLogs():
        return any(
            (Chem.AddHs(mol) if explicit_hydrogens else mol).HasSubstructMatch(query) for mol in drawings
        )


@cache
def pattern(smarts: str) -> tuple[Any, bool]:
    """The RDKit query molecule of a SMARTS, and whether it has hydrogen atoms that molecules must spell out.

    A hydrogen bonded to another atom of the pattern becomes a property of that atom.

    Raises:
        UsageError: The text is not SMARTS; the message says why.
    """
    if not smarts.strip():
        raise UsageError("the SMARTS pattern is empty")
    if len(smarts) > MAX_CHARACTERS:
        raise UsageError(f"the SMARTS pattern has {len(smarts)} characters, over {MAX_CHARACTERS}")
    for position, character in enumerate(smarts):
        if not character.isascii():  # nor would RDKit's own words about it be text
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
