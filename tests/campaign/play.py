"""A whole campaign in one call, with custom oracles under any name and the journal in any file."""

from molvae.campaign.campaign import Campaign
from molvae.campaign.config import CampaignSettings
from molvae.campaign.objectives import KnownScores, unfolded
from molvae.campaign.runner import needed_oracles, run
from molvae.oracles.config import Objective
from molvae.oracles.config import objectives as values_of_objectives
from molvae.progress import SILENT

_OBJECTIVES = ("maximize", "minimize", "at_most", "at_least", "keep")


def objectives(*, at_most=None, at_least=None, **goals):
    """Objectives from the keywords of a search; bounds by name."""
    bounds = {"at_most": (at_most or {}).items(), "at_least": (at_least or {}).items()}
    return tuple(Objective(**values) for values in values_of_objectives(**goals, **bounds))


def optimize(model, *, output, start=(), oracles=None, trust=False, progress=SILENT, **words):
    """Run a campaign from settings and objectives."""
    wanted = objectives(**{name: words.pop(name) for name in _OBJECTIVES if name in words})
    settings = unfolded(CampaignSettings(objectives=wanted, **words))
    named = [objective.name for objective in wanted]
    loaded = needed_oracles(KnownScores(settings.objectives), oracles or {}, named=named, trust=trust)
    with Campaign.create(output, model, settings, start=start) as campaign:
        return run(campaign, loaded, progress=progress)
