"""The objectives of a campaign: composite ones as their parts, impossible bounds, misspelled names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molvae.errors import UsageError
from molvae.oracles.base import OracleText, span_of
from molvae.oracles.config import Objective
from molvae.oracles.desirability import SHAPES
from molvae.oracles.functions import OWN
from molvae.oracles.parts import taken_apart
from molvae.oracles.plugins import computed_oracle, known_oracles
from molvae.oracles.references import refuse_secrets

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


def check_objectives(objectives: Sequence[Objective]) -> None:
    """Refuse bounds that nothing satisfies and names that are nearly those of computed objectives.

    Raises:
        UsageError: A key in a URL, an invalid computed objective, a bound outside the range of its score, a
            name that differs from a computed one in case only, a desirability of a measured score.
    """
    for objective in objectives:
        refuse_secrets(objective.name)
        oracle = computed_oracle(objective.name)
        if oracle is None:
            _check_measured(objective)
        elif objective.bound is not None:
            low, high = span_of(oracle)
            reached = high if objective.direction == "at_least" else low
            if not objective.admits(reached):
                raise UsageError(
                    f"no molecule has {objective}: {objective.name} goes from {low:g} to {high:g}"
                )


def _check_measured(objective: Objective) -> None:
    parts = OracleText.read(objective.name)
    if parts.name in SHAPES:
        inner = parts
        while inner.name in SHAPES:
            inner = OracleText.read(inner.argument)
        if inner.name not in known_oracles() and not OWN.fullmatch(str(inner)):
            raise UsageError(
                f"'{objective.name}' is a desirability of '{inner}', which molvae does not compute",
                hint=f"For something that is measured, bound the measurement itself: at least {inner}=LOW, "
                f"at most {inner}=HIGH.",
            )
        return
    lowered = {name.lower(): name for name in known_oracles()}
    meant = lowered.get(parts.name.lower())
    if meant is not None and meant != parts.name:
        raise UsageError(
            f"'{objective.name}' is not computed by molvae, '{meant}' is",
            hint=f"Write '{OracleText(meant, parts.options, parts.argument)}'; or, if you measure it, give "
            "your measurement another name.",
        )
