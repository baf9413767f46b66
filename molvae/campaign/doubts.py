"""Suspicious results: far better than all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molvae.campaign.observations import CENSORED, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from molvae.campaign.table import Row
    from molvae.optimization.transforms import Tails
    from molvae.oracles.objectives import Objective


def doubts(table: Sequence[Row], objectives: Sequence[Objective]) -> list[str]:
    """A message for each objective whose best results are far from all others."""
    import torch

    from molvae.campaign.methods.evidence import is_high_good
    from molvae.campaign.parts import wholes
    from molvae.campaign.table import values_of
    from molvae.optimization.transforms import Tails

    said: list[str] = []
    together = wholes(objectives)
    for j, objective in enumerate(objectives):
        if j in together:
            continue
        values = [value for row in table if (value := values_of(row)[j]) is not None]
        tails = Tails.fit(torch.tensor(values, dtype=torch.float64), high_is_good=is_high_good(objective))
        side = 1 if is_high_good(objective) else -1
        for way in (side, -side) if objective.direction == "part" else (side,) if objective.is_goal else ():
            said += _values(table, j, objective, tails, way)
        said += _bounds(table, j, objective, tails, side)
    return said


def _values(
    table: Sequence[Row], column: int, objective: Objective, tails: Tails, side: int
) -> Iterator[str]:
    scores = [(score, row) for row in table if (score := row.scores[column]) is not None and score.is_ok]
    far = [(side * score.value, row) for score, row in scores if tails.beyond(score.value) == side]
    if far:
        value, row = max(far, key=lambda pair: pair[0])
        name = row.identifier or row.name or row.smiles
        more = f" and {len(far) - 1} more" if len(far) > 1 else ""
        yield (
            f"check {objective.name} of {name}{more}: {side * value:g} is far from all others "
            f"({tails.ends[0]:g} to {tails.ends[1]:g}). The search counts it as just beyond them."
        )


def _bounds(
    table: Sequence[Row], column: int, objective: Objective, tails: Tails, side: int
) -> Iterator[str]:
    claim = "above" if side > 0 else "below"
    found = [score for row in table if (score := row.scores[column]) is not None and score.status in CENSORED]
    far = [score for score in found if score.status == claim and tails.beyond(score.value) == side]
    if far:
        yield (
            f"check {len(far)} results such as {shown(far[0])} of {objective.name}: all values are between "
            f"{tails.ends[0]:g} and {tails.ends[1]:g}, so it may have another unit. Such bounds are not "
            "used; their molecules are not proposed again."
        )
