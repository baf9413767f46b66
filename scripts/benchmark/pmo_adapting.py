"""A PMO run with weighted retraining of the decoder, for the ablation.

After every hundred calls the decoder is trained on molecules drawn by rank from those scored so far (weighted
as by Tripp et al., arXiv:2006.09191), and on as many library molecules, so that it stays general. The encoder
is frozen, so that recorded latent vectors stay valid. Training always starts from the original checkpoint.
"""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pmo_runs import execute, start_molecules

from molvae.campaign.campaign import Campaign
from molvae.data.config import PrepareSettings
from molvae.data.preparation import prepare
from molvae.latent.codec import MolVAE
from molvae.seeding import Seeds
from molvae.training.config import TrainSettings
from molvae.training.trainer import train

if TYPE_CHECKING:
    from pathlib import Path

    from pmo_runs import Run

EVERY = 100
"""Calls between trainings."""
_N_DRAWN = 1000  # of those scored, with repetition, and as many of the library
_WEIGHT_OF_RANKS = 1e-3  # the weight of rank r of n is 1 / (this * n + r)
_TRAINING = {"epochs": 1, "batch_size": 64, "learning_rate": 5e-4, "n_validation": 50}


def execute_adapting(run_: Run) -> dict[str, Any]:
    """The row of a run, with a new model after every hundred calls."""
    checkpoint = run_.checkpoint
    for mark in range(EVERY, run_.budget, EVERY):
        row = execute(replace(run_, most=mark, checkpoint=checkpoint))
        if row["calls"] is None or row["calls"] >= run_.budget:
            return row
        checkpoint = _adapted(run_, mark)
    return execute(replace(run_, checkpoint=checkpoint))


def _adapted(run_: Run, mark: int) -> Path:
    """The checkpoint after `mark` calls, trained if it does not exist."""
    place = run_.path.with_name(f"{run_.path.name}-after-{mark}")
    if (place / "model").exists():
        return place / "model"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    with Campaign.open(run_.path.with_suffix(".sqlite"), writable=False) as campaign:
        scored = sorted(
            (row for row in campaign.table() if row.call is not None and np.isfinite(row.utility)),
            key=lambda row: -row.utility,
        )
    generator = Seeds(run_.seed).numpy("adapting", mark)
    weights = 1.0 / (_WEIGHT_OF_RANKS * len(scored) + np.arange(1, len(scored) + 1))
    drawn = generator.choice(len(scored), _N_DRAWN, p=weights / weights.sum())
    library = start_molecules(run_)
    replayed = generator.choice(len(library), _N_DRAWN)
    rows = [("train", scored[row].smiles) for row in drawn]
    rows += [("valid" if n % 20 == 0 else "train", library[row]) for n, row in enumerate(replayed)]
    molecules = place / "molecules.csv"
    with molecules.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("split", "smiles"), *rows])
    settings = PrepareSettings(
        input=(str(molecules),),
        output=place / "corpus",
        split="split",
        deduplicate="none",
        vocabulary=run_.checkpoint,
    )
    prepare(settings, workers=0)
    own = {"initial": run_.checkpoint, "frozen": ("encoder",), "device": "cpu", "threads": run_.threads}
    beta = {"fixed_beta": True, "beta": 0.0, "beta_warmup_steps": 0}  # the encoder is frozen
    done = train(settings.output, place / "run", TrainSettings.model_validate({**_TRAINING, **own, **beta}))
    tuned = MolVAE.load(done.checkpoint, device="cpu")
    tuned.replaced(prior=MolVAE.load(run_.checkpoint, device="cpu").prior).save(place / "model")
    return place / "model"
