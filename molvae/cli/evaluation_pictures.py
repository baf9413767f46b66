"""The pictures of an evaluation: which can be drawn from what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from molvae.evaluation.molecules import MoleculeSet
    from molvae.evaluation.profile import Part
    from molvae.latent.assessment import Assessment

_SHOWN: tuple[Part, ...] = ("descriptors",)
_TITLES = ("logP", "SA", "QED", "weight (g/mol)")


def draw(output: Path, assessed: Assessment, references: Sequence[MoleculeSet]) -> list[str]:
    """Draw what there is into a directory; the names of the files."""
    from molvae.reporting.figures import draw_histograms

    drawn = _heads(output, assessed) if assessed.truth is not None else []
    own = None if assessed.samples is None else assessed.samples.profile(_SHOWN).descriptors
    if own is not None and len(own):
        others = {
            reference.name: known
            for reference in references
            if (known := reference.profile(_SHOWN).descriptors) is not None
        }
        draw_histograms(own, others, _TITLES, output / "properties.png")
        drawn.append("properties.png")
    return drawn


def _heads(output: Path, assessed: Assessment) -> list[str]:
    from molvae.evaluation.prediction import calibration
    from molvae.reporting.figures import draw_calibration, draw_parity

    truth, prediction = assessed.truth, assessed.prediction
    if truth is None or prediction is None or not np.isfinite(truth).any():
        return []
    explained = [assessed.table[f"R2 {name}"] for name in prediction.names]
    draw_parity(truth, prediction.mean, prediction.names, output / "parity.png", explained)
    curves = {}
    for column, name in enumerate(prediction.names):
        found = calibration(truth[:, column], prediction.mean[:, column], prediction.variance[:, column])
        if found.n:
            curves[name] = (found.levels, found.coverage)
    draw_calibration(curves, output / "calibration.png")
    return ["parity.png", "calibration.png"]
