"""Train every member of the autoencoder family in the same way and compare their latent spaces.

All members have the same sizes, steps, data and seed. For each: reconstruction, KL, active units; validity,
uniqueness and FCD of z from N(0, I) and from a fitted flow; and R2 of linear models of logP, QED and SA on z.

    python scripts/benchmark/family.py

Without --corpus, molecules are the 48,000 of ZINC250k whose SMILES has at most 36 characters: ten trainings
on these take two hours of one core. MOLVAE_DATA names the directory with zinc250k/zinc250k.csv.gz. Corpus and
runs are saved under runs/family, and the same command continues after an interruption.
"""

from __future__ import annotations

import csv
import gzip
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from arguments import parser_of
from record import ROOT, cached, commit, record

from molvae.chemistry.molecule import parse
from molvae.data.config import PrepareSettings
from molvae.data.corpus import Corpus
from molvae.data.preparation import prepare
from molvae.evaluation.frechet import ChemNetStatistics, chemnet_statistics, frechet_distance
from molvae.evaluation.information import active_units, kl_divergence, reconstruction
from molvae.evaluation.prediction import linear_probe
from molvae.latent.codec import MolVAE
from molvae.models.config import FlowSettings
from molvae.progress import SILENT, PlainProgress
from molvae.seeding import Seeds
from molvae.training.config import PriorSettings, TrainSettings
from molvae.training.prior_fitting import fit_prior
from molvae.training.trainer import train

if TYPE_CHECKING:
    import argparse

SIZES = {"latent_size": 64, "encoder_hidden": 128, "decoder_hidden": 256, "head_hidden": 64}
DIRAC = {"model": {"posterior": "dirac"}, "fixed_beta": True, "beta": 0.0}
MEMBERS: dict[str, dict[str, Any]] = {
    "plain": DIRAC,
    "denoising": {**DIRAC, "model": {"posterior": "dirac", "source_dropout": 0.15, "source_swap": 0.05}},
    "sparse": {**DIRAC, "model": {"posterior": "dirac", "penalties": {"sparse": 0.1}}},
    "contractive": {**DIRAC, "model": {"posterior": "dirac", "penalties": {"contractive": 0.03}}},
    "discrepancy": {**DIRAC, "model": {"posterior": "dirac", "penalties": {"mmd": 30.0}}},
    "vae": {"fixed_beta": True, "beta": 1.0},
    "beta-vae 0.1": {"fixed_beta": True, "beta": 0.1},
    "free bits": {"fixed_beta": True, "beta": 1.0, "free_bits": 0.5},
    "KL target": {"kl_target": 45.0},
    "conditional": {"kl_target": 45.0, "property_weight": 0.0, "model": {"conditional": True}},
}
LABELS = ("logP", "qed", "SAS")
PRIORS = ("normal", "flow")
SHOWN = ("recon", "validity_normal", "validity_flow", "fcd_normal", "fcd_flow", "probe_r2")
_TEST = 2000  # test molecules reconstructed
_PROBED = 5000  # of the linear probe
_LONGEST = 36  # characters of a SMILES of the standard comparison


def main() -> None:
    """Train, measure, print and write results/family.json."""
    options = _options()
    started_at = commit()
    if options.corpus is None:
        options.corpus = prepared(subset(options.work), options.work / "corpus")
    corpus = Corpus.open(options.corpus)
    held_out = corpus.smiles(np.sort(np.concatenate([corpus.rows("valid"), corpus.rows("test")])))
    cache = ROOT / "runs" / "reference-statistics"
    reference = None if options.no_fcd else chemnet_statistics(held_out, cache=cache)
    table = []
    for member in options.members:
        row = _measured(member, corpus, reference, options)
        table.append(row)
        print(row, flush=True)
    figures = {f"{name}_{row['member'].replace(' ', '_')}": row[name] for row in table for name in SHOWN}
    path = record(
        "family",
        figures=figures,
        table=table,
        summary=[{name: row[name] for name in ("member", *SHOWN)} for row in table],
        seeds=[options.seed],
        started_at=started_at,
    )
    print(f"-> {path.name}")


def subset(work: Path) -> Path:
    """Write the file of molecules of the standard comparison, with labels and split, if it does not exist."""
    path = work / "molecules.csv"
    if path.exists():
        return path
    whole = Path(os.environ["MOLVAE_DATA"]).resolve() / "zinc250k" / "zinc250k.csv.gz"
    work.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    with gzip.open(whole, "rt", encoding="utf-8", newline="") as source, unfinished.open("w") as target:
        reader = csv.DictReader(source)
        writer = csv.DictWriter(target, reader.fieldnames or ())
        writer.writeheader()
        writer.writerows(row for row in reader if len(row["smiles"]) <= _LONGEST)
    unfinished.rename(path)
    return path


def prepared(molecules: Path, corpus: Path, **settings: Any) -> Path:
    """The corpus of these molecules, prepared if it does not exist."""
    if not corpus.exists():
        wanted = PrepareSettings(
            input=(str(molecules),), output=corpus, split="split", labels=LABELS, **settings
        )
        prepare(wanted, progress=PlainProgress(sys.stderr, every=60.0))
    return corpus


def _measured(
    member: str, corpus: Corpus, reference: ChemNetStatistics | None, options: argparse.Namespace
) -> dict[str, Any]:
    """A member's row, from an earlier run if the options are the same."""
    given = {name: getattr(options, name) for name in ("epochs", "n_samples", "flow_steps", "no_fcd", "seed")}

    def measured() -> dict[str, Any]:
        model = trained(corpus.path, options.work / _slug(member), MEMBERS[member], options)
        row: dict[str, Any] = {"member": member, **on_molecules(model, corpus)}
        for prior in PRIORS:
            row |= on_prior(model, corpus, prior, reference, options)
        return row

    asked = {**given, "sizes": SIZES, "member": MEMBERS[member]}
    return cached(options.work / f"{_slug(member)}.json", asked, measured)


def _slug(member: str) -> str:
    return member.replace(" ", "-")


def trained(corpus: Path, run: Path, changes: dict[str, Any], options: argparse.Namespace) -> MolVAE:
    """A model of the sizes and steps of the comparison, with these changes; trained if it does not exist."""
    common = {
        "epochs": options.epochs,
        "seed": options.seed,
        "threads": options.threads,
        "device": "cpu",
        "patience": options.epochs,
        "prior": {"name": "normal"},
    }
    model = {**SIZES, **changes.get("model", {})}
    settings = TrainSettings.model_validate({**common, **changes, "model": model})
    done = train(corpus, run, settings, progress=PlainProgress(sys.stderr, every=60.0))
    return MolVAE.load(done.checkpoint, device="cpu")


def on_molecules(model: MolVAE, corpus: Corpus) -> dict[str, Any]:
    """Reconstruction, KL, active units and R2 of linear models of properties on z."""
    test = corpus.rows("test")[:_TEST]
    mu, sigma = model.posterior([parse(smiles) for smiles in corpus.smiles(test)])
    match = reconstruction(corpus.smiles(test), model.decoder.write(mu))
    rows = np.sort(Seeds(0).numpy("family-probe").permutation(corpus.rows("train"))[:_PROBED])
    z = model.encode([parse(smiles) for smiles in corpus.smiles(rows)], inference_steps=0)
    explained = [linear_probe(z, corpus.labels[rows, column])[0] for column in range(corpus.labels.shape[1])]
    return {
        "recon": match["molecule match"],
        "kl": float(kl_divergence(mu, sigma).mean()) if (sigma > 0).all() else None,
        "active_units": active_units(mu),
        "probe_r2": float(np.mean(explained)),
    }


def on_prior(
    model: MolVAE,
    corpus: Corpus,
    prior: str,
    reference: ChemNetStatistics | None,
    options: argparse.Namespace,
) -> dict[str, Any]:
    """Validity, uniqueness and FCD of greedy samples of a prior fitted to the model."""
    settings = PriorSettings(name=prior, flow=FlowSettings(steps=options.flow_steps))
    fitted = fit_prior(model, corpus, settings, seed=options.seed, progress=SILENT)
    z = fitted.sample_latent(options.n_samples, generator=Seeds(options.seed).numpy("family-samples"))
    texts = fitted.decoder.write(z)
    valid = [molecule.smiles for text in texts if hasattr(molecule := parse(text), "smiles")]
    distance = None
    if reference is not None and len(valid) > 1:
        distance = frechet_distance(chemnet_statistics(valid), reference)
    return {
        f"validity_{prior}": len(valid) / len(texts),
        f"unique_{prior}": len(set(valid)) / max(len(valid), 1),
        f"fcd_{prior}": distance,
    }


def asked_options(parser: argparse.ArgumentParser, work: Path) -> argparse.Namespace:
    """Parse the options that comparisons of trainings share, together with their own."""
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--flow-steps", type=int, default=2000, help="training steps of the flow prior")
    parser.add_argument("--n-samples", type=int, default=2000)
    parser.add_argument("--no-fcd", action="store_true", help="without FCD, which takes longest")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=work, help="directory of corpora and runs")
    return parser.parse_args()


def _options() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--corpus", type=Path, help="made by 'molvae prepare', with labels")
    parser.add_argument("--members", nargs="+", choices=list(MEMBERS), default=list(MEMBERS))
    return asked_options(parser, ROOT / "runs" / "family")


if __name__ == "__main__":
    main()
