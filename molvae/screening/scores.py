"""Scores of a part that is being screened, kept as they come: after a stop none is asked for again."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from molvae.oracles.base import Score, ask, is_computed, n_workers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from molvae.chemistry.molecule import Molecule
    from molvae.oracles.base import Oracle

_AT_RISK = 30.0  # seconds: while a call takes less, the next one has twice as many molecules


class ScoreLog:
    """The successful scores of one part, in a file of JSON lines; failures are asked for again.

    Args:
        path: The file; absent until there is a score.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[tuple[str, str], float] = {}
        if path.exists():
            with path.open("rb") as file:
                for line in file:
                    try:
                        name, smiles, value = json.loads(line)
                        self._known[str(name), str(smiles)] = float(value)
                    except (ValueError, TypeError):  # cut short when the process was killed
                        continue

    def scores(
        self, oracle: Oracle, name: str, molecules: Sequence[Molecule], most: int
    ) -> Iterator[list[tuple[Molecule, Score]]]:
        """Molecules and their scores in order, in groups of at most `most`.

        A group is small at first and grows while scores come quickly, so that a kill costs a minute of work
        or one molecule of each worker.
        """
        if is_computed(oracle):
            for start in range(0, len(molecules), most):
                group = molecules[start : start + most]
                yield list(zip(group, ask(oracle, group), strict=True))
            return
        size, start = min(n_workers(oracle), most), 0
        while start < len(molecules):
            group = molecules[start : start + size]
            begun = time.monotonic()
            yield self._asked(oracle, name, group)
            start += len(group)
            if time.monotonic() - begun < _AT_RISK:
                size = min(2 * size, most)

    def _asked(self, oracle: Oracle, name: str, group: Sequence[Molecule]) -> list[tuple[Molecule, Score]]:
        new = {m.smiles: m for m in group if (name, m.smiles) not in self._known}
        answers = dict(zip(new, ask(oracle, list(new.values())), strict=True)) if new else {}
        fine = {smiles: score.value for smiles, score in answers.items() if score.is_ok}
        if fine:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                # a line end first, as the last line may be cut short
                file.writelines("\n" + json.dumps([name, smiles, value]) for smiles, value in fine.items())
        self._known |= {(name, smiles): value for smiles, value in fine.items()}
        return [
            (m, answers[m.smiles] if m.smiles in answers else Score.ok(self._known[name, m.smiles]))
            for m in group
        ]

    def remove(self) -> None:
        """Delete the file: the part is committed."""
        self._path.unlink(missing_ok=True)
