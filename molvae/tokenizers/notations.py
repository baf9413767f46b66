"""The notations: tokenizers of SMILES and of SELFIES (selfies)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

import selfies

from molvae.tokenizers.base import MAX_TOKENS, TOKENIZERS, TokenizationError, Tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence

_TOKEN = re.compile(r"\[[^\[\]]+\]|Br|Cl|%\(\d+\)|%\d\d|->|<-|.", re.DOTALL)


@TOKENIZERS.register("smiles")
class SmilesTokenizer(Tokenizer):
    """Atom-level SMILES: a bracket atom, a halogen and a two-digit ring closure are one token each.

    Lossless on any text: anything that is not SMILES is split into single characters.

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


MAX_CHARACTERS = 1000
"""Longer SMILES are refused before they reach `selfies`, whose time is quadratic."""

_SYMBOLS = re.compile(r"(?:\[[^\[\]]+\]|\.)*")
_SYMBOL = re.compile(r"\[[^\[\]]+\]|\.")


@TOKENIZERS.register("selfies")
class SelfiesTokenizer(Tokenizer):
    """SELFIES symbols (Krenn et al., doi:10.1088/2632-2153/aba947) under the default valence constraints.

    `selfies` silently ignores text it cannot decode; here such text is spelled out, so that it counts as
    invalid.

    >>> SelfiesTokenizer.split("CC=O")
    ['[C]', '[C]', '[=O]']
    >>> SelfiesTokenizer.write("[C][C][=O]"), SelfiesTokenizer.write("[C]<unk>")
    ('CC=O', '<[C]<unk>>')
    """

    name: ClassVar[str] = "selfies"

    @classmethod
    def spell(cls, smiles: str) -> str:
        """Translate SMILES into SELFIES.

        Raises:
            TokenizationError: If the text is empty, longer than `MAX_CHARACTERS`, or not expressible in
                SELFIES (a wildcard, a valence outside its constraints, text that is not SMILES).
        """
        if len(smiles) > MAX_CHARACTERS:
            raise TokenizationError(f"{len(smiles)} characters; the limit for SELFIES is {MAX_CHARACTERS}")
        try:
            text = str(selfies.encoder(smiles) or "")
        except selfies.EncoderError as error:
            raise TokenizationError(f"SELFIES cannot express this: {_sentence(error)}") from error
        except RecursionError as error:
            raise TokenizationError("SELFIES cannot express this: branches are nested too deeply") from error
        except (ValueError, IndexError, KeyError, AssertionError) as error:
            raise TokenizationError("SELFIES cannot express this: not SMILES it can read") from error
        if not text or _SYMBOLS.fullmatch(text) is None:
            raise TokenizationError("SELFIES cannot express this: it reads as nothing")
        return text

    @classmethod
    def cut(cls, notation: str) -> list[str]:
        """Cut SELFIES into symbols."""
        return _SYMBOL.findall(notation)

    @classmethod
    def write(cls, notation: str) -> str:
        """Translate SELFIES into SMILES; text that is not SELFIES is returned in angle brackets."""
        if _SYMBOLS.fullmatch(notation) is None or notation.count("[") > MAX_TOKENS:
            return f"<{notation}>"
        try:
            return str(selfies.decoder(notation))
        except (selfies.DecoderError, RecursionError):
            return f"<{notation}>"


def _sentence(error: selfies.EncoderError) -> str:
    """The first line of the message from `selfies`."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
