"""Scores that should be looked at before they are believed: good ones, far from all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.campaign.config import Objective
    from molvae.campaign.table import Row


def doubts(table: Sequence[Row], objectives: Sequence[Objective]) -> list[str]:
    """A sentence for each goal whose best scores are far from all others: mistakes more often than luck."""
    import torch

    from molvae.campaign.table import values_of
    from molvae.optimization.transforms import Tails

    said = []
    for j, objective in enumerate(objectives):
        if objective.is_constraint:
            continue
        known = [(value, row) for row in table if (value := values_of(row)[j]) is not None]
        y = torch.tensor([value for value, _ in known], dtype=torch.float64)
        up = objective.direction == "maximize"
        tails = Tails.fit(y, high_is_good=up)
        far = [row for value, row in known if (value > tails.high if up else value < tails.low)]
        if not far:
            continue
        rest = y[~tails.far(y)]
        worst = max if up else min
        value, row = worst(((value, row) for value, row in known if row in far), key=lambda pair: pair[0])
        name = row.identifier or row.name or row.smiles
        more = f" and {len(far) - 1} more" if len(far) > 1 else ""
        said.append(
            f"check {objective.name} of {name}{more}: {value:g} is far from all others "
            f"({float(rest.min()):g} to {float(rest.max()):g}). The search counts it as just beyond them."
        )
    return said
