"""Settings of the sequence VAE: sizes, and which member of the autoencoder family it is."""

from __future__ import annotations

from typing import Literal

from molvae.config import Field, Settings

PAD, BOS, EOS, UNK = 0, 1, 2, 3
"""The ids every vocabulary begins with: padding, begin, end, unknown."""
INFERENCE_STEPS = 3
"""Gradient steps from the encoder's mean where a molecule should come back as itself; one takes about as long
as a step of training. Fewer molecules come back with less, hardly more with more."""


class PenaltySettings(Settings):
    """Weights of the regularizers; each is added to the loss, in nats per molecule per unit of penalty."""

    sparse: float = Field(default=0.0, ge=0.0)
    """Sum of |mu|: a sparse autoencoder."""
    contractive: float = Field(default=0.0, ge=0.0)
    """Squared Frobenius norm of the Jacobian of mu by the token embeddings: a contractive autoencoder."""
    mmd: float = Field(default=0.0, ge=0.0)
    """Maximum mean discrepancy between the batch's z and N(0, I): a Wasserstein autoencoder."""


class ModelSettings(Settings):
    """Sizes of the sequence VAE, the noise on its inputs, and its regularizers."""

    posterior: Literal["gaussian", "dirac"] = "gaussian"
    """gaussian: a variational autoencoder; dirac: a plain one, where z is mu and there is no KL."""
    conditional: bool = False
    """Let the decoder see the properties too: a conditional autoencoder. Unknown properties are allowed."""
    conditional_prior: bool = False
    """Learn where the z of molecules with given properties lie, instead of N(0, I) for all."""
    condition_dropout: float = Field(default=0.1, ge=0.0, le=1.0)
    """Share of the properties hidden from a conditional model while training, so that each may be missing."""
    penalties: PenaltySettings = PenaltySettings()
    """Regularizers beside the KL."""

    latent_size: int = Field(default=128, ge=1, le=4096)
    """Dimensions of the latent vector z."""
    embedding_size: int = Field(default=64, ge=1, le=4096)
    """Dimensions of a token's embedding."""
    encoder_hidden: int = Field(default=192, ge=1, le=8192)
    """Hidden units of the bidirectional GRU encoder, per direction."""
    encoder_layers: int = Field(default=1, ge=1, le=8)
    """Layers of the encoder."""
    decoder_hidden: int = Field(default=384, ge=1, le=8192)
    """Hidden units of the GRU decoder."""
    decoder_layers: int = Field(default=1, ge=1, le=8)
    """Layers of the decoder."""
    head_hidden: int = Field(default=128, ge=1, le=8192)
    """Hidden units of the property head."""
    head_input: Literal["sample", "mean", "both"] = "sample"
    """What the property head learns from: a sample of the posterior, its mean, or both in equal parts. Means
    make it exact on encoded molecules, samples make it hold between them too."""
    token_dropout: float = Field(default=0.1, ge=0.0, le=1.0)
    """Share of the decoder's input tokens hidden (made unknown) while training, so that it reads z."""
    noise_levels: bool = False
    """Teach the decoder every noise level s from 0 to 1: it reads sqrt(1 - s^2) z + s noise and is told s. At
    0 it reconstructs, at 1 it is a language model that ignores z, between them it varies the molecule."""
    exact_share: float = Field(default=0.5, ge=0.0, le=1.0)
    """Share of the molecules it learns from without noise."""
    free_share: float = Field(default=0.4, ge=0.0, le=1.0)
    """Share of the others it learns from at level 1; the rest is spread evenly between the two."""
    source_dropout: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of the encoder's input tokens hidden while training: a denoising autoencoder."""
    source_swap: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of the encoder's neighboring input tokens that change places while training: likewise."""
