"""What the commands of a campaign share: options, settings, and opening it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molvae.campaign.config import CampaignSettings
from molvae.campaign.model import remembered
from molvae.cli import fields, inputs, places
from molvae.cli.measurements import start_options
from molvae.cli.objectives import gate_options, objective_options, sources_option
from molvae.cli.options import stacked
from molvae.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from molvae.campaign.campaign import Campaign
    from molvae.cli.options import Decorator
    from molvae.cli.output import Session
    from molvae.latent.codec import MolVAE

SETTINGS = "settings.toml"


def search_options(*more: Decorator) -> Decorator:
    """What `optimize` and `ask` search for, and how; `more` come after the objectives."""
    return stacked(
        objective_options(),
        *more,
        fields.option(CampaignSettings, "budget", metavar="N"),
        fields.option(CampaignSettings, "seed", metavar="N"),
        fields.option(CampaignSettings, "effort", metavar="X"),
        fields.option(CampaignSettings, "method"),
        gate_options(),
        sources_option(),
        start_options(),
    )


def settings_of(
    directory: Path, wanted: list[dict[str, Any]], given: fields.Given[CampaignSettings], session: Session
) -> CampaignSettings:
    """Settings from the command line; without objectives, those of the campaign in `directory`.

    Raises:
        InputError: A file of --near or --novel has no molecule.
        UsageError: There is no objective.
    """
    from molvae.campaign.objectives import unfolded

    near = _neighborhoods(given.options, session)
    written = directory / SETTINGS
    resumed = not wanted and written.is_file()
    in_set = any(assignment.startswith("objectives") for assignment in given.assignments)
    if not wanted and given.config is None and not resumed and not in_set:
        raise UsageError(
            "no objective given: give at least one of --maximize and --minimize",
            hint="For example: --maximize qed --at-most sa=3.5",
        )
    return unfolded(given.build(config=written if resumed else None, objectives=wanted or None, **near))


def _neighborhoods(given: Mapping[str, Any], session: Session) -> dict[str, Any]:
    """The molecules of `--near` and `--novel`; invalid ones are left out and counted."""
    from molvae.chemistry.molecule import is_valid
    from molvae.chemistry.standardize import standardize

    found = {}
    for word in ("near", "novel"):
        if given[word] is None:
            continue
        source, similarity = given[word]
        texts = [row.text for row in inputs.Arguments([source]).rows(session)]
        read = [molecule.smiles for text in texts if is_valid(molecule := standardize(text))]
        if not read:
            raise InputError(f"--{word} {source}: no molecule among {len(texts)} rows")
        if len(read) < len(texts):
            session.note(f"--{word} {source}: {len(texts) - len(read)} of {len(texts)} rows left out")
        found[word] = {"smiles": list(dict.fromkeys(read)), "similarity": similarity}
    return found


def load_model(directory: Path, checkpoint: Path | None, device: str) -> MolVAE:
    """The model of a campaign: the given checkpoint, or the one it was begun with."""
    from molvae.latent.codec import MolVAE

    if checkpoint is not None:
        return MolVAE.load(places.checkpoint(checkpoint), device=device)
    written = remembered(directory)
    if written is None:
        raise UsageError(
            f"the campaign {directory} does not say which model it uses", hint="Give it with --checkpoint."
        )
    return MolVAE.load(written, device=device)


def opened(journal: Path, *, writable: bool = True) -> Campaign:
    """A campaign, with its model where that predicts some of the objectives."""
    from molvae.campaign.campaign import Campaign

    campaign = Campaign.open(journal, writable=writable)
    if not campaign.history.known.needs_model:
        return campaign
    campaign.close()
    return Campaign.open(journal, load_model(journal.parent, None, "auto"), writable=writable)


def why_so_few(campaign: Campaign) -> str:
    """Why a search found fewer molecules than requested."""
    if not (turned_away := campaign.turned_away):
        return "nothing new was found; more --start molecules may help"
    most = sorted(turned_away.items(), key=lambda pair: -pair[1])
    counts = ", ".join(f"{bound} ({count:,})" for bound, count in most)
    return (
        f"molecules outside the bounds were not proposed: {counts}; "
        "wider bounds, or --start molecules within them, may help"
    )
