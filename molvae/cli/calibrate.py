"""`molvae calibrate`: similarity radius, applicability domain and precedent of a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from molvae.cli import options, places

if TYPE_CHECKING:
    from molvae.cli.output import Session

_HELD_OUT = 2_000  # molecules; more change next to nothing


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option(
    "--corpus",
    required=True,
    type=click.Path(path_type=Path),
    help="The corpus it was trained on: its training and validation molecules are used.",
)
@options.output(
    rows=False, meaning="Directory of the calibrated checkpoint.  [default: the checkpoint itself]"
)
@options.seed()
@options.device()
@options.common()
@options.pass_session
def command(
    session: Session, checkpoint: Path, corpus: Path, output: Path | None, seed: int, device: str
) -> None:
    """Calibrate CHECKPOINT on the corpus it was trained on, and keep the result in it.

    Measures how fast similarity falls with the radius, for 'molvae neighbors --similarity'; how molecules
    like those it was trained on score, for 'molvae domain' and --in-domain; and counts which bonds and ring
    systems its training molecules have, so that searches propose molecules with precedent. Takes one to two
    minutes for 250,000 molecules.

    \b
    Examples:
      molvae calibrate run --corpus corpus
      molvae calibrate checkpoints/zinc250k --corpus corpus -o calibrated
    """
    from molvae.data.corpus import Corpus
    from molvae.latent.calibration import calibrate
    from molvae.latent.codec import MolVAE
    from molvae.latent.neighbors import SimilarityCurve
    from molvae.seeding import Seeds

    place = places.checkpoint(checkpoint)
    target = places.room_for_model(output, place)
    model = MolVAE.load(place, device=device)
    opened = Corpus.open(places.corpus(corpus))
    training = opened.smiles(opened.rows("train"))
    held_out = opened.smiles(Seeds(seed).numpy("calibration").permutation(opened.rows("valid"))[:_HELD_OUT])
    with session.progress() as progress:
        calibrated = calibrate(model, training, held_out, seed=seed, progress=progress)
    calibrated.save(target)
    curve = SimilarityCurve.from_facts(calibrated.settings.facts)
    told = {
        "checkpoint": target,
        "training_molecules": len(training),
        "held_out_molecules": len(held_out),
        "similarity_by_radius": dict(zip(map(str, curve.radius), curve.similarity, strict=True)),
    }
    session.report(told)
