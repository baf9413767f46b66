"""`molvae train`, `fit-prior`, `fit-heads` and `calibrate`: fit a model, or parts of it, to a corpus."""

from __future__ import annotations

import os
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from molvae.cli import fields, options
from molvae.cli.output import Session, table_text
from molvae.cli.process import stopping
from molvae.errors import InputError
from molvae.persistence import locations
from molvae.training.config import FitHeadsSettings, FitPriorSettings, TrainSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from molvae.data.corpus import Corpus
    from molvae.latent.codec import MolVAE

_HELD_OUT = 2_000  # molecules; more hardly change the result


@click.command(cls=fields.SettingsCommand, settings=TrainSettings)
@click.argument("corpus", type=click.Path(path_type=Path))
@options.directory("Directory of the run: settings, metrics, states, model.", required=True)
@fields.option(TrainSettings, "initial", metavar="CHECKPOINT")
@fields.option(TrainSettings, "frozen", "--freeze", metavar="PART")
@fields.option(TrainSettings, "epochs")
@fields.option(TrainSettings, "batch_size")
@fields.option(TrainSettings, "learning_rate")
@fields.option(TrainSettings, "kl_target")
@fields.option(TrainSettings, "model.latent_size")
@fields.option(TrainSettings, "precision")
@fields.option(TrainSettings, "threads")
@fields.option(TrainSettings, "seed")
@fields.option(TrainSettings, "trackers", "--tracker", metavar="NAME")
@options.choice("--device", text="Device of the network.  [default: auto]", of=options.DEVICES)
@click.option("--resume", is_flag=True, help="Resume the run in DIR with its own settings.")
@options.number(
    "--max-minutes",
    text="Save the state and stop after M minutes (exit code 75); the same command resumes.",
    low=0,
    open_ends=True,
    metavar="M",
)
@fields.config()
@options.common()
def train_command(
    session: Session,
    /,
    corpus: Path,
    output: Path,
    resume: bool,
    max_minutes: float | None,
    given: fields.Given[TrainSettings],
) -> None:
    """Train a model on CORPUS (made by 'molvae prepare').

    The same command resumes a run that was stopped or killed, and on one machine ends with the same model as
    an uninterrupted run. The best model so far is in DIR/model; learning curves are drawn at the end.

    \b
    Examples:
      molvae train corpus -o run
      molvae train corpus -o run --epochs 60 --set model.decoder_hidden=512
      molvae train corpus -o run --resume
      molvae train corpus -o run --config train.toml --seed 3
      molvae train corpus -o run --initial checkpoints/zinc250k
      molvae train corpus -o run --initial checkpoints/zinc250k --freeze decoder
      molvae train corpus -o run --tracker tensorboard
      torchrun --nproc-per-node 2 -m molvae train corpus -o run
    """
    written = output / locations.SETTINGS
    if resume and given.config is None and not written.is_file():
        raise InputError(f"no run to resume in {output}", hint="Leave --resume out to start one.")
    leads = os.environ.get("RANK", "0") == "0"  # only one process of torchrun reports
    if not leads:
        session.verbosity = -1
    settings = given.build(config=written if resume else None)
    corpus = locations.corpus_directory(corpus)  # check the path before loading libraries
    output = locations.output_directory(output, "run")

    from molvae.reporting.figures import draw_learning_curves
    from molvae.training.trainer import train

    facts = {"corpus": corpus.name, "command": shlex.join(["molvae", *sys.argv[1:]])}
    with session.progress() as progress, stopping(max_minutes) as should_stop:
        done = train(corpus, output, settings, progress=progress, should_stop=should_stop, facts=facts)
    if not leads:
        return
    curves = output / "curves.png"
    draw_learning_curves(output / locations.METRICS, curves)
    session.report(
        {"model": done.checkpoint, "epochs": done.epochs, "curves": curves, "validation": done.metrics}
    )


@dataclass(frozen=True)
class Fit:
    """The inputs of a fit.

    Attributes:
        model: Model of the checkpoint.
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

        source, place = locations.model_directory(checkpoint), locations.corpus_directory(corpus)
        target = locations.model_output(output, source)
        return Fit(MolVAE.load(source, device=device), Corpus.open(place), target, seed)

    return options.bundled(
        "fit",
        gather,
        click.argument("checkpoint", type=click.Path(path_type=Path)),
        options.path("--corpus", text=corpus, metavar="CORPUS", required=True),
        options.seed(),
        options.device(),
        options.directory("Directory of the result.  [default: the checkpoint itself]"),
    )


@click.command(cls=fields.SettingsCommand, settings=FitPriorSettings)
@fitting("Corpus the model was trained on (made by 'molvae prepare').")
@fields.option(FitPriorSettings, "name", "--prior", metavar="NAME")
@fields.option(FitPriorSettings, "posterior_scale")
@fields.option(FitPriorSettings, "initial", metavar="CHECKPOINT")
@fields.config()
@options.common()
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
    from molvae.training.validation import UNIQUENESS, VALIDITY

    settings, seed = given.build(), fit.seed
    initial = None if settings.initial is None else MolVAE.load(locations.model_directory(settings.initial))
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
    known, names = fitted.facts(), [fitted.prior.name + end for end in (VALIDITY, UNIQUENESS)]
    facts = {
        "model": fit.target,
        "prior": known["prior"],
        "samples": N_VALIDATION,
        "before": validity_of(fit.model, seed),
        "after": {name: known["metrics"][name] for name in names},
        "seconds": round(seconds, 1),
    }
    rows = [
        (when, model.prior.name, *(f"{share:.1%}" for share in facts[when].values()))
        for when, model in (("before", fit.model), ("after", fitted))
    ]
    table = table_text(("", "prior", "valid", "unique"), rows)
    text = f"{table}\n{N_VALIDATION:,} samples of each, decoded greedily\n\n"
    session.report(facts, f"{text}prior  {known['prior']}\nmodel  {fit.target}")


@click.command(cls=fields.SettingsCommand, settings=FitHeadsSettings)
@fitting("Molecules with labels or descriptors ('molvae prepare --vocabulary CHECKPOINT').")
@fields.option(FitHeadsSettings, "epochs")
@fields.config()
@options.common()
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
