"""`molvae fit-heads`: a trained model learns to predict other properties, or the same ones better."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from molvae.cli import fields, options, places
from molvae.cli.output import Session, table_text
from molvae.training.config import FitHeadsSettings

if TYPE_CHECKING:
    from collections.abc import Mapping


@click.command(cls=fields.SettingsCommand, settings=FitHeadsSettings)
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option(
    "--corpus",
    type=click.Path(path_type=Path),
    required=True,
    metavar="CORPUS",
    help="Molecules with labels or descriptors ('molvae prepare --vocabulary CHECKPOINT').",
)
@fields.option(FitHeadsSettings, "epochs")
@options.seed()
@options.device()
@options.output(rows=False, meaning="Write the model here; default: in its place.")
@fields.config()
@options.common()
@options.pass_session
def command(
    session: Session,
    /,
    checkpoint: Path,
    corpus: Path,
    seed: int,
    device: str,
    output: Path | None,
    config: Path | None,
    assignments: tuple[str, ...],
    **given: Any,
) -> None:
    """Teach the model CHECKPOINT (a model directory, or a run) the properties of CORPUS.

    Its heads are replaced; what it encodes, decodes and samples stays as it is. Molecules are encoded
    once, so this takes seconds for a thousand of them and minutes for a hundred thousand. Missing labels
    are left out.

    \b
    Examples:
      molvae prepare mine.csv --labels pIC50 --vocabulary model -o assay
      molvae fit-heads model --corpus assay -o mine
      molvae predict library.csv --checkpoint mine -o predicted
    """
    from molvae.data.corpus import Corpus
    from molvae.latent.codec import MolVAE
    from molvae.training.head_fitting import fit_heads

    settings = fields.build(FitHeadsSettings, given, config=config, assignments=assignments)
    source = places.checkpoint(checkpoint)
    target = places.room_for_model(output, source)
    model = MolVAE.load(source, device=device)
    examined = Corpus.open(places.corpus(corpus))
    begun = time.monotonic()
    with session.progress() as progress:
        fitted = fit_heads(model, examined, settings, seed=seed, progress=progress)
    seconds = time.monotonic() - begun
    fitted.save(target)
    known = fitted.facts()
    metrics = known["metrics"]
    told = {
        "model": target,
        "heads": known["heads"],
        "r2": {name: metrics.get(f"r2_{name}") for name in fitted.property_names},
        "errors": {name: metrics.get(f"mae_{name}") for name in fitted.property_names},
        "spreads": dict(zip(fitted.property_names, fitted.settings.property_scale, strict=True)),
        "seconds": round(seconds, 1),
    }
    session.report(told, _text(told))
    useless = [name for name, r2 in told["r2"].items() if r2 is not None and r2 <= 0]
    if useless:
        session.note(
            f"do not trust {', '.join(useless)}: on molecules that were left out, predictions are no better "
            "than the mean of all labels (R2 is not above 0)"
        )


def _text(told: Mapping[str, Any]) -> str:
    numbers = [(name, *(told[key][name] for key in ("r2", "errors", "spreads"))) for name in told["r2"]]
    rows = [(name, *("-" if number is None else f"{number:.3g}" for number in row)) for name, *row in numbers]
    crossed = any(r2 is not None for r2 in told["r2"].values())
    where = "on molecules that were left out" if crossed else "on the validation split"
    header = ("property", "R2", "mean error", "spread")
    return (
        f"{table_text(header, rows)}\n{where}; spread is the labels' standard deviation\n\n"
        f"heads  {told['heads']}\nmodel  {told['model']}"
    )
