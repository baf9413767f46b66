"""Measure a checkpoint by the official MOSES protocol, and its reconstruction of Test.

30,000 samples, one attempt each, drawn by `MolVAE.sample` without beam search; if the decoder has noise
levels, at level 1 with tokens sampled at T = 1. They are compared with Test (176,074 molecules) and TestSF
(176,225). Also: reconstruction of Test molecules from the encoder alone, the KL, and neighbors of Test
molecules, one attempt each, at the levels where their mean similarity is .8, .6, .4 and .2.

    MOLVAE_DATA=../shared/data python scripts/benchmark/moses.py checkpoints/moses

MOLVAE_DATA names the directory with moses/ and filters/. ChemNet takes up to half an hour of a core for each
reference, once: statistics are saved under runs/reference-statistics. --references Test leaves TestSF out;
--reference-size compares with fewer molecules, drawn at random, and is part of the names of the metrics.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from arguments import parser_of
from metrics_golden import CACHE, moses_smiles
from record import commit, record, rounded

from molvae.chemistry.molecule import parse
from molvae.evaluation.distribution import measure
from molvae.evaluation.information import kl_divergence, reconstruction
from molvae.evaluation.molecules import MoleculeSet
from molvae.latent.codec import MolVAE
from molvae.latent.neighbors import measure_similarity
from molvae.progress import PlainProgress
from molvae.seeding import Seeds

if TYPE_CHECKING:
    import argparse

    from molvae.evaluation.profile import Part
    from molvae.latent.neighbors import SimilarityCurve

FILES = {"Test": "test.csv.gz", "TestSF": "test_scaffolds.csv.gz"}
SIMILARITIES = (0.8, 0.6, 0.4, 0.2)
N_SAMPLES, N_RECONSTRUCTED, N_PARENTS = 30_000, 5_000, 200
_PARTS: tuple[Part, ...] = ("fingerprints", "fragments", "scaffolds", "filters", "descriptors")


def main() -> None:
    """Measure, print and write results/moses.json."""
    options = _options()
    started_at = commit()
    data = Path(os.environ["MOLVAE_DATA"]).resolve()
    progress = PlainProgress(sys.stderr, every=60.0)
    model = MolVAE.load(options.checkpoint, device=options.device)
    test = moses_smiles(data / "moses" / FILES["Test"])
    figures = {**on_molecules(model, test, options, progress), **_neighbors(model, test, options, progress)}
    print(figures, flush=True)
    sampled = on_samples(model, data, options, progress)
    rows = [{"figure": row.name, "value": rounded(row.value), "n": row.n} for row in sampled]
    figures = {**{_key(row["figure"]): row["value"] for row in rows}, **figures}
    for name, value in figures.items():
        print(f"{name:24} {value}")
    if options.no_record:
        return
    facts = {
        key: model.settings.facts.get(key)
        for key in ("epochs", "steps", "training", "data", "n_training_molecules")
    }
    rows += [{"figure": "model", "value": Path(options.checkpoint).name, **facts}]
    path = record("moses", figures=figures, table=rows, seeds=[options.seed], started_at=started_at)
    print(f"-> {path.name}")


def on_samples(model: MolVAE, data: Path, options: argparse.Namespace, progress: PlainProgress) -> Any:
    """The MOSES metrics of samples of the model."""
    z = model.sample_latent(options.samples, generator=Seeds(options.seed).numpy("sample"))
    how = model.sampling(temperature=options.temperature, beam=False, noise=None)
    texts = model.decoder.write(z, seed=options.seed, progress=progress, task="sample", **how)
    references = []
    for name in options.references:
        smiles = moses_smiles(data / "moses" / FILES[name])
        if options.reference_size:
            chosen = Seeds(0).numpy("moses-reference").permutation(len(smiles))[: options.reference_size]
            smiles, name = [smiles[row] for row in sorted(chosen)], f"{name} {options.reference_size}"  # noqa: PLW2901
        references.append(_set(smiles, name, data, options, progress))
    samples = _set(texts, "samples", data, options, progress)
    training = _set(moses_smiles(data / "moses" / "train.csv.gz"), "train", data, options, progress)
    return measure(
        samples,
        references=references,
        training=set(training.profile(()).smiles),
        parts=options.parts,
        progress=progress,
    )


def on_molecules(
    model: MolVAE, test: list[str], options: argparse.Namespace, progress: PlainProgress
) -> dict[str, float | None]:
    """Share of Test molecules reconstructed greedily from the encoder's mean and from a posterior sample."""
    chosen = Seeds(0).numpy("moses-test").permutation(len(test))[: options.molecules]
    molecules = model.prepare([test[row] for row in sorted(chosen)])
    smiles = [getattr(item, "smiles", "") for item in molecules]
    mu, sigma = model.posterior(molecules)
    noise = Seeds(options.seed).numpy("moses-posterior").standard_normal(mu.shape, dtype=np.float32)
    found: dict[str, float | None] = {"kl": rounded(float(np.nanmean(kl_divergence(mu, sigma))))}
    for name, z in (("recon_encoder", mu), ("recon_sampled", mu + sigma * noise)):
        texts = model.decoder.write(z, progress=progress, task=name)
        found[name] = rounded(reconstruction(smiles, texts)["molecule match"])
    return found


def _neighbors(
    model: MolVAE, test: list[str], options: argparse.Namespace, progress: PlainProgress
) -> dict[str, float | None]:
    """Share of valid neighbors of Test molecules, one attempt each, at several mean similarities."""
    chosen = Seeds(1).numpy("moses-test").permutation(len(test))[: options.parents]
    parents = [parse(test[row]) for row in sorted(chosen)]
    curve = measure_similarity(model, parents, seed=options.seed, progress=progress)  # type: ignore[arg-type]
    return valid_shares(curve)


def valid_shares(curve: SimilarityCurve) -> dict[str, float | None]:
    """Share of valid neighbors where their mean similarity is .8, .6, .4 and .2, as figures of a record."""
    return {f"neighbors_valid_{round(100 * wanted)}": _valid_at(curve, wanted) for wanted in SIMILARITIES}


def _valid_at(curve: SimilarityCurve, similarity: float) -> float | None:
    """Share of valid neighbors at a mean similarity; None outside the measured range."""
    if not min(curve.similarity) <= similarity <= max(curve.similarity):
        return None
    return rounded(float(np.interp(curve.radius_for(similarity), curve.radius, curve.validity)))


def _set(
    texts: list[str], name: str, data: Path, options: argparse.Namespace, progress: PlainProgress
) -> MoleculeSet:
    return MoleculeSet(
        texts,
        name=name,
        alerts=data / "filters",
        cache=None if name == "samples" else CACHE,
        workers=options.workers,
        device=options.device,
        progress=progress,
    )


def _key(name: str) -> str:
    return name.lower().replace("unique@", "unique").replace("/", "_").replace(" ", "_")


def _options() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("--samples", type=int, default=N_SAMPLES)
    parser.add_argument(
        "--molecules", type=int, default=N_RECONSTRUCTED, help="Test molecules to reconstruct"
    )
    parser.add_argument(
        "--parents", type=int, default=N_PARENTS, help="Test molecules whose neighbors are sampled"
    )
    parser.add_argument("--temperature", type=float, default=None, help="of the tokens; default 1")
    parser.add_argument("--references", nargs="+", default=list(FILES), choices=list(FILES))
    parser.add_argument("--reference-size", type=int, default=0, help="molecules of each; 0 for all")
    parser.add_argument("--parts", nargs="*", default=list(_PARTS), choices=list(_PARTS))
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-record", action="store_true", help="print only")
    return parser.parse_args()


if __name__ == "__main__":
    main()
