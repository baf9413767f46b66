"""Composite objectives: the measured terms of an `mpo:` objective become objectives, to be modeled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molvae.oracles.objectives import Objective
from molvae.oracles.parts import taken_apart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.campaign.config import CampaignSettings
    from molvae.oracles.parts import Whole


def unfolded(settings: CampaignSettings) -> CampaignSettings:
    """The settings with the measured terms of composite objectives appended as objectives.

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
    """The objectives without parts."""
    return [objective for objective in objectives if objective.direction != "part"]


def wholes(objectives: Sequence[Objective]) -> dict[int, Whole]:
    """Composite objectives by position; all their parts are objectives.

    Campaigns of earlier versions have none: there, composite objectives are measured as a whole.
    """
    names = {objective.name for objective in objectives}
    found = {j: whole for j, o in enumerate(objectives) if (whole := taken_apart(o.name)) is not None}
    return {j: whole for j, whole in found.items() if names.issuperset(whole.parts)}
