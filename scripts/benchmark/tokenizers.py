"""Train one recipe on three writings of the same molecules: what the models reconstruct and sample.

SMILES by atoms, SMILES by merged tokens (the default) and SELFIES: same molecules, sizes, steps, batch, KL
target and seed. Reconstruction from mu; validity, uniqueness and FCD of z drawn from N(0, I) and from fitted
priors, with greedy decoding.

    python scripts/benchmark/tokenizers.py

The molecules are those of family.py. Corpora and runs are kept under runs/tokenizers and go on where they
stopped.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from family import PRIORS, SIZES, on_molecules, on_prior, prepared, subset  # beside this file
from record import ROOT, commit, record

from molvae.data.corpus import Corpus
from molvae.evaluation.frechet import chemnet_statistics
from molvae.latent.codec import MolVAE
from molvae.progress import PlainProgress
from molvae.training.config import TrainSettings
from molvae.training.trainer import train

WRITINGS: dict[str, dict[str, Any]] = {
    "smiles, atoms": {"n_merges": 0},
    "smiles, merged": {},
    "selfies": {"tokenizer": "selfies"},
}


def main() -> None:
    """Train, measure, print and write results/tokenizers.json."""
    options = _options()
    started_at = commit()
    molecules = subset(options.work)
    cache = ROOT / "runs" / "reference-statistics"
    reference = None
    table = []
    for writing in options.writings:
        path = prepared(molecules, options.work / f"corpus-{_slug(writing)}", **WRITINGS[writing])
        corpus = Corpus.open(path)
        if reference is None and not options.no_fcd:
            held_out = corpus.smiles(np.sort(np.concatenate([corpus.rows("valid"), corpus.rows("test")])))
            reference = chemnet_statistics(held_out, cache=cache)
        model = _trained(corpus, writing, options)
        row: dict[str, Any] = {"writing": writing, "tokens": float(np.mean(corpus.lengths))}
        row |= on_molecules(model, corpus)
        for prior in PRIORS:
            row |= on_prior(model, corpus, prior, reference, options)
        table.append(row)
        print(row, flush=True)
    names = ("recon", "validity_normal", "validity_flow", "fcd_normal", "fcd_flow")
    figures = {f"{name}_{row['writing'].replace(', ', '_')}": row[name] for row in table for name in names}
    path = record("tokenizers", figures=figures, table=table, seeds=[options.seed], started_at=started_at)
    print(f"-> {path.name}")


def _trained(corpus: Corpus, writing: str, options: argparse.Namespace) -> MolVAE:
    settings = TrainSettings.model_validate(
        {
            "model": SIZES,
            "epochs": options.epochs,
            "kl_target": 45.0,
            "learning_rate": options.learning_rate,
            "seed": options.seed,
            "threads": options.threads,
            "device": "cpu",
            "patience": options.epochs,
        }
    )
    run = options.work / _slug(writing)
    trained = train(corpus.path, run, settings, progress=PlainProgress(sys.stderr, every=60.0))
    return MolVAE.load(trained.checkpoint, device="cpu")


def _slug(writing: str) -> str:
    return writing.replace(", ", "-")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--writings", nargs="+", choices=list(WRITINGS), default=list(WRITINGS))
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--learning-rate", type=float, default=2.5e-3)
    parser.add_argument("--flow-steps", type=int, default=2000, help="training steps of the flow prior")
    parser.add_argument("--n-samples", type=int, default=2000)
    parser.add_argument("--no-fcd", action="store_true", help="leave out what takes longest")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "tokenizers")
    return parser.parse_args()


if __name__ == "__main__":
    main()
