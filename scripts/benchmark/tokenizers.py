"""Train the same model on three representations of the same molecules; compare reconstruction and samples.

SMILES with a token per atom, SMILES with merged tokens (the default) and SELFIES: same molecules, sizes,
steps, batch size, KL target and seed. Reconstruction from mu; validity, uniqueness and FCD of z from N(0, I)
and from fitted priors, with greedy decoding.

    python scripts/benchmark/tokenizers.py

The molecules are those of family.py. Corpora and runs are saved under runs/tokenizers, and the same command
continues after an interruption.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from arguments import parser_of
from family import (
    MEMBERS,
    PRIORS,
    asked_options,
    on_molecules,
    on_prior,
    prepared,
    subset,
    trained,
)
from record import ROOT, commit, record

from molvae.data.corpus import Corpus
from molvae.evaluation.frechet import chemnet_statistics

if TYPE_CHECKING:
    import argparse

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
        model = trained(path, options.work / _slug(writing), MEMBERS["KL target"], options)
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


def _slug(writing: str) -> str:
    return writing.replace(", ", "-")


def _options() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--writings", nargs="+", choices=list(WRITINGS), default=list(WRITINGS))
    return asked_options(parser, ROOT / "runs" / "tokenizers")


if __name__ == "__main__":
    main()
