"""Read a checkpoint directory into the parts of a model, refusing whatever does not fit together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from pydantic import ValidationError

from molvae.chemistry.precedent import Precedent
from molvae.errors import CheckpointError, InputError
from molvae.latent.checkpoint import (
    CONFIG,
    DOMAIN,
    KIND,
    PRECEDENT,
    PRIOR,
    SCHEMA,
    VOCABULARY,
    WEIGHTS,
    load_tensors,
    load_weights,
    read_json,
)
from molvae.latent.config import CodecSettings
from molvae.latent.domain import ApplicabilityDomain
from molvae.models.priors.base import PRIORS, Prior
from molvae.models.vae import SequenceVAE
from molvae.persistence.directories import read_directory
from molvae.tokenizers.base import TOKENIZERS, Tokenizer
from molvae.tokenizers.vocabulary import Vocabulary

if TYPE_CHECKING:
    from pathlib import Path

    from molvae.persistence.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Parts:
    """What a checkpoint holds.

    Attributes:
        network: The network, on the CPU.
        tokenizer: Its tokenizer.
        settings: The contents of `config.json`.
        prior: Where latent vectors are drawn from.
        domain: Which molecules the model knows about; None if it was not calibrated.
        precedent: Bonds and ring systems of its training molecules; likewise.
    """

    network: SequenceVAE
    tokenizer: Tokenizer
    settings: CodecSettings
    prior: Prior
    domain: ApplicabilityDomain | None
    precedent: Precedent | None


def read_parts(directory: Path) -> Parts:
    """Read and check everything in a checkpoint directory.

    Raises:
        CheckpointError: It is missing, incomplete, altered, of another version, or not what it says.
    """
    return read_directory(directory, lambda manifest: _parts(directory, manifest), kind=KIND, schema=SCHEMA)


def _parts(directory: Path, manifest: Manifest) -> Parts:
    for name in (CONFIG, VOCABULARY, WEIGHTS):
        if name not in manifest.files:
            raise CheckpointError(f"{directory} has no {name}")
    try:
        settings = CodecSettings.model_validate(read_json(directory / CONFIG))
    except ValidationError as error:
        raise CheckpointError(f"{directory / CONFIG} is not a model's: {error.errors()[0]['msg']}") from None
    try:
        vocabulary = Vocabulary.from_json((directory / VOCABULARY).read_text(encoding="utf-8"))
    except (InputError, OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{directory / VOCABULARY} is not a vocabulary: {error}") from None
    if settings.tokenizer not in TOKENIZERS:
        raise CheckpointError(f"{directory} needs the tokenizer '{settings.tokenizer}', unknown here")
    tokenizer = TOKENIZERS.get(settings.tokenizer)(vocabulary)
    with torch.device("meta"):
        network = SequenceVAE(settings.model, len(vocabulary), len(settings.property_names))
    load_weights(network, directory / WEIGHTS, assign=True)
    prior = _load_prior(directory, settings, network, stored=PRIOR in manifest.files)
    domain = _load_domain(directory, settings) if DOMAIN in manifest.files else None
    precedent = _load_precedent(directory) if PRECEDENT in manifest.files else None
    return Parts(network, tokenizer, settings, prior, domain, precedent)


def _load_domain(directory: Path, settings: CodecSettings) -> ApplicabilityDomain:
    arrays = {name: tensor.numpy() for name, tensor in load_tensors(directory / DOMAIN).items()}
    try:
        return ApplicabilityDomain.from_arrays(arrays, settings.model.latent_size)
    except ValueError as error:
        raise CheckpointError(f"the domain of {directory} is damaged: {error}") from None


def _load_precedent(directory: Path) -> Precedent:
    arrays = {name: tensor.numpy() for name, tensor in load_tensors(directory / PRECEDENT).items()}
    try:
        return Precedent.of(arrays)
    except (KeyError, ValueError, IndexError) as error:
        raise CheckpointError(f"the precedent of {directory} is damaged: {error}") from None


def _load_prior(directory: Path, settings: CodecSettings, network: SequenceVAE, *, stored: bool) -> Prior:
    if settings.prior not in PRIORS:
        raise CheckpointError(
            f"{directory} has the prior '{settings.prior}', which this version of molvae does not know",
            hint=f"Known: {', '.join(PRIORS.names())}. Fit the prior again with the version that wrote it.",
        )
    tensors = load_tensors(directory / PRIOR) if stored else {}
    try:
        prior = PRIORS.get(settings.prior).from_tensors(tensors, settings.model.latent_size)
        return prior.through(network)
    except ValueError as error:
        raise CheckpointError(f"the prior of {directory} is damaged: {error}") from None
