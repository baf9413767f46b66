"""Evaluate a model: reconstruction, latent code, property heads, samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from molvae.chemistry.admission import Rules
from molvae.chemistry.molecule import Invalid, Molecule, canonical, is_valid, parse
from molvae.errors import InputError, UsageError
from molvae.evaluation.base import Metric, MetricTable
from molvae.evaluation.distribution import measure
from molvae.evaluation.information import information_metrics, reconstruction
from molvae.evaluation.molecules import MoleculeSet
from molvae.evaluation.prediction import linear_probe, prediction_metrics
from molvae.evaluation.profile import PARTS
from molvae.models.config import INFERENCE_STEPS
from molvae.progress import SILENT
from molvae.seeding import Seeds

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from numpy.typing import NDArray

    from molvae.evaluation.profile import Part
    from molvae.latent.codec import MolVAE
    from molvae.latent.prediction import PropertyPrediction
    from molvae.progress import Progress

MOST_TRIES = 5
"""Maximum number of decodes of one latent vector in rejection sampling."""

_SAMPLES_NOTE = (
    "valid, unique and all that compares with a reference: one sample for each draw of the model's prior, as "
    "MolVAE.sample writes it, invalid ones counted."
)
_INFERENCE_NOTE = (
    f"mu: the posterior mean, moved by up to {INFERENCE_STEPS} gradient steps, as MolVAE.encode and "
    "reconstruct find it; heads and information are measured at the encoder's."
)
_TRIES_NOTE = f"valid in {MOST_TRIES} tries: greedy first, then drawn at T = 1 until a decode is valid."


@dataclass(frozen=True)
class Assessment:
    """Metrics of a model, and the data its figures are drawn from."""

    table: MetricTable  # the figures
    samples: MoleculeSet | None = None  # of the model's prior; None if nothing was sampled
    truth: NDArray[np.float64] | None = None  # labels of the held-out molecules, n x p, if there are heads
    prediction: PropertyPrediction | None = None  # predictions of the heads from mu


def assess(
    model: MolVAE,
    molecules: Sequence[str | Molecule | Invalid],
    labels: NDArray[np.floating] | None = None,
    *,
    training: Sequence[str | Molecule | Invalid] = (),
    known: AbstractSet[str] | None = None,
    references: Sequence[MoleculeSet] = (),
    n_samples: int = 10_000,
    n_variants: int = 2_000,
    parts: Collection[Part] = PARTS,
    fcd: bool = True,
    guacamol: bool = False,
    alerts: Path | None = None,
    workers: int = 0,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Assessment:
    """Measure a model on held-out molecules and on samples of its prior.

    Args:
        model: The model.
        molecules: Held-out molecules, as for `MolVAE.encode`.
        labels: Their properties in their own units, `n x p`, the columns those of the model's heads; NaN
            where missing.
        training: Some training molecules; their posterior samples are an upper bound for any prior.
        known: Canonical SMILES of all training molecules, for novelty.
        references: Molecule sets that samples are compared with.
        n_samples: Prior samples compared with the references.
        n_variants: Samples of each other way to sample (N(0, I), T = 1, posteriors, several tries).
        parts: Parts of the profile to compare.
        fcd: Whether to compute the Fréchet ChemNet Distance.
        guacamol: Whether to compute the GuacaMol scores.
        alerts: Directory of the MOSES alerts.
        workers: Processes for the chemistry.
        seed: Root of all draws.
        progress: Where progress is reported.

    Raises:
        InputError: No held-out molecule can be encoded.
        UsageError: The labels are not `n x p`.
    """
    held_out = _held_out(model, molecules, labels, seed, progress)
    table = held_out.table + _variants(model, training, n_variants, seed, progress)
    if n_samples == 0:
        return Assessment(table, truth=held_out.truth, prediction=held_out.prediction)
    z = model.sample_latent(n_samples, generator=Seeds(seed).numpy("sample"))
    how = model.sampling(temperature=None, beam=None, noise=None)
    texts = model.decoder.write(z, seed=seed, progress=progress, task="sample", **how)
    samples = MoleculeSet(
        texts,
        rules=Rules(model.settings.standardize, model.settings.keep_stereo),
        alerts=alerts,
        workers=workers,
        device=str(model.device),
        progress=progress,
    )
    table += measure(
        samples,
        references=references,
        training=known,
        parts=parts,
        fcd=fcd,
        guacamol=guacamol,
        workers=workers,
        progress=progress,
    )
    table += _precedent(model, "samples", [m for s in samples.profile(()).smiles if is_valid(m := parse(s))])
    table += MetricTable((), (_SAMPLES_NOTE,))
    return Assessment(table, samples, held_out.truth, held_out.prediction)


def _held_out(
    model: MolVAE,
    molecules: Sequence[str | Molecule | Invalid],
    labels: NDArray[np.floating] | None,
    seed: int,
    progress: Progress,
) -> Assessment:
    """Metrics on held-out molecules: reconstruction, latent code and heads."""
    prepared = model.prepare(molecules)
    mu, sigma = model.posterior(prepared)
    encoded = np.asarray(np.isfinite(mu).all(axis=1))
    if not encoded.any():
        raise InputError(f"none of the {len(prepared)} held-out molecules can be encoded")
    pairs = zip(prepared, encoded, strict=True)
    smiles = [item.smiles for item, fine in pairs if fine and isinstance(item, Molecule)]
    mu, sigma = mu[encoded], sigma[encoded]
    noise = Seeds(seed).numpy("assess-posterior").standard_normal(mu.shape, dtype=np.float32)
    table = _share("encoded", len(smiles) / len(prepared), len(prepared))
    table += _precedent(model, "held out", [item for item in prepared if isinstance(item, Molecule)])
    inferred = model.encode(prepared)[encoded]
    starts = {
        " (mu)": inferred,
        " (sampled z)": inferred + sigma * noise,
        " (mu, encoder alone)": mu,
        " (sampled z, encoder alone)": mu + sigma * noise,
    }
    for suffix, z in starts.items():
        texts = model.decoder.write(z, progress=progress, task=f"reconstruct{suffix}")
        table += reconstruction(smiles, texts, suffix=suffix)
    table += MetricTable((), (_INFERENCE_NOTE,))
    table += information_metrics(mu, sigma, generator=Seeds(seed).numpy("assess-information"))
    if labels is None or not model.property_names:
        return Assessment(table)
    truth = np.asarray(labels, dtype=np.float64)
    if truth.shape != (len(prepared), len(model.property_names)):
        expected = f"{len(prepared)} x {len(model.property_names)}"
        raise UsageError(f"labels must be {expected}, got shape {truth.shape}")
    prediction = model.predict_latent(mu)
    return Assessment(
        table + _heads(truth[encoded], prediction, mu), truth=truth[encoded], prediction=prediction
    )


def _precedent(model: MolVAE, label: str, molecules: Sequence[Molecule]) -> MetricTable:
    """Share of molecules with only bonds and ring systems of the training set; empty if not calibrated."""
    if model.precedent is None or not molecules:
        return MetricTable(())
    covered = sum(map(model.precedent.covers, molecules)) / len(molecules)
    return _share(f"with precedent, {label}", covered, len(molecules))


def _heads(
    truth: NDArray[np.float64], prediction: PropertyPrediction, mu: NDArray[np.float32]
) -> MetricTable:
    table = MetricTable(())
    for column, name in enumerate(prediction.names):
        y = truth[:, column]
        table += prediction_metrics(y, prediction.mean[:, column], prediction.variance[:, column], name=name)
        table += _share(f"linear probe R2 {name}", *linear_probe(mu, y))
    return table


def _variants(
    model: MolVAE,
    training: Sequence[str | Molecule | Invalid],
    n: int,
    seed: int,
    progress: Progress,
) -> MetricTable:
    """Validity and uniqueness of each sampling method; posterior samples bound any fitted prior."""
    if n == 0:
        return MetricTable(())
    seeds = Seeds(seed)
    own = model.sample_latent(n, generator=seeds.numpy("assess-prior"))
    if model.prior_level == 1.0:
        return _free(model, own, seed, progress)
    starts = {model.prior.name: own}
    if model.prior.name != "normal":
        starts["normal"] = seeds.numpy("assess-normal").standard_normal(own.shape, dtype=np.float32)
    if len(training):
        starts["posterior"] = model.encode(
            list(training)[:n], seed=seeds.integer("assess-ceiling"), inference_steps=0
        )
    table = MetricTable((), (_TRIES_NOTE,))
    for name, z in starts.items():
        for temperature, how, beam in ((0.0, "greedy", False), (1.0, "T = 1", False), (0.0, "beam", True)):
            texts = model.decoder.write(
                z,
                temperature=temperature,
                seed=seed,
                beam=beam,
                progress=progress,
                task=f"{name} {how}",
            )
            table += _shares(texts, f"{name}, {how}")
            if name == model.prior.name and how == "greedy":
                tried = _retried(model, z, texts, seed)
                table += _share(f"valid {name}, in {MOST_TRIES} tries", tried, len(z))
    return table


def _free(model: MolVAE, z: NDArray[np.float32], seed: int, progress: Progress) -> MetricTable:
    """Validity and uniqueness at noise level 1, where z is ignored, by sampling temperature."""
    table = MetricTable(())
    for temperature in (0.8, 1.0):
        how = f"noise 1, T = {temperature:g}"
        texts = model.decoder.write(
            z, temperature=temperature, seed=seed, noise=1.0, progress=progress, task=how
        )
        table += _shares(texts, how)
    return table


def _shares(texts: Sequence[str], label: str) -> MetricTable:
    """Share of valid texts, and of distinct molecules among these."""
    valid = [smiles for text in texts if (smiles := canonical(text)) is not None]
    unique = len(set(valid)) / len(valid) if valid else float("nan")
    shares = _share(f"valid {label}", len(valid) / len(texts), len(texts))
    return shares + _share(f"unique {label}", unique, len(valid))


def _share(name: str, value: float, n: int) -> MetricTable:
    return MetricTable((Metric(name, value, n, "higher"),))


def _retried(model: MolVAE, z: NDArray[np.float32], texts: Sequence[str], seed: int) -> float:
    """Share of latent vectors with a valid decode: greedy first, then sampled at T = 1."""
    left = np.array([canonical(text) is None for text in texts])
    for attempt in range(1, MOST_TRIES):
        rows = np.flatnonzero(left)
        again = model.decoder.write(
            z[rows], temperature=1.0, seed=Seeds(seed).integer("assess-retry", attempt)
        )
        left[rows] = [canonical(text) is None for text in again]
    return 1.0 - float(left.mean())
