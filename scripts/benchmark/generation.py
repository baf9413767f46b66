"""Measure a checkpoint on ZINC250k: reconstruction, property heads, samples of its priors, and their limits.

MOLVAE_DATA names the directory with filters/, which has the MOSES alerts; without it RDKit's PAINS catalog is
used. Statistics of the reference are saved under runs/reference-statistics. The result is written at the
standard sizes only; smaller ones are for trying out.
"""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from arguments import CHECKPOINT, parser_of
from record import RESULTS, ROOT, commit, record
from sparse_process import process_probe

from molvae.chemistry.descriptors import describe_smiles
from molvae.chemistry.molecule import parse
from molvae.data.corpus import Corpus
from molvae.evaluation.frechet import chemnet_statistics, frechet_distance
from molvae.evaluation.molecules import MoleculeSet
from molvae.latent.assessment import assess
from molvae.latent.codec import MolVAE
from molvae.progress import PlainProgress, Progress
from molvae.seeding import Seeds

if TYPE_CHECKING:
    import argparse

    from molvae.chemistry.molecule import Invalid, Molecule
    from molvae.evaluation.base import MetricTable

CACHE = ROOT / "runs" / "reference-statistics"
SIZES = {
    "n_samples": 30_000,  # of the prior
    "n_molecules": 5_000,  # of the test part, reconstructed and predicted
    "n_variants": 5_000,  # of each other way of sampling
    "n_floor": 25_000,  # training molecules whose FCD is the floor
    "n_process": 25_000,  # of the Gaussian process
}
_LARGEST_FREE_RING = 6  # atoms


def main() -> None:
    """Measure, print, and write results/generation.json."""
    options = _options()
    started_at = commit()
    progress = PlainProgress(sys.stderr, every=30.0)
    corpus, model = Corpus.open(options.corpus), MolVAE.load(options.checkpoint, device=options.device)
    reference = _set(corpus.smiles(_rows(corpus, "valid", "test")), "test+valid", options, progress)
    training = corpus.smiles(corpus.rows("train"))
    tables = [
        _assessed(model, corpus, reference, set(training), seed, options, progress) for seed in options.seeds
    ]
    table = tables[0]
    probe = _process(model, corpus, options)
    floor = math.nan if options.no_fcd else _floor(training, reference, options, progress)
    figures = _figures(tables, model, floor)
    for name, value in figures.items():
        print(f"{name:24} {'-' if value is None else value}")
    print((table + probe).to_text())
    if not _is_standard(options):
        print("not at the standard sizes: nothing written")
        return
    rows = [_row(row.name, [one[row.name] for one in tables], row.n) for row in table]
    rows += [_row(row.name, [row.value], row.n) for row in probe]
    path = record("generation", figures=figures, table=rows, seeds=options.seeds, started_at=started_at)
    print(f"-> {path.name}")


def _assessed(
    model: MolVAE,
    corpus: Corpus,
    reference: MoleculeSet,
    known: set[str],
    seed: int,
    options: argparse.Namespace,
    progress: Progress,
) -> MetricTable:
    test = corpus.rows("test")[: options.n_molecules]
    train = _drawn(corpus.rows("train"), options.n_variants, seed)
    names = [corpus.property_names.index(name) for name in model.property_names]
    return assess(
        model,
        _parsed(corpus, test),
        corpus.labels[test][:, names],
        training=_parsed(corpus, train),
        known=known,
        references=[reference],
        n_samples=options.n_samples,
        n_variants=options.n_variants,
        fcd=not options.no_fcd,
        alerts=_alerts(),
        workers=options.workers,
        seed=seed,
        progress=progress,
    ).table


def _floor(
    training: list[str], reference: MoleculeSet, options: argparse.Namespace, progress: Progress
) -> float:
    """FCD of training molecules to the reference: a lower bound for generators of the training set."""
    rows = _drawn(np.arange(len(training)), options.n_floor, 0)
    chosen = [training[row] for row in rows]
    own = chemnet_statistics(
        chosen, cache=CACHE, device=options.device, progress=progress, task="ChemNet of floor"
    )
    return frechet_distance(own, reference.chemnet())


def _process(model: MolVAE, corpus: Corpus, options: argparse.Namespace) -> MetricTable:
    """A sparse Gaussian process on posterior means, learning penalized logP (no head was trained on it)."""
    rows = _drawn(np.arange(len(corpus)), options.n_process, 1)
    target = _penalized_logp(corpus.smiles(rows), options.workers)
    z = model.encode(_parsed(corpus, rows), inference_steps=0)
    return process_probe(z, target, generator=Seeds(0).numpy("process"), name="penalized logP")


def _penalized_logp(smiles: list[str], workers: int) -> np.ndarray:
    """The sum of logP, -SA and a ring penalty, each standardized over these molecules (Kusner 2017)."""
    described = describe_smiles(smiles, ["logp", "sa", "largest_ring"], workers=workers)
    rings = np.maximum(described[:, 2] - _LARGEST_FREE_RING, 0.0)
    terms = np.column_stack([described[:, 0], -described[:, 1], -rings])
    spread = terms.std(axis=0)
    return np.asarray(((terms - terms.mean(axis=0)) / np.where(spread > 0, spread, 1.0)).sum(axis=1))


def _figures(tables: list[MetricTable], model: MolVAE, floor: float) -> dict[str, float | int | None]:
    names = {
        "recon_mu": "molecule match (mu)",
        "recon_sampled": "molecule match (sampled z)",
        "recon_mu_encoder": "molecule match (mu, encoder alone)",
        "recon_sampled_encoder": "molecule match (sampled z, encoder alone)",
        "prior_validity": "valid",
        "prior_validity_greedy": f"valid {model.prior.name}, greedy",
        "unique_10k": "unique@10k",
        "novelty": "novelty",
        "fcd": "FCD/test+valid",
    }
    names |= {f"mae_{_short(name)}": f"MAE {name}" for name in model.property_names}
    figures = {key: _mean([table[name] for table in tables if name in table]) for key, name in names.items()}
    return {**figures, "fcd_floor": _mean([floor]), **_of_moses()}


def _of_moses() -> dict[str, float | int | None]:
    """Results of moses_protocol.py for a similar model trained on MOSES molecules."""
    measured = RESULTS / "moses_protocol.json"
    if not measured.exists():
        return {}
    figures = json.loads(measured.read_text(encoding="utf-8"))["figures"]
    return {name: figures[name] for name in ("moses_fcd_holdout", "moses_recon_sampled")}


def _short(name: str) -> str:
    return "sas" if name.lower() in {"sa", "sas"} else name.lower()


def _mean(values: list[float]) -> float | None:
    known = [value for value in values if math.isfinite(value)]
    return round(float(np.mean(known)), 5) if known else None


def _row(name: str, values: list[float], n: int) -> dict[str, Any]:
    known = [value for value in values if math.isfinite(value)]
    spread = round(float(np.std(known, ddof=1)), 5) if len(known) > 1 else None
    return {"metric": name, "value": _mean(values), "standard_deviation": spread, "n": n}


def _rows(corpus: Corpus, *parts: str) -> np.ndarray:
    return np.sort(np.concatenate([corpus.rows(part) for part in parts]))  # type: ignore[arg-type]


def _drawn(rows: np.ndarray, n: int, seed: int) -> np.ndarray:
    return np.sort(Seeds(seed).numpy("benchmark-rows").permutation(rows)[:n])


def _parsed(corpus: Corpus, rows: np.ndarray) -> list[Molecule | Invalid]:
    return [parse(smiles) for smiles in corpus.smiles(rows)]


def _set(texts: list[str], name: str, options: argparse.Namespace, progress: Progress) -> MoleculeSet:
    return MoleculeSet(
        texts,
        name=name,
        alerts=_alerts(),
        cache=CACHE,
        workers=options.workers,
        device=options.device,
        progress=progress,
    )


def _alerts() -> Path | None:
    data = os.environ.get("MOLVAE_DATA")
    return Path(data).resolve() / "filters" if data else None


def _is_standard(options: argparse.Namespace) -> bool:
    return not options.no_fcd and all(getattr(options, name) == size for name, size in SIZES.items())


def _options() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    parser.add_argument("--corpus", type=Path, required=True, help="ZINC250k, prepared by 'molvae prepare'")
    for name, size in SIZES.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=size)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--no-fcd", action="store_true", help="without FCD, which takes longest")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
