"""What is measured after each epoch, on held-out molecules and on samples of the prior."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from molvae.chemistry.molecule import is_valid, parse
from molvae.data.batching import by_length, collate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from molvae.data.batching import Batch
    from molvae.data.corpus import Corpus
    from molvae.latent.codec import MolVAE

VALIDITY, UNIQUENESS = "_validity", "_uniqueness"
"""How the names of the figures of a prior's samples end, after the name of the prior."""

_ROWS = 256
_ACTIVE = 0.01  # a dimension is active if the variance of its mean is above (Burda et al., arXiv:1509.00519)


def to_tensors(batch: Batch, device: torch.device) -> dict[str, torch.Tensor]:
    """A batch as the arguments of the network."""
    arrays = {
        "tokens": batch.tokens,
        "lengths": batch.lengths,
        "source": batch.source,
        "source_lengths": batch.source_lengths,
        "properties": batch.properties,
        "observed": batch.observed,
    }
    return {name: torch.from_numpy(array).to(device, non_blocking=True) for name, array in arrays.items()}


@torch.inference_mode()
def validate(
    model: MolVAE, corpus: Corpus, rows: NDArray[np.int64], *, n_samples: int, seed: int
) -> dict[str, float]:
    """Figures of a model on corpus rows and on prior samples; all greedy.

    Args:
        model: The model.
        corpus: Where the rows are.
        rows: Held-out molecules, `n`.
        n_samples: Prior samples drawn.
        seed: Root of the posterior and prior draws.

    Returns:
        `reconstruction`, `kl`, `property` in nats per molecule; of a decoder with noise levels also `free`,
        -log p(x) at level 1; `exact_reconstruction` (same molecule, from
        mu); `active_units`; `mae_NAME` per property; and what `on_prior` measures.
    """
    return {**_on_molecules(model, corpus, rows, seed), **on_prior(model, n_samples=n_samples, seed=seed)}


def on_prior(model: MolVAE, *, n_samples: int, seed: int) -> dict[str, float]:
    """Validity and uniqueness (among the valid) of samples of the prior, without a beam.

    Returns:
        `PRIOR_validity` and `PRIOR_uniqueness`, with PRIOR the name of the prior (`normal` is N(0, I)).
    """
    valid = [item.smiles for item in model.sample(n_samples, seed=seed, beam=False) if is_valid(item)]
    return {
        model.prior.name + VALIDITY: len(valid) / n_samples,
        model.prior.name + UNIQUENESS: len(set(valid)) / max(len(valid), 1),
    }


def _on_molecules(model: MolVAE, corpus: Corpus, rows: NDArray[np.int64], seed: int) -> dict[str, float]:
    generator = torch.Generator().manual_seed(seed)
    terms: list[NDArray[np.float64]] = []
    means: list[NDArray[np.float32]] = []
    errors: list[NDArray[np.float64]] = []
    free: list[NDArray[np.float64]] = []
    n_exact = 0
    ordered = by_length(rows, corpus.lengths)
    for start in range(0, len(ordered), _ROWS):
        part = ordered[start : start + _ROWS]
        batch = collate(corpus, part, scaler=model.scaler, randomized=None)
        elbo = model.network(**to_tensors(batch, model.device), generator=generator)
        terms.append(torch.stack([elbo.reconstruction, elbo.kl, elbo.property]).double().cpu().numpy())
        mu = elbo.posterior.mu
        if model.settings.model.noise_levels:
            tokens, lengths = (
                torch.from_numpy(array).to(model.device) for array in (batch.tokens, batch.lengths)
            )
            nll = model.network.reconstruction(tokens, lengths, mu, torch.ones_like(mu[:, 0]))
            free.append(nll.double().cpu().numpy())
        means.append(mu.cpu().numpy())
        n_exact += _exact(model, corpus, part, mu)
        predicted = model.predict_latent(means[-1]).mean
        errors.append(np.abs(predicted - corpus.labels[part]))
    reconstruction, kl, on_properties = np.concatenate(terms, axis=1).mean(axis=1)
    absolute = np.concatenate(errors)
    figures = {
        "reconstruction": float(reconstruction),
        "kl": float(kl),
        "property": float(on_properties),
        "exact_reconstruction": n_exact / len(rows),
        "active_units": float((np.concatenate(means).var(axis=0) > _ACTIVE).sum()),
    }
    if free:
        figures["free"] = float(np.concatenate(free).mean())
    for column, name in enumerate(model.property_names):
        seen = absolute[:, column][np.isfinite(absolute[:, column])]
        figures[f"mae_{name}"] = float(seen.mean()) if len(seen) else float("nan")
    return figures


def _exact(model: MolVAE, corpus: Corpus, rows: NDArray[np.int64], mu: torch.Tensor) -> int:
    written = model.network.decode(mu, max_length=model.settings.max_length)
    texts = model.tokenizer.decode_many(written.tokens.cpu().numpy())
    return sum(
        text == smiles or _same_molecule(text, smiles)
        for text, smiles in zip(texts, corpus.smiles(rows), strict=True)
    )


def _same_molecule(text: str, smiles: str) -> bool:
    molecule = parse(text)
    return is_valid(molecule) and molecule.smiles == smiles
