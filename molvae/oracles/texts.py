"""Ask an oracle about texts, where it runs in another process than the one that wants to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molvae.chemistry.molecule import Invalid, Molecule, parse
from molvae.oracles.base import Score, ask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.oracles.base import Oracle


def scores_of(oracle: Oracle, smiles: Sequence[str]) -> list[Score]:
    """One score for each text, whether it is a molecule or not."""
    read = [parse(text) for text in smiles]
    scores = iter(ask(oracle, [molecule for molecule in read if isinstance(molecule, Molecule)]))
    return [Score.invalid(m.reason) if isinstance(m, Invalid) else next(scores) for m in read]
