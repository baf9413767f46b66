"""`molvae ask`: the next molecules to make and measure, as a file."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from molvae.campaign.config import CampaignSettings
from molvae.campaign.doubts import doubts
from molvae.cli import campaigns, fields, measurements, objectives, options, places
from molvae.cli.optimize import campaign_settings
from molvae.data.writers import Column
from molvae.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.campaign.batch import Candidates
    from molvae.campaign.campaign import Campaign
    from molvae.campaign.known import KnownScores
    from molvae.campaign.observations import Candidate
    from molvae.cli.output import Session
    from molvae.latent.codec import MolVAE


@click.command(cls=fields.SettingsCommand, settings=CampaignSettings)
@click.argument("campaign", type=click.Path(path_type=Path))
@click.option(
    "-n", "n", type=click.IntRange(1), metavar="N", help="How many molecules.  [default: q of the campaign]"
)
@options.output(
    page=True,
    meaning="Write the batch here (.csv .parquet .smi .sdf .jsonl, or .html to look at); default: stdout.",
)
@click.option(
    "--pending", is_flag=True, help="Ask for nothing new: write the molecules that are still awaited."
)
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The model; needed to begin, found again later.",
)
@objectives.objective_options()
@fields.option(CampaignSettings, "budget", metavar="N")
@fields.option(CampaignSettings, "seed", metavar="N")
@fields.option(CampaignSettings, "method")
@objectives.gate_options()
@objectives.sources_option()
@click.option(
    "--start",
    multiple=True,
    metavar="FILE|SMILES|CAMPAIGN",
    help="Molecules to begin with; columns called like objectives are known scores, not charged. The "
    "directory of another campaign brings what was measured in it. Repeatable.",
)
@options.columns()
@click.option("--known-scores", is_flag=True, hidden=True, help="Needs no saying any more.")
@options.device()
@fields.config()
@options.common()
@options.pass_session
def command(
    session: Session,
    /,
    campaign: Path,
    n: int | None,
    output: Path | None,
    pending: bool,
    checkpoint: Path | None,
    start: tuple[str, ...],
    smiles_column: str | None,
    id_column: str | None,
    known_scores: bool,  # noqa: ARG001 - accepted as before
    device: str,
    config: Path | None,
    assignments: tuple[str, ...],
    maximize: tuple[str, ...],
    minimize: tuple[str, ...],
    at_most: tuple[tuple[str, float], ...],
    at_least: tuple[tuple[str, float], ...],
    keep: tuple[str, ...],
    sources: tuple[tuple[str, float], ...],
    **given: Any,
) -> None:
    """Ask CAMPAIGN (a directory) which molecules to make and measure next.

    The first time, name the model and what you want; an objective may be anything you measure. Later,
    'molvae ask CAMPAIGN' is enough. Fill the empty columns of the file in, in part or in whole, and bring
    it back with 'molvae tell', days later if need be. What molvae can compute itself is filled in already.

    \b
    Examples:
      molvae ask assay --checkpoint checkpoints/zinc250k --maximize potency \\
          --at-most logp=4 --start measured.csv -n 24 -o batch1.csv
      molvae tell assay batch1.csv
      molvae ask assay -n 24 -o batch2.csv
      molvae ask assay --pending -o again.csv
    """
    from molvae.campaign.begun_with import remember_checkpoint
    from molvae.campaign.campaign import Campaign
    from molvae.config import save_settings

    journal = places.journal(campaign)
    directory = journal.parent if journal.is_file() else places.room_for(journal.parent, "campaign")
    wanted = objectives.as_settings(maximize, minimize, at_most, at_least, keep)
    given["sources"] = dict(sources) or None
    campaigns.read_neighborhoods(given, session)
    if not journal.is_file() and not wanted and checkpoint is None and config is None and not assignments:
        raise UsageError(
            f"there is no campaign at {campaign} yet",
            hint="To begin one, name a model and what you measure: --checkpoint DIR --maximize potency",
        )
    changed = wanted or start or config or assignments or any(v is not None for v in given.values())
    model: MolVAE | None = None
    if not journal.is_file() or changed:
        settings = campaign_settings(directory, wanted, given, config, assignments)
        molecules = measurements.read_start(
            start,
            settings.objectives,
            session,
            smiles_column=smiles_column,
            id_column=id_column,
        )
        if checkpoint is None and not journal.is_file():
            raise UsageError("a new campaign needs a model", hint="Give it with --checkpoint.")
        model = campaigns.load_model(directory, checkpoint, device)
        opened = Campaign.create(journal, model, settings, start=molecules)
    else:
        model = None if pending else campaigns.load_model(directory, checkpoint, device)
        opened = campaigns.opened(journal) if pending else Campaign.open(journal, model)
    with opened:
        save_settings(opened.settings, directory / campaigns.SETTINGS)
        if checkpoint is not None:
            remember_checkpoint(directory, places.checkpoint(checkpoint))
        if output is not None and not options.is_page(output):
            measurements.refuse_filled(output, opened.asked)
        deliver = partial(_deliver, session, output, opened)
        candidates = opened.pending if pending else opened.ask(n, deliver=deliver)
        if pending or not candidates:
            deliver(candidates)
        _tell_about(session, opened, candidates, n, output)


def _deliver(session: Session, output: Path | None, opened: Campaign, handed: Sequence[Candidate]) -> None:
    """The batch as rows, or as a page to be looked at."""
    candidates = _with_forecasts(opened, handed)
    if output is not None and options.is_page(output):
        from molvae.reporting.batch_report import batch_report
        from molvae.reporting.report import write_report

        write_report(batch_report(candidates, opened.history, output.stem), output, "campaign")
        return
    columns = [
        Column(name, "smiles" if name in {"smiles", "parent"} else campaigns.kind_of_column(values))
        for name, values in candidates.columns.items()
    ]
    with session.rows(output, columns) as writer:
        for row in zip(*candidates.columns.values(), strict=True):
            writer.write(list(row))


def _with_forecasts(opened: Campaign, candidates: Sequence[Candidate]) -> Candidates:
    """The batch, with what is expected of those no surrogate chose, too."""
    from molvae.campaign.batch import Candidates
    from molvae.campaign.observations import Forecast

    forecasts = opened.predict([candidate.smiles for candidate in candidates])
    whole = [
        replace(c, forecast=f) if c.forecast is None and isinstance(f, Forecast) else c
        for c, f in zip(candidates, forecasts, strict=True)
    ]
    return Candidates(whole, opened.history)


def _division_of_labor(known: KnownScores) -> str:
    """Which objectives are computed and which are awaited, in one line."""
    names = [name for name, _ in objectives.distinct_columns(known.objectives)]
    computed = [name for name in names if known.is_computed(name)]
    awaited = [name for name in names if name not in computed]
    told = f"computed: {', '.join(computed)}; " if computed else ""
    return f"{told}expected from you: {', '.join(awaited) or 'nothing'}"


def _tell_about(
    session: Session, opened: Campaign, candidates: Sequence[Candidate], n: int | None, output: Path | None
) -> None:
    waiting = len(opened.pending)
    session.note(_division_of_labor(opened.history.known))
    for doubt in doubts(opened.table(), opened.settings.objectives):
        session.note(doubt)
    session.wrote(
        output, {"molecules": len(candidates), "awaited_in_all": waiting, "left_to_ask_for": opened.remaining}
    )
    if not candidates and opened.remaining == 0:
        session.note(f"the budget of {opened.settings.budget} is handed out; a larger --budget goes on")
    elif n is not None and len(candidates) < n:
        why = "the budget leaves" if opened.remaining == 0 else "the search found"
        session.note(f"{n} were asked for; {why} {len(candidates)}")
    if len(candidates) < (n or 1) and opened.remaining:
        session.note(campaigns.why_so_few(opened))
