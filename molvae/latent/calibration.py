"""Calibrate similarity by radius, applicability domain and precedent of a model."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import torch

from molvae.chemistry.molecule import is_valid
from molvae.chemistry.precedent import Precedent
from molvae.latent import neighbors
from molvae.latent.domain import ApplicabilityDomain, Likelihood
from molvae.latent.encoding import token_batches
from molvae.models.inference import negative_log_likelihood
from molvae.models.network import Posterior
from molvae.progress import SILENT
from molvae.seeding import Seeds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from molvae.chemistry.molecule import Invalid, Molecule
    from molvae.latent.codec import MolVAE
    from molvae.progress import Progress

_ENCODED = 10_000  # training molecules the domain is fitted on; more change little
_BLOCK = 4096


@torch.inference_mode()
def likelihood(
    model: MolVAE,
    molecules: Sequence[str | Molecule | Invalid],
    *,
    encoded: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
) -> Likelihood:
    """Likelihood terms of `n` molecules, each encoded to its posterior mean.

    Means and deviations already computed by `MolVAE.posterior` (`encoded`, `n x d` each) save half of the
    work.
    """
    n = len(molecules)
    terms = np.full((3, n), np.nan)
    means = np.full((n, model.latent_size), np.nan, dtype=np.float32)
    for rows, tokens, lengths in token_batches(model.tokenizer, model.prepare(molecules)):
        given, widths = torch.from_numpy(tokens).to(model.device), torch.from_numpy(lengths).to(model.device)
        if encoded is None:
            posterior = model.network.encoder(given, widths)
        else:
            mu, sigma = (torch.from_numpy(part[rows]).to(model.device) for part in encoded)
            posterior = Posterior(mu, 2.0 * sigma.log())
        written = negative_log_likelihood(model.network, given, widths, posterior.mu)
        terms[:, rows] = torch.stack([written, posterior.kl(), widths.to(written.dtype)]).cpu().numpy()
        means[rows] = posterior.mu.cpu().numpy()
    return Likelihood(terms[0], terms[1], terms[2], means)


def calibrate(
    model: MolVAE,
    training: Sequence[str | Molecule],
    held_out: Sequence[str | Molecule],
    *,
    n_parents: int = 200,
    seed: int = 0,
    progress: Progress = SILENT,
) -> MolVAE:
    """The same model with a similarity curve, an applicability domain and precedent.

    Takes the whole training set, 10,000 molecules of which the domain is fitted on, and held-out molecules
    from the same source (2,000 are enough). The curve is measured around `n_parents` of the latter.

    Raises:
        InputError: Too few molecules.
    """
    seeds = Seeds(seed)
    curve = neighbors.measure_similarity(
        model, held_out[:n_parents], seed=seeds.integer("similarity-curve"), progress=progress
    )
    progress.start("domain")
    chosen = seeds.numpy("training").permutation(len(training))[:_ENCODED]
    domain = ApplicabilityDomain.fit(
        model.encode([training[row] for row in chosen], inference_steps=0),
        likelihood(model, held_out),
        generator=seeds.numpy("domain"),
    )
    progress.finish("domain")
    progress.start("precedent", len(training))
    precedent = Precedent.counted(_counted(model, training, progress))
    progress.finish("precedent")
    facts = {neighbors.FACT: asdict(curve)}
    return model.replaced(domain=domain, precedent=precedent, facts=facts)


def _counted(model: MolVAE, training: Sequence[str | Molecule], progress: Progress) -> Iterator[Molecule]:
    for first in range(0, len(training), _BLOCK):
        block = training[first : first + _BLOCK]
        yield from filter(is_valid, model.prepare(block))
        progress.advance("precedent", len(block))
