"""`molvae info`: what a checkpoint, corpus, campaign or screen holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from molvae.cli import options, places, screening
from molvae.cli.output import facts_text

if TYPE_CHECKING:
    from molvae.cli.output import Session

_SHOWN = 5


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@options.common()
@options.pass_session
def command(session: Session, path: Path) -> None:
    """Show what PATH holds: a checkpoint (or run), a corpus, a campaign, or a screen.

    Checkpoints and corpora are verified by the sha256 of every file on the way.

    \b
    Examples:
      molvae info checkpoints/zinc250k
      molvae info corpus
      molvae info better --json
    """
    path = places.named(path)
    kind = places.kind_of(path)
    describe = {"model": _model, "run": _model, "corpus": _corpus, "campaign": _campaign, "screen": _screen}[
        kind
    ]
    facts = {"kind": "model" if kind == "run" else kind, "path": path, **describe(path)}
    session.report(facts, facts_text(facts))


def _model(path: Path) -> dict[str, Any]:
    from molvae.latent.codec import MolVAE

    place = places.checkpoint(path)
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
        "tokenizer": corpus.tokenizer_name,
        "vocabulary": len(corpus.vocabulary),
        "longest": int(corpus.lengths.max()),
        "mean_length": float(corpus.lengths.mean()),
        "values_known": dict(zip(corpus.property_names, observed, strict=True)),
        "first": corpus.smiles(range(min(_SHOWN, len(corpus)))),
    }


def _screen(path: Path) -> dict[str, Any]:
    return {
        name: value for name, value in screening.standing(path)[0].items() if name not in {"kind", "path"}
    }


def _campaign(path: Path) -> dict[str, Any]:
    from molvae.campaign.campaign import Campaign

    with Campaign.open(places.journal(path), writable=False) as campaign:
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
