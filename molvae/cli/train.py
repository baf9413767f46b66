"""`molvae train`: train a model on a corpus."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import click

from molvae.cli import fields, options, places
from molvae.cli.output import Session, facts_text
from molvae.cli.process import stopping
from molvae.errors import InputError
from molvae.training.config import TrainSettings


@click.command(cls=fields.SettingsCommand, settings=TrainSettings)
@click.argument("corpus", type=click.Path(path_type=Path))
@options.output(rows=False, required=True, meaning="Directory of the run: settings, metrics, states, model.")
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
@options.pass_session
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
    written = output / "settings.toml"
    if resume and given.config is None and not written.is_file():
        raise InputError(f"no run to resume in {output}", hint="Leave --resume out to start one.")
    leads = os.environ.get("RANK", "0") == "0"  # of the processes of torchrun, one reports
    if not leads:
        session.verbosity = -1
    settings = given.build(config=written if resume else None)
    corpus = places.corpus(corpus)  # a wrong path is an error before libraries are loaded
    output = places.room_for(output, "run")

    from molvae.reporting.figures import draw_learning_curves
    from molvae.training.trainer import train

    facts = {"corpus": corpus.name, "command": shlex.join(["molvae", *sys.argv[1:]])}
    with session.progress() as progress, stopping(max_minutes) as should_stop:
        result = train(corpus, output, settings, progress=progress, should_stop=should_stop, facts=facts)
    if not leads:
        return
    curves = output / "curves.png"
    draw_learning_curves(output / places.METRICS, curves)
    outcome = {
        "model": result.checkpoint,
        "epochs": result.epochs,
        "curves": curves,
        "validation": result.metrics,
    }
    session.report(outcome, facts_text(outcome))
