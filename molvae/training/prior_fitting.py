"""Fitting a prior to a trained model: posterior samples of the training molecules show where z lives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from molvae.data.batching import collate
from molvae.models.priors import GaussianMixture
from molvae.progress import SILENT
from molvae.seeding import Seeds
from molvae.training.validation import on_prior, to_tensors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from molvae.data.corpus import Corpus
    from molvae.latent.codec import MolVAE
    from molvae.progress import Progress
    from molvae.training.config import PriorSettings

_ROWS = 512


def fit_prior(
    model: MolVAE, corpus: Corpus, settings: PriorSettings, *, seed: int = 0, progress: Progress = SILENT
) -> MolVAE:
    """The model with a prior fitted to posterior samples of the corpus's training molecules.

    Args:
        model: A trained model; it is not changed.
        corpus: What it was trained on.
        settings: How many components and samples.
        seed: Root of the sampling and the fit.
        progress: Told of the encoding.

    Returns:
        The model with the prior, its validity and uniqueness measured and added to the card.
    """
    seeds = Seeds(seed)
    z = posterior_samples(model, corpus, settings.n_samples, seed=seed, progress=progress)
    n_components = min(settings.n_components, max(1, len(z) // (2 * model.latent_size)))
    prior = GaussianMixture.fit(z, n_components=n_components, seed=seeds.integer("prior"))
    fitted = model.with_prior(prior)
    measured = on_prior(fitted, n_samples=settings.n_validation, seed=seeds.integer("prior-validation"))
    facts: dict[str, Any] = {
        "prior": f"Gaussian mixture of {n_components}, fitted to {len(z)} posterior samples",
        "metrics": {**model.settings.facts.get("metrics", {}), **measured},
    }
    return model.with_prior(prior, facts)


@torch.inference_mode()
def posterior_samples(
    model: MolVAE, corpus: Corpus, n: int, *, seed: int, progress: Progress = SILENT
) -> NDArray[np.float32]:
    """One posterior sample of each of (at most) `n` training molecules, drawn at random, `n x d`."""
    seeds = Seeds(seed)
    rows = corpus.rows("train")
    rows = np.sort(seeds.numpy("prior-rows").permutation(rows)[:n])
    rows = rows[np.argsort(corpus.lengths[rows], kind="stable")]
    generator = seeds.torch("prior-noise")
    samples = []
    progress.start("encode", len(rows))
    for start in range(0, len(rows), _ROWS):
        batch = collate(corpus, rows[start : start + _ROWS], scaler=model.scaler, randomized=None)
        tensors = to_tensors(batch, model.device)
        posterior = model.network.encode(tensors["tokens"], tensors["lengths"])
        samples.append(posterior.rsample(generator).cpu().numpy())
        progress.advance("encode", len(batch))
    progress.finish("encode")
    return np.concatenate(samples)
