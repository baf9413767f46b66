"""Substructures: SMARTS patterns, and whether a molecule contains one."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from rdkit import Chem, rdBase

from molvae.chemistry.diagnosis import first_line, unwanted_character
from molvae.errors import UsageError

if TYPE_CHECKING:
    from molvae.chemistry.molecule import Molecule

MAX_CHARACTERS = 1_000
"""Longest SMARTS that is handed to the parser."""


def contains(molecule: Molecule, smarts: str) -> bool:
    """Whether the pattern occurs in the molecule.

    Raises:
        UsageError: The text is no SMARTS.

    >>> from molvae.chemistry.molecule import parse
    >>> contains(parse("CCO"), "[CX4][OH]"), contains(parse("COC"), "[CX4][OH]")
    (True, False)
    """
    return bool(molecule.mol.HasSubstructMatch(pattern(smarts)))


@cache
def pattern(smarts: str) -> Any:
    """The RDKit query molecule of a SMARTS.

    Raises:
        UsageError: The text is no SMARTS; the message says why.
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
    return query
