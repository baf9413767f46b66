"""SMILES tokenizer: atoms, bonds, branches and ring closures."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from molvae.tokenizers.base import TOKENIZERS, Tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence

_TOKEN = re.compile(r"\[[^\[\]]+\]|Br|Cl|%\(\d+\)|%\d\d|->|<-|.", re.DOTALL)


@TOKENIZERS.register("smiles")
class SmilesTokenizer(Tokenizer):
    """Atom-level SMILES: a bracket atom, a halogen and a two-digit ring closure are one token each.

    Lossless on any text: what is not SMILES is cut into single characters.

    >>> SmilesTokenizer.split("C[C@H](Br)c1ccccc1")
    ['C', '[C@H]', '(', 'Br', ')', 'c', '1', 'c', 'c', 'c', 'c', 'c', '1']
    """

    name: ClassVar[str] = "smiles"

    @classmethod
    def spell(cls, smiles: str) -> str:
        """Return the text itself: SMILES is the notation."""
        return smiles

    @classmethod
    def cut(cls, notation: str) -> list[str]:
        """Cut SMILES into atoms, bonds, branches and ring closures."""
        return _TOKEN.findall(notation)

    @classmethod
    def is_complete(cls, units: Sequence[str]) -> bool:
        """Whether every branch and every ring that is opened is closed.

        >>> [
        ...     SmilesTokenizer.is_complete(SmilesTokenizer.cut(text))
        ...     for text in ("c1ccccc1", "(=O)", "c1cc", ")C(")
        ... ]
        [True, True, False, False]
        """
        depth = 0
        open_rings: set[str] = set()
        for unit in units:
            depth += (unit == "(") - (unit == ")")
            if depth < 0:
                return False
            if unit.isdecimal() or unit.startswith("%"):
                open_rings ^= {unit}
        return depth == 0 and not open_rings

    @classmethod
    def write(cls, notation: str) -> str:
        """Return the text itself: the tokens are SMILES already."""
        return notation
