"""Cut SMILES into atoms, bonds, branches and ring closures."""

from __future__ import annotations

import re
from typing import ClassVar

from molvae.tokenizers.base import TOKENIZERS, Tokenizer

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
    def write(cls, notation: str) -> str:
        """Return the text itself: the tokens are SMILES already."""
        return notation
