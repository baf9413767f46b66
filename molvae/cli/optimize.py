"""`molvae optimize`: search for molecules with the wanted properties."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from molvae.campaign.config import CampaignSettings
from molvae.cli import campaigns, fields, measurements, objectives, options, places
from molvae.errors import OracleError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from molvae.cli.output import Session
    from molvae.progress import Progress


@click.command(cls=fields.SettingsCommand, settings=CampaignSettings)
@click.argument("checkpoint", type=click.Path(path_type=Path))
@options.output(rows=False, required=True, meaning="Directory of the campaign: journal, tables, pictures.")
@objectives.objective_options()
@objectives.trust_option()
@fields.option(CampaignSettings, "budget", metavar="N")
@fields.option(CampaignSettings, "q", "-q", metavar="N")
@fields.option(CampaignSettings, "seed", metavar="N")
@fields.option(CampaignSettings, "method")
@objectives.gate_options()
@objectives.sources_option()
@click.option(
    "--start",
    multiple=True,
    metavar="FILE|SMILES|CAMPAIGN",
    help="Molecules to begin with; columns called like objectives are known scores, not charged. Repeatable. "
    "Default: drawn by the model.",
)
@options.columns()
@click.option(
    "--retry-failed", is_flag=True, help="Score again what oracles failed on; it is not charged again."
)
@click.option("--known-scores", is_flag=True, hidden=True, help="Needs no saying any more.")
@click.option(
    "--tracker",
    multiple=True,
    metavar="NAME",
    help="Follow the search in tensorboard, mlflow, wandb, or one that is registered; repeatable.",
)
@click.option(
    "--table",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    callback=options.known_suffix,
    help="Also write all molecules here, by suffix.",
)
@options.device()
@fields.config()
@options.common(quiet=("--quiet",))
@options.pass_session
def command(
    session: Session,
    /,
    checkpoint: Path,
    output: Path,
    start: tuple[str, ...],
    smiles_column: str | None,
    id_column: str | None,
    retry_failed: bool,
    known_scores: bool,  # noqa: ARG001 - accepted as before
    tracker: tuple[str, ...],
    table: Path | None,
    device: str,
    config: Path | None,
    assignments: tuple[str, ...],
    maximize: tuple[str, ...],
    minimize: tuple[str, ...],
    at_most: tuple[tuple[str, float], ...],
    at_least: tuple[tuple[str, float], ...],
    keep: tuple[str, ...],
    sources: tuple[tuple[str, float], ...],
    trust: bool,
    **given: Any,
) -> None:
    """Search the latent space of CHECKPOINT for molecules that are good at what you name.

    A NAME is a descriptor (qed, logp, sa, tpsa, mw, ...), similarity:SMILES, isomers:FORMULA, predicted_X for
    a property X that the model predicts, a desirability like gaussian[2,0.5]:logp, several of these as
    mpo:FILE.toml, a published objective (osimertinib_mpo, ...), or a function of your own as module:function
    or path/to/file.py:function; 'molvae oracles' lists them. The budget counts molecules that are really
    scored; invalid and repeated ones are free. Every score is kept in the journal: the same command goes on
    after a stop, and with a larger --budget it goes further.

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
    The directory holds journal.sqlite, settings.toml, molecules.csv, best.sdf,
    best.png, progress.png, front.png when there are two goals, and poses.sdf
    when a docking keeps its poses.
    """
    from molvae.campaign.begun_with import remember_checkpoint
    from molvae.campaign.campaign import Campaign
    from molvae.campaign.contradictions import check_objectives
    from molvae.campaign.known import KnownScores
    from molvae.campaign.runner import needed_oracles, run
    from molvae.config import save_settings
    from molvae.latent.codec import MolVAE

    output = places.room_for(output, "campaign")
    wanted = objectives.as_settings(maximize, minimize, at_most, at_least, keep)
    given["sources"] = dict(sources) or None
    campaigns.read_neighborhoods(given, session)
    settings = campaign_settings(output, wanted, given, config, assignments)
    check_objectives(settings.objectives)
    named = objectives.named(wanted, settings.objectives, assignments)
    oracles = needed_oracles(KnownScores(settings.objectives), {}, named=named, trust=trust)
    molecules = measurements.read_start(
        start,
        settings.objectives,
        session,
        smiles_column=smiles_column,
        id_column=id_column,
    )
    model = MolVAE.load(places.checkpoint(checkpoint), device=device)
    with Campaign.create(output / places.JOURNAL, model, settings, start=molecules) as campaign:
        settings = campaign.settings  # what nobody set is as it was when the campaign began
        save_settings(settings, output / campaigns.SETTINGS)
        remember_checkpoint(output, places.checkpoint(checkpoint))
        with session.progress() as progress, _tracked(progress, tracker, output, settings) as listener:
            result = run(campaign, oracles, retry_failed=retry_failed, progress=listener)
        best = campaign.best(campaigns.PICTURED)
        why = campaigns.why_so_few(campaign)
    campaigns.write_table(output / "molecules.csv", result.table, campaign.history)
    campaigns.write_table(output / "best.sdf", best, campaign.history)
    poses = campaigns.write_poses(output / "poses.sdf", settings, best)
    if table is not None:
        campaigns.write_table(table, result.table, campaign.history)
    drawn = campaigns.draw(output, settings, result.table, best)
    if not result.spent:
        session.note(f"stopped after {result.n_calls} calls: {why}")
    facts = {
        "calls": result.n_calls,
        "failed": result.n_failed,
        "seconds_searching": round(result.seconds_searching, 2),
        "seconds_scoring": round(result.seconds_scoring, 2),
        "start_and_found": campaigns.comparison(settings, result.table),
        "best": campaigns.row_facts(best, settings.objectives),
        "sources": campaigns.move_facts(result.moves),
        "molecules": output / "molecules.csv",
        **poses,
        **drawn,
    }
    text = campaigns.summary_text(settings, result.best, result.table) + campaigns.moves_text(result.moves)
    places_text = "\n".join(
        f"{name:<10} {path}"
        for name, path in {"molecules": output / "molecules.csv", **poses, **drawn}.items()
    )
    session.report(facts, f"{text}\n{places_text}")
    if 0 < result.n_calls == result.n_failed:
        last = max((row for row in result.table if row.call is not None), key=lambda row: row.call or 0)
        raise OracleError(
            f"none of the {result.n_calls} calls gave a number; the last: "
            + objectives.trouble_of(last.scores),
            hint="Repair the oracle ('molvae oracle check' looks into it), and begin in another directory.",
        )


@contextlib.contextmanager
def _tracked(
    progress: Progress, names: tuple[str, ...], directory: Path, settings: CampaignSettings
) -> Iterator[Progress]:
    """The same listener, with trackers that hear how the search stands."""
    from molvae.campaign.runner import TASK
    from molvae.progress import Tee
    from molvae.tracking import TrackedProgress, Trackers

    if not names:
        yield progress
        return
    trackers = Trackers(names, progress)
    trackers.begin(directory, settings.model_dump(mode="json"))
    try:
        yield Tee(progress, TrackedProgress(trackers, TASK))
    finally:
        trackers.close()


def campaign_settings(
    directory: Path,
    wanted: list[dict[str, Any]],
    given: dict[str, Any],
    config: Path | None,
    assignments: tuple[str, ...],
) -> CampaignSettings:
    """Settings from the command line; without objectives, those of the campaign that is in `directory`."""
    written = directory / campaigns.SETTINGS
    if not wanted and config is None and written.is_file():
        config = written
    if not wanted and config is None and not any(a.startswith("objectives") for a in assignments):
        raise UsageError(
            "nothing is wanted: give at least one of --maximize and --minimize",
            hint="For example: --maximize qed --at-most sa=3.5",
        )
    from molvae.campaign.parts import unfolded

    return unfolded(
        fields.build(
            CampaignSettings, {**given, "objectives": wanted or None}, config=config, assignments=assignments
        )
    )
