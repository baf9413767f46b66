"""Sample from the shipped model with different priors and compare the decoded molecules.

Priors are N(0, I), a flow, a latent GAN and the shipped language model; training molecules are the reference.
For each: validity, uniqueness, novelty, FCD, internal diversity, the share of common held-out scaffolds that
are found, and processor seconds to fit and to sample. Samples are decoded greedily, one attempt each. The
rows are added to results/family.json.

    MOLVAE_DATA=../shared/data python scripts/benchmark/family_priors.py

Priors are fitted to a part of ZINC250k's training molecules. With so few samples, values are only good for a
ranking.
"""

from __future__ import annotations

import csv
import os
import random
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from arguments import CHECKPOINT, parser_of
from record import ROOT, amend, cached, table_rows

from molvae.data.config import PrepareSettings
from molvae.data.corpus import Corpus
from molvae.data.preparation import prepare
from molvae.evaluation.distribution import measure
from molvae.evaluation.molecules import MoleculeSet
from molvae.latent.codec import MolVAE
from molvae.models.config import FlowSettings, GanSettings
from molvae.progress import PlainProgress
from molvae.seeding import Seeds
from molvae.training.config import PriorSettings
from molvae.training.prior_fitting import fit_prior

if TYPE_CHECKING:
    import argparse

    from molvae.evaluation.profile import Part

PRIORS = ("training molecules", "normal", "flow", "gan", "language")
SHOWN = {"fcd": "FCD", "valid": "valid", "unique": "unique"}
_COMMON = 3  # held-out molecules of a scaffold that counts as common
_PARTS: tuple[Part, ...] = ("fingerprints", "scaffolds")


def main() -> None:
    """Fit, draw, measure, print and amend results/family.json."""
    options = _options()
    options.work.mkdir(parents=True, exist_ok=True)
    corpus = _corpus(options)
    held_out = np.concatenate([corpus.rows("valid"), corpus.rows("test")])
    reference = MoleculeSet(corpus.smiles(held_out), name="held out", cache=options.work)
    rows = []
    for prior in options.priors:
        given = {
            name: getattr(options, name) for name in ("n_samples", "n_training", "flow_steps", "gan_steps")
        }
        row = cached(
            options.work / f"{prior.replace(' ', '-')}.json",
            {**given, "prior": prior, "seed": options.seed},
            partial(_measured, prior, corpus, reference, options),
        )
        rows.append(row)
        print(row, flush=True)
    amend("family", lambda content: _put(content, rows))


def _put(content: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    content["priors"] = rows
    for row in rows:
        content["figures"] |= {
            f"{short}_{row['prior'].split()[0]}": row[name] for short, name in SHOWN.items()
        }


def _measured(
    prior: str, corpus: Corpus, reference: MoleculeSet, options: argparse.Namespace
) -> dict[str, Any]:
    """A prior's row."""
    fit_seconds, draw_seconds, critic = None, None, None
    training = corpus.smiles(corpus.rows("train"))
    texts = training[: options.n_samples]
    if prior != "training molecules":
        begun = time.process_time()
        model = _with_prior(prior, corpus, options)
        fit_seconds = None if prior in {"normal", "language"} else time.process_time() - begun
        begun = time.process_time()
        z = model.sample_latent(options.n_samples, generator=Seeds(options.seed).numpy("family-samples"))
        texts = model.decoder.write(z)
        draw_seconds = time.process_time() - begun
        critic = model.facts().get("critic")
    samples = MoleculeSet(texts)
    table = measure(
        samples, references=[reference], training=set(corpus.smiles(np.arange(len(corpus)))), parts=_PARTS
    )
    common = {name for name, n in (reference.profile(_PARTS).scaffolds or {}).items() if n >= _COMMON}
    reached = common & (samples.profile(_PARTS).scaffolds or {}).keys()
    return {
        "prior": prior,
        **{name: table[name] for name in ("valid", "unique", "novelty", "IntDiv")},
        "FCD": table["FCD/held out"],
        "scaffolds_reached": len(reached) / len(common),
        "fit_seconds": fit_seconds,
        "draw_seconds": draw_seconds,
        **({"critic": critic} if critic else {}),
    }


def _with_prior(prior: str, corpus: Corpus, options: argparse.Namespace) -> MolVAE:
    """The shipped model with this prior; its own language model is not fitted again."""
    model = MolVAE.load(CHECKPOINT, device="cpu")
    if prior == model.prior.name:
        return model
    settings = PriorSettings(
        name=prior,
        flow=FlowSettings(steps=options.flow_steps),
        gan=GanSettings(steps=options.gan_steps),
    )
    progress = PlainProgress(sys.stderr, every=30.0)
    return fit_prior(model, corpus, settings, seed=options.seed, progress=progress)


def _corpus(options: argparse.Namespace) -> Corpus:
    """Some of ZINC250k's molecules, and of those held out, with the vocabulary of the model."""
    path, table = options.work / "corpus", options.work / "molecules.csv"
    whole = Path(os.environ["MOLVAE_DATA"]).resolve() / "zinc250k" / "zinc250k.csv.gz"
    if not path.exists():
        molecules = [(row["smiles"], row["split"]) for row in table_rows(whole)]
        random.Random(0).shuffle(molecules)
        training = [row for row in molecules if row[1] == "train"][: options.n_training]
        held_out = [row for row in molecules if row[1] != "train"][: options.n_held_out]
        with table.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("smiles", "split"), *training, *held_out])
        settings = PrepareSettings(input=(str(table),), output=path, vocabulary=CHECKPOINT, split="split")
        prepare(settings, workers=0, progress=PlainProgress(sys.stderr, every=30.0))
    return Corpus.open(path)


def _options() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--priors", nargs="+", choices=PRIORS, default=PRIORS)
    parser.add_argument("--n-samples", type=int, default=2000)
    parser.add_argument("--n-training", type=int, default=10_000)
    parser.add_argument("--n-held-out", type=int, default=4000)
    parser.add_argument("--flow-steps", type=int, default=4000)
    parser.add_argument("--gan-steps", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--work",
        type=Path,
        default=ROOT / "runs" / "family-priors",
        help="directory of rows, which are reused",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
