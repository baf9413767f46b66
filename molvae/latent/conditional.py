"""Molecules with wanted property values: latent vectors chosen by the heads, or a decoder that is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from molvae.errors import UsageError, suggest
from molvae.seeding import Seeds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from molvae.chemistry.molecule import Invalid, Molecule
    from molvae.latent.codec import MolVAE

POOL = 10_000
"""Refined draws of the prior among which latent vectors are chosen."""
_REFINEMENTS = 2  # after which the heads, which were trained on molecules, can be trusted
_ROWS = 256  # requests compared with the pool at once


def wanted_values(model: MolVAE, condition: Mapping[str, float]) -> NDArray[np.float64]:
    """A condition as a row of the model's properties, `p`, NaN where nothing is asked.

    Raises:
        UsageError: The model does not know a property, or no property is named.
    """
    row = np.full(len(model.property_names), np.nan)
    for name, value in condition.items():
        if name not in model.property_names:
            raise UsageError(
                f"the model does not know a property '{name}'{suggest(name, model.property_names)}",
                hint=f"It knows {', '.join(model.property_names) or 'none'}.",
            )
        row[model.property_names.index(name)] = value
    if not np.isfinite(row).any():
        raise UsageError("a condition names at least one property")
    return row


def sample_conditional(
    model: MolVAE,
    wanted: NDArray[np.floating],
    *,
    temperature: float = 0.0,
    seed: int = 0,
    beam: bool = True,
    n_pool: int = POOL,
) -> list[Molecule | Invalid]:
    """One molecule for each request, single shot: one decode each, which may be `Invalid`.

    A model whose decoder sees the properties is told them. For any other, latent vectors are drawn from the
    prior, refined (`MolVAE.refine`: the heads were trained on molecules, and are right about no others), and
    chosen by what the property heads say of them.

    Args:
        model: The model.
        wanted: Requests in the properties' own units, `n x p`; NaN where anything goes.
        temperature: As for `MolVAE.decode`.
        seed: Root of all draws.
        beam: As for `MolVAE.decode`.
        n_pool: Draws that are chosen among; at least one per request is made.
    """
    requests = np.asarray(wanted, dtype=np.float64)
    seeds = Seeds(seed)
    if model.settings.model.conditional:
        z = _told(model, requests, seeds)
        return model.decode(z, temperature=temperature, seed=seed, beam=beam, properties=requests)
    z = choose_latent(model, requests, generator=seeds.numpy("conditional"), n_pool=n_pool)
    return model.decode(z, temperature=temperature, seed=seed, beam=beam)


def choose_latent(
    model: MolVAE, wanted: NDArray[np.floating], *, generator: np.random.Generator, n_pool: int = POOL
) -> NDArray[np.float32]:
    """A latent vector for each request `n x p` out of refined draws of the prior, `n x d`; none comes twice.

    By Bayes' rule p(z | y) is the prior times the heads' likelihood of y: a draw of the pool is taken with a
    chance in proportion to its likelihood.

    Raises:
        UsageError: The model has no property heads.
    """
    if not model.property_names:
        raise UsageError("this model has no property heads", hint="Train it with labels or descriptors.")
    pool = model.refine(model.sample_latent(max(n_pool, len(wanted)), generator=generator), _REFINEMENTS)
    distinct = np.unique(pool, axis=0)  # draws that were led to one molecule are one
    pool = distinct if len(distinct) >= len(wanted) else pool
    predicted = model.predict_latent(pool)
    left = np.zeros(len(pool))  # minus infinity once taken
    chosen = np.empty(len(wanted), dtype=np.int64)
    for start in range(0, len(wanted), _ROWS):
        rows = np.asarray(wanted)[start : start + _ROWS, None, :]
        misfit = np.square(rows - predicted.mean) / predicted.variance + np.log(predicted.variance)
        score = -0.5 * np.where(np.isfinite(rows), misfit, 0.0).sum(axis=2)
        score += generator.gumbel(size=score.shape)  # the largest is a draw in proportion
        for line, values in enumerate(score):
            best = int(np.argmax(values + left))
            chosen[start + line], left[best] = best, -np.inf
    return pool[chosen]


def _told(model: MolVAE, requests: NDArray[np.float64], seeds: Seeds) -> NDArray[np.float32]:
    """Latent vectors for a conditional decoder: from its own prior for these properties if it has one."""
    values, observed = model.scaled_properties(requests)
    prior = model.network.prior(values, observed)
    if prior is None:
        return model.sample_latent(len(requests), generator=seeds.numpy("conditional"))
    with torch.inference_mode():
        drawn: NDArray[np.float32] = prior.rsample(seeds.torch("conditional")).cpu().numpy()
    return drawn
