"""`molvae status`: how far a run, a campaign or a screen is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from molvae.cli import campaigns, options, places, screening
from molvae.cli.output import facts_text
from molvae.errors import UsageError

if TYPE_CHECKING:
    from molvae.cli.output import Session


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Draw learning curves or progress here (.png .svg).",
)
@options.common()
@options.pass_session
def command(session: Session, path: Path, picture: Path | None) -> None:
    """Show how far PATH is: the directory of a training run, a campaign or a screen.

    It may be looked at while another process works on it.

    \b
    Examples:
      molvae status run
      molvae status better --picture progress.png
    """
    kind = places.kind_of(path)
    if kind == "run":
        facts, text = _run(path, picture)
    elif kind == "campaign":
        facts, text = _campaign(path, picture)
    elif kind == "screen":
        if picture is not None:
            raise UsageError("a screen has no picture", hint=f"molvae report {path} -o screen.html")
        facts, text = screening.standing(path)
    else:
        raise UsageError(
            f"{path} is a {kind}, which is finished", hint=f"'molvae info {path}' shows what it holds."
        )
    if picture is not None:
        facts["picture"] = picture
        text += f"\npicture  {picture}\n"
    session.report(facts, text)


def _run(path: Path, picture: Path | None) -> tuple[dict[str, Any], str]:
    from molvae.config import load_settings
    from molvae.persistence.files import reading
    from molvae.progress import read_events
    from molvae.reporting.figures import draw_learning_curves
    from molvae.training.config import TrainSettings

    metrics = path / places.METRICS
    epochs = read_events(metrics, "epoch") if metrics.is_file() else []
    written = path / "settings.toml"
    wanted = load_settings(TrainSettings, written).epochs if written.is_file() else None
    last = epochs[-1] if epochs else {}
    with reading(metrics):
        best = min(epochs, key=lambda record: float(record["loss"])) if epochs else {}
    facts = {
        "kind": "run",
        "path": path,
        "epochs_done": len(epochs),
        "epochs_wanted": wanted,
        "steps": last.get("step"),
        "model": path / places.MODEL if (path / places.MODEL).is_dir() else None,
        "best_epoch": best.get("epoch"),
        "validation_of_best": best.get("valid", {}),
    }
    if picture is not None:
        draw_learning_curves(metrics, picture)
    return facts, facts_text(facts)


def _campaign(path: Path, picture: Path | None) -> tuple[dict[str, Any], str]:
    from molvae.campaign.campaign import Campaign
    from molvae.campaign.parts import wanted as named
    from molvae.campaign.sources.report import move_reports
    from molvae.reporting.figures import draw_progress

    with Campaign.open(places.journal(path), writable=False) as campaign:
        settings, table, best = campaign.settings, campaign.table(), campaign.best(10)
        facts = {
            "kind": "campaign",
            "path": path,
            "wanted": [str(objective) for objective in named(settings.objectives)],
            "method": settings.method,
            "proposals": settings.proposals,
            "calls": campaign.n_calls,
            "budget": settings.budget,
            "awaited": len(campaign.pending),
            "failed": sum(
                not any(s and s.is_measured for s in row.scores) for row in table if row.call is not None
            ),
        }
        moves = move_reports(table, campaign.history.state)
    if picture is not None:
        draw_progress(settings, table, picture)
    text = facts_text(facts)
    if table:
        text += "\n" + campaigns.summary_text(settings, best, table) + campaigns.moves_text(moves)
    facts["start_and_found"] = campaigns.comparison(settings, table)
    facts["best"] = campaigns.row_facts(best, settings.objectives)
    facts["sources"] = campaigns.move_facts(moves)
    return facts, text
