"""`molvae fit-prior`, `fit-heads` and `calibrate`: fit parts of a trained model to a corpus."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from molvae.cli import fields, options, places
from molvae.cli.output import Session, table_text
from molvae.training.config import FitHeadsSettings, FitPriorSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from molvae.data.corpus import Corpus
    from molvae.latent.codec import MolVAE

_HELD_OUT = 2_000  # molecules; more change next to nothing


@dataclass(frozen=True)
class Fit:
    """What is fitted.

    Attributes:
        model: Of the checkpoint.
        corpus: Training data.
        target: Directory of the changed model.
        seed: Random seed.
    """

    model: MolVAE
    corpus: Corpus
    target: Path
    seed: int


def fitting(corpus: str) -> options.Decorator:
    """CHECKPOINT, `--corpus` (with the help `corpus`), `--seed`, `--device` and `-o`, as `fit`."""

    def gather(checkpoint: Path, device: str, corpus: Path, output: Path | None, seed: int) -> Fit:
        from molvae.data.corpus import Corpus
        from molvae.latent.codec import MolVAE

        source, place = places.checkpoint(checkpoint), places.corpus(corpus)
        target = places.room_for_model(output, source)
        return Fit(MolVAE.load(source, device=device), Corpus.open(place), target, seed)

    return options.bundled(
        "fit",
        gather,
        click.argument("checkpoint", type=click.Path(path_type=Path)),
        options.path("--corpus", text=corpus, metavar="CORPUS", required=True),
        options.seed(),
        options.device(),
        options.output(rows=False, meaning="Directory of the result.  [default: the checkpoint itself]"),
    )


@click.command(cls=fields.SettingsCommand, settings=FitPriorSettings)
@fitting("Corpus the model was trained on (made by 'molvae prepare').")
@fields.option(FitPriorSettings, "name", "--prior", metavar="NAME")
@fields.option(FitPriorSettings, "posterior_scale")
@fields.option(FitPriorSettings, "initial", metavar="CHECKPOINT")
@fields.config()
@options.common()
@options.pass_session
def fit_prior_command(session: Session, /, fit: Fit, given: fields.Given[FitPriorSettings]) -> None:
    """Fit the prior of the model CHECKPOINT (a model directory, or a run) to the molecules of CORPUS.

    Samples are then drawn from it instead of N(0, I), and more of them are valid molecules. The network does
    not change. This takes minutes. If it is stopped, the checkpoint stays as it was; the same command resumes
    from CHECKPOINT-fitting.

    \b
    Priors:
      flow      normalizing flow (the default)
      language  language model of molecules, whose samples are encoded
      gan       generator trained against a critic (LatentGAN), for comparison
      normal    N(0, I): removes a fitted prior
    \b
    Examples:
      molvae fit-prior run --corpus corpus
      molvae fit-prior run --corpus corpus --prior gan -o other
      molvae fit-prior run --corpus corpus --prior language -o other
      molvae fit-prior run --corpus corpus --set flow.steps=12000 -o better
      molvae fit-prior run --corpus corpus --initial run --set flow.steps=6000
    """
    from molvae.latent.codec import MolVAE
    from molvae.training.prior_fitting import N_VALIDATION, fit_prior, kept_fit, validity_of

    settings, seed = given.build(), fit.seed
    initial = None if settings.initial is None else MolVAE.load(places.checkpoint(settings.initial))
    beside = fit.target.with_name(f"{fit.target.name}-fitting")
    states = kept_fit(beside, fit.model, fit.corpus, settings, initial=initial, seed=seed)
    begun = time.monotonic()
    with session.progress() as progress:
        fitted = fit_prior(
            fit.model, fit.corpus, settings, initial=initial, seed=seed, progress=progress, states=states
        )
    seconds = time.monotonic() - begun
    fitted.save(fit.target)
    states.forget()
    before = validity_of(fit.model, seed)
    after = {name: fitted.facts()["metrics"][name] for name in _prior_figures(fitted.prior.name)}
    facts = {
        "model": fit.target,
        "prior": fitted.facts()["prior"],
        "samples": N_VALIDATION,
        "before": before,
        "after": after,
        "seconds": round(seconds, 1),
    }
    session.report(facts, _prior_text(facts, (fit.model.prior.name, before), (fitted.prior.name, after)))


def _prior_figures(prior: str) -> tuple[str, str]:
    from molvae.training.validation import UNIQUENESS, VALIDITY

    return prior + VALIDITY, prior + UNIQUENESS


def _prior_text(facts: Mapping[str, Any], *measured: tuple[str, Mapping[str, float]]) -> str:
    rows = [
        (when, prior, *(f"{figures[name]:.1%}" for name in _prior_figures(prior)))
        for when, (prior, figures) in zip(("before", "after"), measured, strict=True)
    ]
    table = table_text(("", "prior", "valid", "unique"), rows)
    return (
        f"{table}\n{facts['samples']:,} samples of each, decoded greedily\n\n"
        f"prior  {facts['prior']}\nmodel  {facts['model']}"
    )


@click.command(cls=fields.SettingsCommand, settings=FitHeadsSettings)
@fitting("Molecules with labels or descriptors ('molvae prepare --vocabulary CHECKPOINT').")
@fields.option(FitHeadsSettings, "epochs")
@fields.config()
@options.common()
@options.pass_session
def fit_heads_command(session: Session, /, fit: Fit, given: fields.Given[FitHeadsSettings]) -> None:
    """Fit property heads of the model CHECKPOINT (a model directory, or a run) to the labels of CORPUS.

    The model's heads are replaced; encoder, decoder and prior stay the same. Molecules are encoded once, so
    this takes seconds for a thousand of them and minutes for a hundred thousand. Missing labels are ignored.

    \b
    Examples:
      molvae prepare mine.csv --labels pIC50 --vocabulary model -o assay
      molvae fit-heads model --corpus assay -o mine
      molvae predict library.csv --checkpoint mine -o predicted
    """
    from molvae.training.head_fitting import fit_heads

    settings = given.build()
    begun = time.monotonic()
    with session.progress() as progress:
        fitted = fit_heads(fit.model, fit.corpus, settings, seed=fit.seed, progress=progress)
    seconds = time.monotonic() - begun
    fitted.save(fit.target)
    known, names = fitted.facts(), fitted.property_names
    facts = {
        "model": fit.target,
        "heads": known["heads"],
        "r2": {name: known["metrics"].get(f"r2_{name}") for name in names},
        "errors": {name: known["metrics"].get(f"mae_{name}") for name in names},
        "spreads": dict(zip(names, fitted.settings.property_scale, strict=True)),
        "seconds": round(seconds, 1),
    }
    session.report(facts, _heads_text(facts))
    useless = [name for name, r2 in facts["r2"].items() if r2 is not None and r2 <= 0]
    if useless:
        session.note(
            f"do not trust {', '.join(useless)}: on held-out molecules, predictions are no better than the "
            "mean of all labels (R2 is not above 0)"
        )


def _heads_text(facts: Mapping[str, Any]) -> str:
    numbers = [(name, *(facts[key][name] for key in ("r2", "errors", "spreads"))) for name in facts["r2"]]
    rows = [(name, *("-" if number is None else f"{number:.3g}" for number in row)) for name, *row in numbers]
    crossed = any(r2 is not None for r2 in facts["r2"].values())
    where = "on held-out molecules" if crossed else "on the validation split"
    header = ("property", "R2", "mean error", "spread")
    return (
        f"{table_text(header, rows)}\n{where}; spread is the labels' standard deviation\n\n"
        f"heads  {facts['heads']}\nmodel  {facts['model']}"
    )


@click.command()
@fitting("Corpus the model was trained on.")
@options.common()
@options.pass_session
def calibrate_command(session: Session, fit: Fit) -> None:
    """Calibrate similarity radius and applicability domain of CHECKPOINT on its training corpus.

    Measures how similarity falls with the radius, for 'molvae neighbors --similarity'; how held-out molecules
    score, for 'molvae domain' and --in-domain; and counts the bonds and ring systems of the training
    molecules, so that searches propose molecules with precedent. Takes one to two minutes for 250,000
    molecules.

    \b
    Examples:
      molvae calibrate run --corpus corpus
      molvae calibrate checkpoints/zinc250k --corpus corpus -o calibrated
    """
    from molvae.latent.calibration import calibrate
    from molvae.latent.neighbors import SimilarityCurve
    from molvae.seeding import Seeds

    training = fit.corpus.smiles(fit.corpus.rows("train"))
    shuffled = Seeds(fit.seed).numpy("calibration").permutation(fit.corpus.rows("valid"))
    held_out = fit.corpus.smiles(shuffled[:_HELD_OUT])
    with session.progress() as progress:
        calibrated = calibrate(fit.model, training, held_out, seed=fit.seed, progress=progress)
    calibrated.save(fit.target)
    curve = SimilarityCurve.from_facts(calibrated.settings.facts)
    session.report(
        {
            "checkpoint": fit.target,
            "training_molecules": len(training),
            "held_out_molecules": len(held_out),
            "similarity_by_radius": dict(zip(map(str, curve.radius), curve.similarity, strict=True)),
        }
    )
