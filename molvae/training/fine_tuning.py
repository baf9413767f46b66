"""Training that goes on from a checkpoint: what is not set is taken from the model it begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from molvae.config import given, load_settings
from molvae.data.batching import collate
from molvae.models.priors.flow import FlowPrior
from molvae.models.priors.language import LanguagePrior
from molvae.training.config import TrainSettings
from molvae.training.validation import to_tensors

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from molvae.data.corpus import Corpus
    from molvae.latent.codec import MolVAE
    from molvae.models.priors.base import Prior

_GENTLE: dict[str, Any] = {"learning_rate": 5e-4, "beta": 0.03, "beta_warmup_steps": 0}
"""What suits a model that has learned already, where nothing else is asked for."""
_GENTLE_LANGUAGE: dict[str, Any] = {"dropout": 0.2}
_LEAST_STEPS = 60  # a language model needs to take up a new series; with many more it recites it
_MEASURED = 1000  # molecules, at most, whose KL is measured
_ROWS = 256
_GROWING = ("encoder_hidden", "head_hidden")  # sizes that may exceed those of the checkpoint to start from
# not of the model, but of how it learns
_OF_TRAINING = ("token_dropout", "head_input", "exact_share", "free_share")


def as_begun(settings: TrainSettings, source: MolVAE, n_training: int) -> TrainSettings:
    """The settings with the sizes of the model that training begins with; its prior is fitted again.

    Args:
        settings: What was asked for; whatever it sets stays.
        source: The model.
        n_training: Training molecules.
    """
    asked, sizes = settings.model, source.settings.model
    own = {name: getattr(asked, name) for name in asked.model_fields_set.intersection(_OF_TRAINING)}
    own["noise_levels"] = asked.noise_levels or sizes.noise_levels
    for name in asked.model_fields_set.intersection(_GROWING):
        own[name] = max(getattr(asked, name), getattr(sizes, name))
    changes: dict[str, Any] = {"model": sizes.model_copy(update=own)}
    changes |= {name: value for name, value in _GENTLE.items() if name not in settings.model_fields_set}
    if "prior.name" not in given(settings) and "decoder" not in settings.frozen:
        changes["prior"] = settings.prior.model_copy(
            update=_prior_changes(settings, source.prior, n_training)
        )
    return settings.model_copy(update=changes)


def with_kl_target(settings: TrainSettings, kl: float, written: Path) -> TrainSettings:
    """The settings with the KL that training is to keep, if they do not set one.

    Args:
        settings: What was asked for.
        kl: Of the training molecules, in the model training begins with.
        written: Settings of the run, if it was begun before: it goes on with the target it has.
    """
    if "kl_target" in settings.model_fields_set:
        return settings
    begun = written.exists()
    target = load_settings(TrainSettings, written).kl_target if begun else max(round(kl, 1), 0.1)
    return settings.model_copy(update={"kl_target": target})


@torch.inference_mode()
def mean_kl(model: MolVAE, corpus: Corpus, rows: NDArray[np.int64]) -> float:
    """KL of (at most a thousand) rows of a corpus, in nats per molecule."""
    chosen = rows[:_MEASURED]
    generator = torch.Generator().manual_seed(0)
    total = 0.0
    for start in range(0, len(chosen), _ROWS):
        batch = collate(corpus, chosen[start : start + _ROWS], scaler=model.scaler)
        total += float(model.network(**to_tensors(batch, model.device), generator=generator).kl.sum())
    return total / len(chosen)


def prior_to_go_on_from(source: MolVAE | None, name: str) -> MolVAE | None:
    """The model training began with, if the prior of that name is trained in steps and is the one it has."""
    if source is None or source.prior.name != name:
        return None
    return source if isinstance(source.prior, FlowPrior | LanguagePrior) else None


def _prior_changes(settings: TrainSettings, prior: Prior, n_training: int) -> dict[str, Any]:
    changes: dict[str, Any] = {"name": prior.name}
    if not isinstance(prior, LanguagePrior):
        return changes
    if "posterior_scale" not in settings.prior.model_fields_set:
        changes["posterior_scale"] = prior.scale
    language = settings.prior.language
    per_epoch = -(-n_training // language.batch_size)
    gentle = _GENTLE_LANGUAGE | {
        "temperature": prior.temperature,
        "epochs": max(language.epochs, -(-_LEAST_STEPS // per_epoch)),
    }
    free = {name: value for name, value in gentle.items() if name not in language.model_fields_set}
    return changes | {"language": language.model_copy(update=free)}
