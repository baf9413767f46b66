"""Before the first step: a fresh model for a corpus, and the rows to train and validate on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from molvae.data.scaling import PropertyScaler
from molvae.errors import ConfigError, InputError
from molvae.latent.codec import MolVAE
from molvae.latent.config import CodecSettings
from molvae.models.growth import take_over_network
from molvae.models.priors.base import StandardNormal
from molvae.models.vae import SequenceVAE
from molvae.seeding import Seeds
from molvae.tokenizers.base import TOKENIZERS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from molvae.data.corpus import Corpus
    from molvae.training.config import TrainSettings

_MARGIN = 8  # tokens a decode may be longer than the longest training molecule


def fresh_model(
    corpus: Corpus,
    train_rows: NDArray[np.int64],
    settings: TrainSettings,
    facts: dict[str, Any],
    source: MolVAE | None = None,
) -> MolVAE:
    """A model on the CPU: a new one, or one that begins with the weights and the prior of `source`.

    Properties are scaled by the training rows, or, if `source` predicts the same ones, as it scales them.

    Raises:
        ConfigError: The corpus was not prepared with the vocabulary of `initial`; or parts are frozen, but
            there is no `initial`, or no other part.
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
            prior, facts = source.prior, {**_of_prior(source), **facts}
    _freeze(network, settings)
    codec = CodecSettings(
        model=settings.model,
        tokenizer=corpus.tokenizer_name,
        max_length=longest,
        standardize=corpus.settings.standardize,
        keep_stereo=corpus.settings.keep_stereo,
        property_names=scaler.names,
        property_mean=scaler.mean,
        property_scale=scaler.scale,
        facts={"n_training_molecules": len(train_rows), "seed": settings.seed, **facts},
    )
    return MolVAE(network, TOKENIZERS.get(corpus.tokenizer_name)(corpus.vocabulary), codec, prior)


def _copy_weights(source: MolVAE, network: SequenceVAE, corpus: Corpus) -> None:
    """Take over all weights, but the property head's if it is for other properties."""
    same_text = (
        source.tokenizer.vocabulary == corpus.vocabulary and source.tokenizer.name == corpus.tokenizer_name
    )
    if not same_text:
        raise ConfigError(
            f"the corpus {corpus.path} has another vocabulary than the checkpoint to start from",
            hint="Prepare it with --vocabulary and --tokenizer of that checkpoint.",
        )
    take_over_network(network, source.network, with_head=source.property_names == corpus.property_names)


def _freeze(network: SequenceVAE, settings: TrainSettings) -> None:
    """Keep the parts from training that the settings say."""
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


def _of_prior(source: MolVAE) -> dict[str, Any]:
    """What the card of a model tells of its prior."""
    told = source.settings.facts.get("prior")
    return {} if told is None else {"prior": told}


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
    if settings.randomized_input and corpus.n_randomized == 0:
        raise ConfigError(
            "randomized_input needs a corpus with randomized SMILES, but this one has none",
            hint="Prepare it with --set n_randomized=4.",
        )
    chosen = Seeds(settings.seed).numpy("validation-rows").permutation(len(valid_rows))
    return train_rows, valid_rows[sorted(chosen[: settings.n_validation])]
