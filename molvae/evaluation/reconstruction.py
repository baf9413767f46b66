"""Whether molecules come back as themselves: the same text, the same molecule."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from molvae.chemistry.molecule import canonical
from molvae.errors import UsageError
from molvae.evaluation.base import Metric, MetricTable

if TYPE_CHECKING:
    from collections.abc import Sequence


def reconstruction(given: Sequence[str], decoded: Sequence[str], *, suffix: str = "") -> MetricTable:
    """Match rates of molecules and what they were decoded to.

    Args:
        given: Canonical SMILES, `n`.
        decoded: The text written for each, `n`; anything at all.
        suffix: After the name of each figure: how it was decoded.

    Returns:
        `string match` (the very text), `molecule match` (another writing counts) and `decoded valid`.

    Raises:
        UsageError: Not one text for each molecule.

    >>> reconstruction(["CCO", "CCN", "C"], ["CCO", "NCC", "(("]).values()["molecule match"].__round__(3)
    0.667
    """
    if len(given) != len(decoded):
        raise UsageError(f"one decoded text for each molecule is needed, got {len(decoded)} for {len(given)}")
    n = len(given)
    same_text = sum(a == b for a, b in zip(given, decoded, strict=True))
    same, valid = 0, 0
    for molecule, text in zip(given, decoded, strict=True):
        written = canonical(text)
        valid += written is not None
        same += written == molecule
    return MetricTable(
        (
            Metric(f"string match{suffix}", _share(same_text, n), n, "higher"),
            Metric(f"molecule match{suffix}", _share(same, n), n, "higher"),
            Metric(f"decoded valid{suffix}", _share(valid, n), n, "higher"),
        )
    )


def _share(count: int, n: int) -> float:
    return count / n if n else math.nan
