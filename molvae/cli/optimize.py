"""`molvae optimize`: search for molecules with the wanted properties."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from molvae.campaign.config import CampaignSettings
from molvae.cli import campaigns, fields, options, results
from molvae.errors import OracleError
from molvae.oracles.base import trouble_of
from molvae.persistence import locations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from molvae.cli.measurements import Start
    from molvae.cli.output import Session
    from molvae.progress import Progress


@click.command(cls=fields.SettingsCommand, settings=CampaignSettings)
@click.argument("checkpoint", type=click.Path(path_type=Path))
@options.directory("Directory of the campaign: journal, tables, pictures.", required=True)
@campaigns.search_options(options.trust(), fields.option(CampaignSettings, "q", "-q", metavar="N"))
@click.option("--retry-failed", is_flag=True, help="Score failed molecules again, without charge.")
@options.several(
    "--tracker", text="Experiment tracker: tensorboard, mlflow, wandb, or a registered one", metavar="NAME"
)
@options.path(
    "--table",
    text="Also write the table of all molecules here, in the format of its suffix.",
    metavar="FILE",
    dirs=False,
    callback=options.known_suffix,
)
@options.device()
@fields.config()
@options.common(quiet=("--quiet",))
def optimize_command(
    session: Session,
    /,
    checkpoint: Path,
    output: Path,
    wanted: list[dict[str, Any]],
    given: fields.Given[CampaignSettings],
    start: Start,
    trust: bool,
    retry_failed: bool,
    tracker: tuple[str, ...],
    table: Path | None,
    device: str,
) -> None:
    """Search the latent space of the model CHECKPOINT for molecules that meet your objectives.

    A NAME is a descriptor (qed, logp, sa, tpsa, mw, ...), similarity:SMILES, isomers:FORMULA, predicted_X for
    a property X that the model predicts, a desirability like gaussian[2,0.5]:logp, several of these as
    mpo:FILE.toml, a published objective (osimertinib_mpo, ...), or a function of your own as module:function
    or path/to/file.py:function; 'molvae oracles' lists them. The budget counts unique molecules that are
    scored; invalid and repeated ones are free. All scores are kept in the journal: the same command resumes
    after a stop, and continues with a larger --budget.

    \b
    Examples:
      molvae optimize checkpoints/zinc250k --maximize qed -o better
      molvae optimize checkpoints/zinc250k --maximize qed --at-most sa=3 \\
          --start mine.csv --budget 300 -q 8 --seed 7 -o better
      molvae optimize run --maximize similarity:CC(=O)Nc1ccc(O)cc1 \\
          --minimize logp -o two-goals
      molvae optimize run --maximize mpo:mine.toml --at-most sa=4 -o mine
      molvae optimize run --maximize docking.py:score --budget 100 -q 4 -o docked

    \b
    The directory has journal.sqlite, settings.toml, molecules.csv, best.sdf,
    best.png, progress.png, front.png for two goals, and poses.sdf if a docking
    keeps its poses.
    """
    from molvae.campaign.campaign import Campaign
    from molvae.campaign.objectives import KnownScores, check_objectives
    from molvae.campaign.runner import needed_oracles, run
    from molvae.config import save_settings
    from molvae.latent.codec import MolVAE

    output = locations.output_directory(output, "campaign")
    settings = campaigns.settings_of(output, wanted, given, session)
    check_objectives(settings.objectives)
    named = campaigns.named(wanted, settings.objectives, given.assignments)
    oracles = needed_oracles(KnownScores(settings.objectives), {}, named=named, trust=trust)
    molecules = start.read(settings.objectives, session)
    checkpoint = locations.model_directory(checkpoint)
    model = MolVAE.load(checkpoint, device=device)
    with Campaign.create(output / locations.JOURNAL, model, settings, start=molecules) as campaign:
        settings = campaign.settings  # with the defaults at the time the campaign began
        save_settings(settings, output / locations.SETTINGS)
        locations.remember_checkpoint(output, checkpoint)
        with session.progress() as progress, _tracked(progress, tracker, output, settings) as listener:
            result = run(campaign, oracles, retry_failed=retry_failed, progress=listener)
        best = campaign.best(results.PICTURED)
        why = campaigns.why_so_few(campaign)
    tables = [(output / "molecules.csv", result.table), (output / "best.sdf", best)]
    for target, rows in tables if table is None else [*tables, (table, result.table)]:
        results.write_table(session, target, rows, campaign.history)
    files = {
        "molecules": output / "molecules.csv",
        **results.write_poses(output / "poses.sdf", settings, best),
        **results.draw(output, settings, result.table, best),
    }
    if not result.spent:
        session.note(f"stopped after {result.n_calls} calls: {why}")
    facts = {
        "calls": result.n_calls,
        "failed": result.n_failed,
        "seconds_searching": round(result.seconds_searching, 2),
        "seconds_scoring": round(result.seconds_scoring, 2),
        "start_and_found": results.comparison(settings, result.table),
        "best": results.row_facts(best, settings.objectives),
        "sources": results.move_facts(result.moves),
        **files,
    }
    text = results.summary_text(settings, result.best, result.table) + results.moves_text(result.moves)
    session.report(facts, "\n".join([text, *(f"{name:<10} {path}" for name, path in files.items())]))
    if 0 < result.n_calls == result.n_failed:
        last = max((row for row in result.table if row.call is not None), key=lambda row: row.call or 0)
        raise OracleError(
            f"none of the {result.n_calls} calls gave a number; the last: " + trouble_of(last.scores),
            hint="Test the oracle with 'molvae oracles check', fix it, and start in another directory.",
        )


@contextlib.contextmanager
def _tracked(
    progress: Progress, names: tuple[str, ...], directory: Path, settings: CampaignSettings
) -> Iterator[Progress]:
    """The same listener, which also reports to trackers."""
    from molvae.campaign.runner import TASK
    from molvae.tracking import TrackedProgress, Trackers

    if not names:
        yield progress
        return
    trackers = Trackers(names, progress)
    trackers.begin(directory, settings.model_dump(mode="json"))
    try:
        yield TrackedProgress(trackers, TASK, progress)
    finally:
        trackers.close()
