"""`molvae ask` and `molvae tell`: the next molecules to measure, and their results."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from molvae.campaign.config import CampaignSettings
from molvae.campaign.search.evidence import doubts
from molvae.cli import campaigns, fields, measurements, options, results
from molvae.errors import InputError, UsageError
from molvae.persistence import locations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from molvae.campaign.campaign import Campaign
    from molvae.campaign.objectives import KnownScores
    from molvae.campaign.observations import Candidate
    from molvae.campaign.table import Candidates
    from molvae.cli.measurements import Start
    from molvae.cli.output import Session


@click.command(cls=fields.SettingsCommand, settings=CampaignSettings)
@click.argument("campaign", type=click.Path(path_type=Path))
@options.integer("-n", "n", text="Number of molecules.  [default: q of the campaign]")
@options.output(
    "Output file (.csv .parquet .smi .sdf .jsonl, or a page .html).  [default: stdout]", page=True
)
@click.option("--pending", is_flag=True, help="Write the pending molecules again; propose no new ones.")
@options.path("--checkpoint", text="The model; required to begin, remembered later.", metavar="DIR")
@campaigns.search_options()
@options.device()
@fields.config()
@options.common()
def ask_command(
    session: Session,
    /,
    campaign: Path,
    n: int | None,
    output: Path | None,
    pending: bool,
    checkpoint: Path | None,
    wanted: list[dict[str, Any]],
    given: fields.Given[CampaignSettings],
    start: Start,
    device: str,
) -> None:
    """Propose the next molecules to make and measure in CAMPAIGN (a directory).

    The first call names the model and the objectives; an objective may be any measurement of yours. Later,
    'molvae ask CAMPAIGN' is enough. Fill in the empty columns of the file, all or some, and return it with
    'molvae tell' at any time. Computed objectives are filled in already.

    \b
    Examples:
      molvae ask assay --checkpoint checkpoints/zinc250k --maximize potency \\
          --at-most logp=4 --start measured.csv -n 24 -o batch1.csv
      molvae tell assay batch1.csv
      molvae ask assay -n 24 -o batch2.csv
      molvae ask assay --pending -o again.csv
    """
    from molvae.campaign.campaign import Campaign
    from molvae.config import save_settings

    journal = locations.journal_file(campaign)
    exists, described = journal.is_file(), bool(wanted or given.config or given.assignments)
    directory = journal.parent if exists else locations.output_directory(journal.parent, "campaign")
    if not exists and not described and checkpoint is None:
        raise UsageError(
            f"there is no campaign at {campaign} yet",
            hint="To begin one, give a model and the measured objective: --checkpoint DIR --maximize potency",
        )
    changed = bool(wanted or start.texts or given.any)
    if exists and pending and not changed:
        opened = campaigns.opened(journal)
    elif exists and not changed:
        opened = Campaign.open(journal, campaigns.load_model(directory, checkpoint, device))
    else:
        settings = campaigns.settings_of(directory, wanted, given, session)
        molecules = start.read(settings.objectives, session)
        if checkpoint is None and not exists:
            raise UsageError("a new campaign needs a model", hint="Give it with --checkpoint.")
        model = campaigns.load_model(directory, checkpoint, device)
        opened = Campaign.create(journal, model, settings, start=molecules)
    with opened:
        save_settings(opened.settings, directory / locations.SETTINGS)
        if checkpoint is not None:
            locations.remember_checkpoint(directory, locations.model_directory(checkpoint))
        if output is not None and not options.is_page(output):
            measurements.refuse_filled(output, opened.asked)
        deliver = partial(_deliver, session, output, opened)
        candidates = opened.pending if pending else opened.ask(n, deliver=deliver)
        if pending or not candidates:
            deliver(candidates)
        _ask_report(session, opened, candidates, n, output)


def _deliver(session: Session, output: Path | None, opened: Campaign, handed: Sequence[Candidate]) -> None:
    """Write the batch as rows, or as a page."""
    candidates = _with_forecasts(opened, handed)
    if output is not None and options.is_page(output):
        from molvae.reporting.batch_report import batch_report
        from molvae.reporting.report import write_report

        write_report(batch_report(candidates, opened.history, output.stem), output)
        return
    results.write_columns(session, output, candidates.columns)


def _with_forecasts(opened: Campaign, candidates: Sequence[Candidate]) -> Candidates:
    """The batch, with forecasts for all molecules, also those no surrogate chose."""
    from molvae.campaign.observations import Forecast
    from molvae.campaign.table import Candidates

    forecasts = opened.predict([candidate.smiles for candidate in candidates])
    whole = [
        replace(c, forecast=f) if c.forecast is None and isinstance(f, Forecast) else c
        for c, f in zip(candidates, forecasts, strict=True)
    ]
    return Candidates(whole, opened.history)


def _computed_and_measured(known: KnownScores) -> str:
    """The computed and the measured objectives, in one line."""
    names = list(dict.fromkeys(objective.name for objective in known.objectives))
    computed = [name for name in names if known.is_computed(name)]
    awaited = [name for name in names if name not in computed]
    first = f"computed: {', '.join(computed)}; " if computed else ""
    return f"{first}to be measured: {', '.join(awaited) or 'nothing'}"


def _ask_report(
    session: Session, opened: Campaign, candidates: Sequence[Candidate], n: int | None, output: Path | None
) -> None:
    waiting = len(opened.pending)
    session.note(_computed_and_measured(opened.history.known))
    for doubt in doubts(opened.table(), opened.settings.objectives):
        session.note(doubt)
    session.wrote(
        output, {"molecules": len(candidates), "awaited_in_all": waiting, "left_to_ask_for": opened.remaining}
    )
    if not candidates and opened.remaining == 0:
        session.note(f"the budget of {opened.settings.budget} is spent; continue with a larger --budget")
    elif n is not None and len(candidates) < n:
        why = "the budget leaves" if opened.remaining == 0 else "the search found"
        session.note(f"{n} were requested; {why} {len(candidates)}")
    if len(candidates) < (n or 1) and opened.remaining:
        session.note(campaigns.why_so_few(opened))


@click.command()
@click.argument("campaign", type=click.Path(path_type=Path))
@click.argument("files", nargs=-1, required=True, metavar="RESULTS...")
@options.several(
    "--column",
    "pairs",
    text="Column of an objective's values, if its header differs",
    metavar="OBJECTIVE=COLUMN",
)
@click.option("--correct", is_flag=True, help="Replace recorded values; the journal keeps the old ones.")
@options.columns()
@options.common()
def tell_command(
    session: Session,
    campaign: Path,
    files: tuple[str, ...],
    pairs: tuple[str, ...],
    correct: bool,
    columns: options.Columns,
) -> None:
    """Add measured results to CAMPAIGN: RESULTS are files with a column per objective, or - for stdin.

    Rows are matched by SMILES (salts and charged forms too) or by identifier, that of the batch or your own.
    An empty cell is pending; '>10000' and '<5' are bounds; 'failed', 'n.d.' and other words mean a
    failed measurement; 'cancelled' a molecule that will not be made, which is not charged. Several rows of
    one molecule are averaged. Rows of other molecules are used, and not charged.

    Results may be late, partial or repeated. A row that cannot be used is reported with its line and skipped.

    \b
    Examples:
      molvae tell assay batch1.csv
      molvae tell assay lims.csv --column potency=pIC50_mean
      molvae tell assay remeasured.csv --correct
    """
    with campaigns.opened(locations.journal_file(campaign)) as opened:
        names = [objective.name for objective in opened.settings.objectives]
        receipts = []
        for file in files:
            found = measurements.read_results(file, opened, pairs, session, columns)
            receipts.append(opened.tell(found, correct=correct))
            measurements.account(session, found, names, file)
        balances = [receipt.balance for receipt in receipts if receipt.balance is not None]
        n_rows, n_empty = sum(b.read for b in balances), sum(b.empty for b in balances)
        if n_rows > n_empty and not any(b.used for b in balances):
            raise InputError(f"none of the {n_rows} rows can be used")
        facts = {
            "rows": n_rows,
            "new": sum(receipt.accepted for receipt in receipts),
            "repeated": sum(receipt.repeated for receipt in receipts),
            "without_result": n_empty,
            "averaged": sum(b.averaged for b in balances),
            "unreadable": [line for b in balances for line in b.unreadable],
            "refused": [line for b in balances for line in b.refused],
            "notes": [line for b in balances for line in b.notes],
            "charged": sum(receipt.charged for receipt in receipts),
            "awaited": len(opened.pending),
            "best": results.row_facts(opened.best(5), opened.settings.objectives),
        }
        for doubt in doubts(opened.table(), opened.settings.objectives):
            session.note(doubt)
        session.report(facts, _tell_text(facts, opened))


def _tell_text(facts: Mapping[str, Any], opened: Campaign) -> str:
    text = (
        f"{facts['rows']} rows: {facts['new']} molecules with new results, {facts['repeated']} repeated, "
        f"{facts['without_result']} rows without a result, {len(facts['unreadable'])} unreadable, "
        f"{len(facts['refused'])} refused; {facts['awaited']} molecules still awaited\n"
    )
    best = results.best_text(opened.best(5), opened.settings.objectives)
    return f"{text}\n{best}" if best else text
