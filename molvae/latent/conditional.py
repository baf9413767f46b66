"""Molecules with given property values: samples selected by the heads, or from a conditional decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from molvae.chemistry.depiction import MoleculeList
from molvae.chemistry.molecule import Invalid
from molvae.errors import UsageError, suggest
from molvae.latent.decoding import is_known
from molvae.seeding import Seeds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from molvae.chemistry.molecule import Molecule
    from molvae.latent.codec import MolVAE
    from molvae.latent.prediction import PropertyPrediction

POOL = 10_000
"""Samples of the prior that molecules are selected from."""


def wanted_values(model: MolVAE, condition: Mapping[str, float]) -> NDArray[np.float64]:
    """A condition as a row of the model's properties, `p`, NaN where not specified.

    Raises:
        UsageError: The model does not predict a property, or no property is named.
    """
    row = np.full(len(model.property_names), np.nan)
    for name, value in condition.items():
        if name not in model.property_names:
            raise UsageError(
                f"the model does not predict '{name}'{suggest(name, model.property_names)}",
                hint=f"It predicts {', '.join(model.property_names) or 'none'}.",
            )
        row[model.property_names.index(name)] = value
    if not np.isfinite(row).any():
        raise UsageError("a condition must name at least one property")
    return row


def sample_conditional(
    model: MolVAE,
    wanted: NDArray[np.floating],
    *,
    temperature: float | None = None,
    seed: int = 0,
    beam: bool | None = None,
    noise: float | None = None,
    n_pool: int = POOL,
) -> list[Molecule | Invalid]:
    """One molecule for each request, or `Invalid` if the pool is exhausted.

    Requests are `n x p`, in original units, NaN where not specified. A conditional decoder reads the
    properties, and each row is decoded once. For any other model, `n_pool` samples of the prior (at least one
    per request) are decoded without a beam, and molecules are selected by the predictions of the property
    heads after encoding them again, which is more accurate than the sampled vector. Other arguments are those
    of `MolVAE.sample`.

    Raises:
        UsageError: The model has no property heads.
    """
    requests = np.asarray(wanted, dtype=np.float64)
    seeds = Seeds(seed)
    if model.settings.model.conditional:
        z = model.sample_latent(len(requests), generator=seeds.numpy("conditional"))
        how = model.sampling(temperature=temperature, beam=beam, noise=noise)
        return model.decode(z, **how, seed=seed, properties=requests)
    if not model.property_names:
        raise UsageError("this model has no property heads", hint="Train it with labels or descriptors.")
    generator = seeds.numpy("conditional")
    z = model.sample_latent(max(n_pool, len(requests)), generator=generator)
    how = model.sampling(temperature=temperature, beam=False, noise=noise)
    drawn = model.decode(z, **how, seed=seed)
    pool = list({item.smiles: item for item in drawn if is_known(item, model.tokenizer)}.values())
    chosen = choose(model.predict(pool), requests, generator=generator)
    nothing = Invalid("", f"the {len(pool)} molecules of {len(z)} draws have all been chosen")
    return MoleculeList(pool[row] if row >= 0 else nothing for row in chosen)


def choose(
    predicted: PropertyPrediction, wanted: NDArray[np.floating], *, generator: np.random.Generator
) -> NDArray[np.int64]:
    """The row of the pool for each request `n x p`, `n`; each row at most once, -1 if the pool is exhausted.

    By Bayes' rule p(molecule | y) is proportional to the prior, of which the pool is a sample, times the
    heads' likelihood of y. A row is drawn with probability proportional to its likelihood and to the
    precision of its predictions, as uncertain heads are overconfident.
    """
    known = np.asarray(np.isfinite(predicted.mean).all(axis=1))
    mean, variance = (np.where(known[:, None], of, 1.0) for of in (predicted.mean, predicted.variance))
    score = np.where(known, 0.0, -np.inf)  # -inf also for rows already taken
    chosen = np.full(len(wanted), -1, dtype=np.int64)
    unsure = np.log(variance)
    for line, values in enumerate(np.asarray(wanted, dtype=np.float64)[: known.sum()]):
        misfit = 0.5 * np.square(values - mean) / variance + unsure
        likely = score - np.where(np.isfinite(values), misfit, 0.0).sum(axis=1)
        best = int(np.argmax(likely + generator.gumbel(size=len(score))))  # a draw in proportion
        chosen[line], score[best] = best, -np.inf
    return chosen
