"""`molvae fit-prior`: a trained model gets what its samples are drawn from."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from molvae.cli import fields, options, places
from molvae.cli.output import Session, table_text
from molvae.training.config import FitPriorSettings

if TYPE_CHECKING:
    from collections.abc import Mapping


@click.command(cls=fields.SettingsCommand, settings=FitPriorSettings)
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option(
    "--corpus",
    type=click.Path(path_type=Path),
    required=True,
    metavar="CORPUS",
    help="What the model was trained on (made by 'molvae prepare').",
)
@fields.option(FitPriorSettings, "name", "--prior", metavar="NAME")
@fields.option(FitPriorSettings, "posterior_scale")
@fields.option(FitPriorSettings, "initial", metavar="CHECKPOINT")
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
    """Fit the prior of the model CHECKPOINT (a model directory, or a run) to the molecules of CORPUS.

    Samples are then drawn from it instead of N(0, I), and more of them are molecules. The network stays as
    it is. This takes minutes. One that is stopped leaves the checkpoint as it was; the same command goes on
    from what it kept beside it, in CHECKPOINT-fitting.

    \b
    Priors:
      flow      a network carries noise to where molecules lie (the default)
      language  a language model writes texts, the encoder says where they lie
      gan       a generator trained against a critic (LatentGAN), to compare
      normal    N(0, I): takes a fitted prior away
    \b
    Examples:
      molvae fit-prior run --corpus corpus
      molvae fit-prior run --corpus corpus --prior gan -o other
      molvae fit-prior run --corpus corpus --prior language -o other
      molvae fit-prior run --corpus corpus --set flow.steps=12000 -o better
      molvae fit-prior run --corpus corpus --initial run --set flow.steps=6000
      molvae fit-prior run --corpus corpus --initial run --set flow.width=512
    """
    from molvae.data.corpus import Corpus
    from molvae.latent.codec import MolVAE
    from molvae.seeding import Seeds
    from molvae.training.prior_fitting import fit_prior, kept_fit
    from molvae.training.validation import on_prior

    settings = fields.build(FitPriorSettings, given, config=config, assignments=assignments)
    source = places.checkpoint(checkpoint)
    target = places.room_for_model(output, source)
    model = MolVAE.load(source, device=device)
    examined = Corpus.open(places.corpus(corpus))
    initial = None if settings.initial is None else MolVAE.load(places.checkpoint(settings.initial))
    beside = target.with_name(f"{target.name}-fitting")
    states = kept_fit(beside, model, examined, settings, initial=initial, seed=seed)
    begun = time.monotonic()
    with session.progress() as progress:
        fitted = fit_prior(
            model, examined, settings, initial=initial, seed=seed, progress=progress, states=states
        )
    seconds = time.monotonic() - begun
    fitted.save(target)
    states.forget()
    draws = Seeds(seed).integer("prior-validation")  # those the fitted prior was measured with
    before = on_prior(model, n_samples=settings.n_validation, seed=draws)
    after = {name: fitted.facts()["metrics"][name] for name in _figures(fitted.prior.name)}
    told = {
        "model": target,
        "prior": fitted.facts()["prior"],
        "samples": settings.n_validation,
        "before": before,
        "after": after,
        "seconds": round(seconds, 1),
    }
    session.report(told, _text(told, (model.prior.name, before), (fitted.prior.name, after)))


def _figures(prior: str) -> tuple[str, str]:
    from molvae.training.validation import UNIQUENESS, VALIDITY

    return prior + VALIDITY, prior + UNIQUENESS


def _text(told: Mapping[str, Any], *measured: tuple[str, Mapping[str, float]]) -> str:
    rows = [
        (when, prior, *(f"{figures[name]:.1%}" for name in _figures(prior)))
        for when, (prior, figures) in zip(("before", "after"), measured, strict=True)
    ]
    table = table_text(("", "prior", "valid", "unique"), rows)
    return (
        f"{table}\n{told['samples']:,} samples of each, written greedily, once\n\n"
        f"prior  {told['prior']}\nmodel  {told['model']}"
    )
