"""The model that training starts from, fresh or from a checkpoint, and its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from molvae.config import given, load_settings
from molvae.data.batching import by_length
from molvae.data.scaling import PropertyScaler
from molvae.errors import ConfigError, InputError
from molvae.latent.codec import MolVAE
from molvae.latent.config import CodecSettings
from molvae.models.growth import take_over_network
from molvae.models.priors.base import StandardNormal
from molvae.models.priors.language import LanguagePrior
from molvae.models.vae import SequenceVAE
from molvae.seeding import Seeds
from molvae.tokenizers.base import TOKENIZERS
from molvae.training.config import TrainSettings
from molvae.training.language_fitting import BATCH
from molvae.training.prior_fitting import encoded

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from molvae.data.corpus import Corpus
    from molvae.models.priors.base import Prior

_MARGIN = 8  # tokens a decoded text may exceed the longest training molecule by


def fresh_model(
    corpus: Corpus,
    train_rows: NDArray[np.int64],
    settings: TrainSettings,
    facts: dict[str, Any],
    source: MolVAE | None = None,
) -> MolVAE:
    """A model on the CPU: a new one, or one initialized with the weights and the prior of `source`.

    Properties are scaled by the training rows or, if `source` predicts the same ones, as in `source`.

    Raises:
        ConfigError: The corpus was not prepared with the vocabulary of `initial`; or parts are frozen without
            `initial`; or all parts are.
    """
    prior, longest = None, int(corpus.lengths[train_rows].max()) + _MARGIN
    scaler = PropertyScaler.fit(corpus.labels[train_rows], corpus.property_names)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(Seeds(settings.seed).integer("weights"))
        network = SequenceVAE(settings.model, len(corpus.vocabulary), len(corpus.property_names))
    if source is not None:
        _copy_weights(source, network, corpus)
        if source.property_names == scaler.names:
            scaler = source.scaler  # as the head that was taken over has it
        longest = max(longest, source.settings.max_length)
        facts = {"initial": settings.initial.name if settings.initial else "a model", **facts}
        if settings.prior.name == source.prior.name:
            prior = source.prior  # until it is fitted again
        elif "decoder" in settings.frozen and settings.prior.name == StandardNormal.name:
            prior = source.prior
            described = source.settings.facts.get("prior")
            facts = facts if described is None else {"prior": described, **facts}
    _freeze(network, settings)
    codec = CodecSettings(
        model=settings.model,
        tokenizer=corpus.settings.tokenizer,
        max_length=longest,
        standardize=corpus.settings.standardize,
        keep_stereo=corpus.settings.keep_stereo,
        property_names=scaler.names,
        property_mean=scaler.mean,
        property_scale=scaler.scale,
        facts={"n_training_molecules": len(train_rows), "seed": settings.seed, **facts},
    )
    return MolVAE(network, TOKENIZERS.get(corpus.settings.tokenizer)(corpus.vocabulary), codec, prior)


def _copy_weights(source: MolVAE, network: SequenceVAE, corpus: Corpus) -> None:
    """Copy all weights, except those of a property head for other properties."""
    same_text = (
        source.tokenizer.vocabulary == corpus.vocabulary
        and source.tokenizer.name == corpus.settings.tokenizer
    )
    if not same_text:
        raise ConfigError(
            f"the corpus {corpus.path} has another vocabulary than the checkpoint to start from",
            hint="Prepare it with --vocabulary and --tokenizer of that checkpoint.",
        )
    take_over_network(network, source.network, with_head=source.property_names == corpus.property_names)


def _freeze(network: SequenceVAE, settings: TrainSettings) -> None:
    """Freeze the parts named in the settings."""
    if settings.frozen and settings.initial is None:
        raise ConfigError(
            "only parts of a trained model can be frozen",
            hint="Name a checkpoint to start from: --initial CHECKPOINT.",
        )
    for part in settings.frozen:
        module = getattr(network, part)
        if module is not None:
            module.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise ConfigError("every part of the model is frozen: there is nothing to train")


def chosen_rows(corpus: Corpus, settings: TrainSettings) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Training rows, and the validation rows in use."""
    train_rows, valid_rows = corpus.rows("train"), corpus.rows("valid")
    if len(train_rows) == 0:
        raise InputError(f"the corpus {corpus.path} has no training molecules")
    if len(valid_rows) == 0:
        raise InputError(
            f"the corpus {corpus.path} has no validation molecules",
            hint="Prepare it with a split that leaves some: --set fractions=[0.9,0.05,0.05]",
        )
    chosen = Seeds(settings.seed).numpy("validation-rows").permutation(len(valid_rows))
    return train_rows, valid_rows[sorted(chosen[: settings.n_validation])]


_FINE_TUNING: dict[str, Any] = {"learning_rate": 5e-4, "beta": 0.03, "beta_warmup_steps": 0}
"""Defaults for fine-tuning."""
_LEAST_STEPS = 60  # a language model needs to learn a new series; many more steps overfit
_MEASURED = 1000  # maximum number of molecules whose KL is measured
_GROWING = ("encoder_hidden", "head_hidden")  # sizes that may exceed those of the checkpoint to start from
_OF_TRAINING = ("token_dropout", "head_input")  # affect training only, not the model


def with_initial(settings: TrainSettings, source: MolVAE, n_training: int) -> TrainSettings:
    """The settings completed by the sizes and the prior of the initial model.

    Explicit settings take precedence.
    """
    asked, sizes = settings.model, source.settings.model
    own = {name: getattr(asked, name) for name in asked.model_fields_set.intersection(_OF_TRAINING)}
    own["noise_levels"] = asked.noise_levels or sizes.noise_levels
    for name in asked.model_fields_set.intersection(_GROWING):
        own[name] = max(getattr(asked, name), getattr(sizes, name))
    changes: dict[str, Any] = {"model": sizes.model_copy(update=own)}
    changes |= {name: value for name, value in _FINE_TUNING.items() if name not in settings.model_fields_set}
    if "prior.name" not in given(settings) and "decoder" not in settings.frozen:
        changes["prior"] = settings.prior.model_copy(
            update=_prior_changes(settings, source.prior, n_training)
        )
    return settings.model_copy(update=changes)


def with_kl_target(settings: TrainSettings, kl: float, written: Path) -> TrainSettings:
    """The settings with a KL target, if they do not set one.

    The target is the KL of the training molecules in the initial model; a resumed run takes it from its
    `written` settings.
    """
    if "kl_target" in settings.model_fields_set:
        return settings
    begun = written.exists()
    target = load_settings(TrainSettings, written, stored=True).kl_target if begun else max(round(kl, 1), 0.1)
    return settings.model_copy(update={"kl_target": target})


def mean_kl(model: MolVAE, corpus: Corpus, rows: NDArray[np.int64]) -> float:
    """KL of (at most a thousand) rows of a corpus, in nats per molecule."""
    return float(encoded(model, corpus, by_length(rows[:_MEASURED], corpus.lengths)).kl().mean())


def _prior_changes(settings: TrainSettings, prior: Prior, n_training: int) -> dict[str, Any]:
    changes: dict[str, Any] = {"name": prior.name}
    if not isinstance(prior, LanguagePrior):
        return changes
    if "posterior_scale" not in settings.prior.model_fields_set:
        changes["posterior_scale"] = prior.scale
    language = settings.prior.language
    per_epoch = -(-n_training // BATCH)
    defaults = {
        "dropout": 0.2,
        "temperature": prior.temperature,
        "epochs": max(language.epochs, -(-_LEAST_STEPS // per_epoch)),
    }
    changed = {name: value for name, value in defaults.items() if name not in language.model_fields_set}
    return changes | {"language": language.model_copy(update=changed)}
