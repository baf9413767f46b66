"""`molvae status` and `molvae info`: progress and contents of runs, campaigns, screens and models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from molvae.cli import options, results, screening
from molvae.cli.output import facts_text
from molvae.errors import UsageError
from molvae.persistence import locations

if TYPE_CHECKING:
    from collections.abc import Callable

    from molvae.cli.output import Session

_SHOWN = 5


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@options.path("--picture", text="Draw learning curves or progress (.png .svg).", metavar="FILE", dirs=False)
@options.common()
def status_command(session: Session, path: Path, picture: Path | None) -> None:
    """Show the progress of PATH: the directory of a training run, a campaign or a screen.

    Another process may be working on it.

    \b
    Examples:
      molvae status run
      molvae status better --picture progress.png
    """
    kind = locations.kind_of(path)
    if kind == "run":
        facts, text = _run_status(path, picture)
    elif kind == "campaign":
        facts, text = _campaign_status(path, picture)
    elif kind == "screen":
        if picture is not None:
            raise UsageError("a screen has no picture", hint=f"molvae report {path} -o screen.html")
        facts, text = screening.standing(path)
    else:
        raise UsageError(
            f"{path} is a {kind}, which has no progress", hint=f"'molvae info {path}' shows what it holds."
        )
    if picture is not None:
        facts["picture"] = picture
        text += f"\npicture  {picture}\n"
    session.report(facts, text)


def _run_status(path: Path, picture: Path | None) -> tuple[dict[str, Any], str]:
    from molvae.config import load_settings
    from molvae.persistence.files import reading
    from molvae.progress import read_events
    from molvae.reporting.figures import draw_learning_curves
    from molvae.training.config import TrainSettings

    metrics = path / locations.METRICS
    epochs = read_events(metrics, "epoch") if metrics.is_file() else []
    written = path / locations.SETTINGS
    wanted = load_settings(TrainSettings, written, stored=True).epochs if written.is_file() else None
    last = epochs[-1] if epochs else {}
    with reading(metrics):
        best = min(epochs, key=lambda record: float(record["loss"])) if epochs else {}
    facts = {
        "kind": "run",
        "path": path,
        "epochs_done": len(epochs),
        "epochs_wanted": wanted,
        "steps": last.get("step"),
        "model": path / locations.MODEL if (path / locations.MODEL).is_dir() else None,
        "best_epoch": best.get("epoch"),
        "validation_of_best": best.get("valid", {}),
    }
    if picture is not None:
        draw_learning_curves(metrics, picture)
    return facts, facts_text(facts)


def _campaign_status(path: Path, picture: Path | None) -> tuple[dict[str, Any], str]:
    from molvae.campaign.campaign import Campaign
    from molvae.campaign.objectives import wanted as named
    from molvae.campaign.runner import move_reports
    from molvae.reporting.figures import draw_progress

    with Campaign.open(locations.journal_file(path), writable=False) as campaign:
        settings, table, best = campaign.settings, campaign.table(), campaign.best(10)
        called = [row for row in table if row.call is not None]
        facts = {
            "kind": "campaign",
            "path": path,
            "wanted": [str(objective) for objective in named(settings.objectives)],
            "method": settings.method,
            "proposals": settings.proposals,
            "calls": campaign.n_calls,
            "budget": settings.budget,
            "awaited": len(campaign.pending),
            "failed": sum(not any(s and s.is_measured for s in row.scores) for row in called),
        }
        moves = move_reports(table, campaign.history.state)
    if picture is not None:
        draw_progress(settings, table, picture)
    text = facts_text(facts)
    if table:
        text += "\n" + results.summary_text(settings, best, table) + results.moves_text(moves)
    facts["start_and_found"] = results.comparison(settings, table)
    facts["best"] = results.row_facts(best, settings.objectives)
    facts["sources"] = results.move_facts(moves)
    return facts, text


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@options.common()
def info_command(session: Session, path: Path) -> None:
    """Describe PATH: a checkpoint (or run), a corpus, a campaign, or a screen.

    Checkpoints and corpora are verified: the sha256 of every file is checked.

    \b
    Examples:
      molvae info checkpoints/zinc250k
      molvae info corpus
      molvae info better --json
    """
    path = locations.named(path)
    kind = locations.kind_of(path)
    describe: dict[str, Callable[[Path], dict[str, Any]]] = {
        "corpus": _corpus,
        "campaign": _campaign,
        "screen": lambda place: screening.standing(place)[0],
    }
    own = describe.get(kind, _model)(path)
    session.report({"kind": "model" if kind == "run" else kind, "path": path, **own})


def _model(path: Path) -> dict[str, Any]:
    from molvae.latent.codec import MolVAE

    place = locations.model_directory(path)
    model = MolVAE.load(place, device="cpu")
    size = sum(file.stat().st_size for file in place.iterdir() if file.is_file())
    return {
        **model.facts(),
        "tokens": len(model.tokenizer.vocabulary),
        "size_on_disk": f"{size / 1e6:.1f} MB",
        "sha256": "every file as its manifest says",
    }


def _corpus(path: Path) -> dict[str, Any]:
    import numpy as np

    from molvae.data.corpus import Corpus

    corpus = Corpus.open(path)
    observed = np.isfinite(corpus.labels).sum(axis=0).tolist()
    return {
        "molecules": len(corpus),
        "parts": dict(corpus.balance.parts),
        "balance": str(corpus.balance),
        "tokenizer": corpus.settings.tokenizer,
        "vocabulary": len(corpus.vocabulary),
        "longest": int(corpus.lengths.max()),
        "mean_length": float(corpus.lengths.mean()),
        "values_known": dict(zip(corpus.property_names, observed, strict=True)),
        "first": corpus.smiles(range(min(_SHOWN, len(corpus)))),
    }


def _campaign(path: Path) -> dict[str, Any]:
    from molvae.campaign.campaign import Campaign

    with Campaign.open(locations.journal_file(path), writable=False) as campaign:
        history = campaign.history
        sources: dict[str, int] = {}
        for row in campaign.table():
            sources[row.source] = sources.get(row.source, 0) + 1
        return {
            "wanted": [str(objective) for objective in campaign.settings.objectives],
            "start_molecules": len(history.start),
            "refused_start": len(history.facts.get("refused", [])),
            "molecules": len(history.trials),
            "by_source": sources,
            "batches": history.n_asks,
            "calls": campaign.n_calls,
            "seconds_searching": round(history.seconds, 1),
            "settings": campaign.settings.model_dump(mode="json", exclude_none=True),
        }
