"""Scores, start molecules and latent points as JSON values of the journal."""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.campaign.observations import StartMolecule, score_of
from molvae.chemistry.molecule import is_valid, parse
from molvae.oracles.base import Score

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from molvae.campaign.known import KnownScores


def scores_to_json(scores: Sequence[Score | None]) -> list[list[Any] | None]:
    """Scores as JSON values: `[status, value or null, detail]`, of replicates with number and deviation."""
    rows: list[list[Any] | None] = []
    for score in scores:
        if score is None:
            rows.append(None)
            continue
        row = [score.status, score.value if score.is_measured else None, score.detail]
        rows.append([*row, score.n, score.sd] if score.n > 1 or score.sd is not None else row)
    return rows


def scores_from_json(rows: Sequence[list[Any] | float | None]) -> list[Score | None]:
    """The inverse of `scores_to_json`; a bare number is a value (so earlier versions wrote known scores)."""
    found: list[Score | None] = []
    for row in rows:
        if isinstance(row, list):
            status, value, detail, *replicates = row
            score = Score(math.nan if value is None else float(value), status, detail, *replicates)
            if score.is_measured and not math.isfinite(score.value):
                raise ValueError(f"a score is '{score.status}' without a number")
            found.append(score)
        else:
            found.append(None if row is None else Score.ok(float(row)))
    return found


def known_from_json(payload: Mapping[str, Any], smiles: str) -> list[Score | None] | None:
    """Known scores of a molecule that an event has recorded; nothing where it has none."""
    recorded = payload.get("known", {}).get(smiles)
    return None if recorded is None else scores_from_json(recorded)


def start_to_json(molecule: StartMolecule) -> list[Any]:
    """A start molecule as JSON values: SMILES, scores, and its name if it has one."""
    scores = [score_of(score, molecule.smiles) for score in molecule.scores]
    return [molecule.smiles, scores_to_json(scores), *([molecule.name] if molecule.name else [])]


def start_from_json(row: Sequence[Any]) -> StartMolecule:
    """The inverse of `start_to_json`."""
    return StartMolecule(row[0], tuple(scores_from_json(row[1])), row[2] if len(row) > 2 else "")  # noqa: PLR2004


def latent_to_text(z: NDArray[np.float32]) -> str:
    """A latent point as base64 of its little-endian float32 bytes.

    >>> latent_from_text(latent_to_text(np.array([1.5, -2.0], dtype=np.float32))).tolist()
    [1.5, -2.0]
    """
    return base64.b64encode(np.ascontiguousarray(z, dtype="<f4").tobytes()).decode()


def latent_from_text(text: str) -> NDArray[np.float32]:
    """The inverse of `latent_to_text`."""
    return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float32)


def known_to_json(known: KnownScores, smiles: Sequence[str]) -> dict[str, list[list[Any] | None]]:
    """What is computed of molecules, for the journal: reading it then computes nothing again."""
    if not known.columns or (known.needs_model and not known.has_model):
        return {}
    molecules = [molecule for text in smiles if is_valid(molecule := parse(text))]
    known.values(molecules)  # of all at once, where a model predicts them
    blank = [None] * len(known.objectives)
    return {m.smiles: scores_to_json([known.filled(m, blank)[j] for j in known.columns]) for m in molecules}
