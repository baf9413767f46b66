"""Validation after each epoch, the KL weight controller, and the loss that selects the best epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from molvae.chemistry.molecule import is_valid, parse
from molvae.data.batching import by_length, collate
from molvae.models.fitting import LARGEST_WARMUP
from molvae.models.generation import generate
from molvae.models.inference import negative_log_likelihood

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from molvae.data.batching import Batch
    from molvae.data.corpus import Corpus
    from molvae.latent.codec import MolVAE
    from molvae.training.config import TrainSettings

_GAIN = 0.005  # change of log beta per step and relative error of the KL
_MEMORY = 0.95  # of the running mean of the KL
_BETA_RANGE = (1e-4, 10.0)


@dataclass(frozen=True, slots=True)
class BetaController:
    """Controls the KL towards a target by adapting beta, after a warm-up.

    An integral controller on log beta: `log beta += gain * (KL / goal - 1)` with KL a running mean. The goal
    moves linearly from a first value to the target.
    """

    beta: float  # weight of the KL after its warm-up
    target: float | None  # KL to end at in nats per molecule; None keeps beta
    warmup: int  # steps over which the weight rises from 0 to beta
    first: float | None = None  # KL to start from
    n_moving: int = 0  # steps over which the goal moves from `first` to `target`
    step: int = 0  # steps seen
    mean_kl: float | None = None  # running mean of the KL; None before the first step

    @classmethod
    def start(cls, settings: TrainSettings, n_steps: int) -> BetaController:
        """The controller at the first of `n_steps`."""
        target = None if settings.fixed_beta else settings.kl_target
        warmup = min(settings.beta_warmup_steps, int(LARGEST_WARMUP * n_steps))
        n_moving = round(settings.kl_moving * n_steps)
        return cls(settings.beta, target, warmup, settings.kl_start, n_moving)

    @property
    def goal(self) -> float | None:
        """KL to reach at this step."""
        if self.target is None or self.first is None or self.step >= self.n_moving:
            return self.target
        return self.first + (self.target - self.first) * self.step / self.n_moving

    @property
    def weight(self) -> float:
        """Weight of the KL at this step."""
        return self.beta * min(1.0, (self.step + 1) / self.warmup) if self.warmup else self.beta

    def after(self, kl: float) -> BetaController:
        """The controller for the next step, given this step's KL (mean over the batch)."""
        mean = kl if self.mean_kl is None else _MEMORY * self.mean_kl + (1.0 - _MEMORY) * kl
        beta, goal = self.beta, self.goal
        if goal is not None and self.step >= self.warmup:
            beta = min(max(beta * math.exp(_GAIN * (mean / goal - 1.0)), _BETA_RANGE[0]), _BETA_RANGE[1])
        return replace(self, beta=beta, step=self.step + 1, mean_kl=mean)


def validation_loss(
    measured: Mapping[str, float], controller: BetaController, property_weight: float
) -> float:
    """The loss that selects the best epoch: reconstruction + property + KL above its target (else beta KL).

    With noise levels, the reconstruction at level 1 is added to that at 0.
    """
    beyond = (
        controller.beta * measured["kl"]
        if controller.target is None
        else max(measured["kl"] - controller.target, 0.0)
    )
    on_text = measured["reconstruction"] + measured.get("free", 0.0)
    return on_text + property_weight * measured["property"] + beyond


VALIDITY, UNIQUENESS = "_validity", "_uniqueness"
"""Suffixes of the metrics of a prior's samples, after the name of the prior."""

_ROWS = 256
_ACTIVE = 0.01  # a dimension is active if the variance of its mean is above (Burda et al., arXiv:1509.00519)


def to_tensors(batch: Batch, device: torch.device) -> dict[str, torch.Tensor]:
    """A batch as the arguments of the network."""
    arrays = vars(batch).items()
    return {name: torch.from_numpy(array).to(device, non_blocking=True) for name, array in arrays}


@torch.inference_mode()
def validate(
    model: MolVAE, corpus: Corpus, rows: NDArray[np.int64], *, n_samples: int, seed: int
) -> dict[str, float]:
    """Figures of a model on corpus rows `n` and on prior samples; all greedy.

    Returns:
        `reconstruction`, `kl`, `property` in nats per molecule; of a decoder with noise levels also `free`,
        -log p(x) at level 1; `exact_reconstruction` (same molecule, from mu); `active_units`; `mae_NAME` per
        property; and what `on_prior` measures.
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
        batch = to_tensors(collate(corpus, part, scaler=model.scaler), model.device)
        elbo = model.network(**batch, generator=generator)
        terms.append(torch.stack([elbo.reconstruction, elbo.kl, elbo.property]).double().cpu().numpy())
        mu = elbo.posterior.mu
        if model.settings.model.noise_levels:
            tokens, lengths = batch["tokens"], batch["lengths"]
            nll = negative_log_likelihood(model.network, tokens, lengths, mu, torch.ones_like(mu[:, 0]))
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
    network = model.network
    written = generate(network.decoder, network.decoder_input(mu), max_length=model.settings.max_length)
    texts = model.tokenizer.decode_many(written.tokens.cpu().numpy())
    return sum(
        text == smiles or (is_valid(molecule := parse(text)) and molecule.smiles == smiles)
        for text, smiles in zip(texts, corpus.smiles(rows), strict=True)
    )
