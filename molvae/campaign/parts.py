"""Objectives that are made of others: an `mpo:` with a dear part is unfolded, so that the part is modeled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molvae.oracles.objectives import Objective
from molvae.oracles.parts import taken_apart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.campaign.config import CampaignSettings
    from molvae.oracles.parts import Whole


def unfolded(settings: CampaignSettings) -> CampaignSettings:
    """The settings with the parts of objectives that are partly dear behind them, as objectives of their own.

    Raises:
        ConfigError: A file cannot be read.
        UsageError: A term is written wrongly.
    """
    names = {objective.name for objective in settings.objectives}
    found = [whole for o in settings.objectives if (whole := taken_apart(o.name)) is not None]
    fresh = dict.fromkeys(part for whole in found for part in whole.parts if part not in names)
    if not fresh:
        return settings
    parts = [Objective(name=name, direction="part") for name in fresh]
    return settings.model_copy(update={"objectives": (*settings.objectives, *parts)})


def wanted(objectives: Sequence[Objective]) -> list[Objective]:
    """Those that somebody has named, without the parts they are made of."""
    return [objective for objective in objectives if objective.direction != "part"]


def wholes(objectives: Sequence[Objective]) -> dict[int, Whole]:
    """Positions of the objectives that are made of others, with how; all their parts are among them.

    A campaign from before objectives were unfolded has none: there they are asked for whole.
    """
    names = {objective.name for objective in objectives}
    found = {j: whole for j, o in enumerate(objectives) if (whole := taken_apart(o.name)) is not None}
    return {j: whole for j, whole in found.items() if names.issuperset(whole.parts)}
