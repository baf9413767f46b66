"""Shared by searches and screens: options of objectives and bounds, settings, opening a campaign."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from molvae.campaign.config import CampaignSettings
from molvae.cli import fields, inputs
from molvae.cli.measurements import start_options
from molvae.cli.options import bundled, stacked
from molvae.errors import InputError, UsageError
from molvae.oracles.config import objectives
from molvae.persistence import locations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from molvae.campaign.campaign import Campaign
    from molvae.cli.options import Decorator
    from molvae.cli.output import Session
    from molvae.latent.codec import MolVAE
    from molvae.oracles.config import Objective


class Bound(click.ParamType):  # type: ignore[type-arg]  # generic only in the newest click
    """`NAME=value`, split at the last equals sign, as a SMILES may contain some.

    Args:
        name: Its syntax, for help.
        example: For the error message.
        above: The value must be above this.
        default: The value of NAME alone; by default a value is required.
    """

    def __init__(
        self,
        name: str = "NAME=value",
        example: str = "sa=3.5",
        *,
        above: float = -math.inf,
        default: float | None = None,
    ) -> None:
        self.name = name
        self.example, self.above, self.default = example, above, default

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        """Name and number."""
        name, equals, text = str(value).rpartition("=")
        if not equals and self.default is not None:
            name, text = text, str(self.default)
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not name or not self.above < number < math.inf:
            message = f"expected {self.name} with a number, for example {self.example}, got '{value}'"
            self.fail(message, param, ctx)
        return name, number


def sources_option() -> Decorator:
    """`--source`."""

    def gathered(_ctx: click.Context, _param: click.Parameter, value: Any) -> dict[str, float] | None:
        return dict(value) or None

    shares = CampaignSettings.model_fields["sources"].default.items()
    return click.option(
        "--source",
        "sources",
        multiple=True,
        type=Bound("NAME[=share]", "latent=0.5", above=0.0, default=1.0),
        callback=gathered,
        help="Source of candidates: latent, graph, library (your --start molecules), with its initial share; "
        "repeatable. '--source latent' searches latent space only, '--source library' your own molecules "
        f"only.  [default: {', '.join(f'{name}={share:g}' for name, share in shares)}]",
    )


def gate_options() -> Decorator:
    """`--near`, `--novel`, `--wild` and `--in-domain`: constraints on proposals."""
    near = "Only molecules at least this similar to one in FILE (or to a SMILES)."
    novel = "Only molecules at most this similar to all in FILE."
    wild = "Also molecules with unstable groups, or with bonds or ring systems found in fewer than 1 in "
    wild += "10,000 training molecules and in none of --start."
    domain = "Only molecules in the model's applicability domain (requires 'molvae calibrate')."
    return stacked(
        click.option("--near", type=Bound("FILE=similarity"), help=near),
        click.option("--novel", type=Bound("FILE=similarity"), help=novel),
        click.option("--wild", is_flag=True, default=None, help=wild),
        click.option("--in-domain", is_flag=True, default=None, help=domain),
    )


def objective_options() -> Decorator:
    """`--maximize`, `--minimize`, `--at-most`, `--at-least` and `--keep`; reach the command as `wanted`."""
    goal = "Score to maximize; repeatable. 'molvae oracles' lists the names."
    keep = "Required core (SMARTS or SMILES), extended only at attachment points such as [*:1] if any; "
    keep += "repeatable."
    return bundled(
        "wanted",
        objectives,
        click.option("--maximize", multiple=True, metavar="NAME", help=goal),
        click.option("--minimize", multiple=True, metavar="NAME", help="Score to minimize; repeatable."),
        click.option("--at-most", multiple=True, type=Bound(), help="Upper bound of a score; repeatable."),
        click.option("--at-least", multiple=True, type=Bound(), help="Lower bound of a score; repeatable."),
        click.option("--keep", multiple=True, metavar="CORE", help=keep),
    )


def named(
    wanted: Sequence[dict[str, Any]], settings: Sequence[Objective], assignments: Sequence[str]
) -> set[str]:
    """Names of the objectives on the command line (options or --set), not only in a file."""
    if any(assignment.startswith("objectives") for assignment in assignments):
        return {objective.name for objective in settings if objective.direction != "part"}
    return {objective["name"] for objective in wanted}


def search_options(*more: Decorator) -> Decorator:
    """Objectives and settings of `optimize` and `ask`; `more` come after the objectives."""
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
    written = directory / locations.SETTINGS
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
    """The model of a campaign: the given checkpoint, or the recorded one."""
    from molvae.latent.codec import MolVAE

    if checkpoint is not None:
        return MolVAE.load(locations.model_directory(checkpoint), device=device)
    written = locations.remembered(directory)
    if written is None:
        raise UsageError(f"the campaign {directory} has no recorded model", hint="Give it with --checkpoint.")
    return MolVAE.load(written, device=device)


def opened(journal: Path, *, writable: bool = True) -> Campaign:
    """A campaign, with its model if that predicts an objective."""
    from molvae.campaign.campaign import Campaign

    campaign = Campaign.open(journal, writable=writable)
    if not campaign.history.known.needs_model:
        return campaign
    campaign.close()
    return Campaign.open(journal, load_model(journal.parent, None, "auto"), writable=writable)


def why_so_few(campaign: Campaign) -> str:
    """The reason why a search found fewer molecules than requested."""
    if not (turned_away := campaign.turned_away):
        return "nothing new was found; more --start molecules may help"
    most = sorted(turned_away.items(), key=lambda pair: -pair[1])
    counts = ", ".join(f"{bound} ({count:,})" for bound, count in most)
    return (
        f"molecules outside the bounds were not proposed: {counts}; "
        "wider bounds, or --start molecules within them, may help"
    )
