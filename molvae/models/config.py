"""Settings of the sequence VAE and of the priors that are fitted to it."""

from __future__ import annotations

from typing import ClassVar, Literal

from molvae.config import Field, Settings

PAD, BOS, EOS, UNK = 0, 1, 2, 3
"""The first ids of every vocabulary: padding, begin, end, unknown."""
INFERENCE_STEPS = 30
"""Maximum gradient steps on the posterior mean in encoding; each costs about as much as a training step. A
molecule stops once it decodes to itself: most take zero to three steps, large ones more."""


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

    retired: ClassVar = {
        "condition_dropout": 0.1, "exact_share": 0.5, "free_share": 0.4, "conditional_prior": False,
        "encoder_layers": 1,
    }  # fmt: skip

    posterior: Literal["gaussian", "dirac"] = "gaussian"
    """gaussian: a variational autoencoder; dirac: a plain autoencoder, with z = mu and no KL."""
    conditional: bool = False
    """Condition the decoder on the properties; unknown ones are allowed."""
    penalties: PenaltySettings = PenaltySettings()
    """Regularizers in addition to the KL."""

    latent_size: int = Field(default=128, ge=1, le=4096)
    """Dimensions of the latent vector z."""
    embedding_size: int = Field(default=64, ge=1, le=4096)
    """Dimensions of a token's embedding."""
    encoder_hidden: int = Field(default=192, ge=1, le=8192)
    """Hidden units of the bidirectional GRU encoder, per direction."""
    decoder_hidden: int = Field(default=384, ge=1, le=8192)
    """Hidden units of the GRU decoder."""
    decoder_layers: int = Field(default=1, ge=1, le=8)
    """Layers of the decoder."""
    head_hidden: int = Field(default=128, ge=1, le=8192)
    """Hidden units of the property head."""
    head_input: Literal["sample", "mean", "both"] = "sample"
    """Input of the property head in training: posterior sample, mean, or both. The mean is more accurate on
    encoded molecules, samples generalize between them."""
    token_dropout: float = Field(default=0.1, ge=0.0, le=1.0)
    """Share of the decoder's input tokens replaced by unknown in training, so that it relies on z."""
    noise_levels: bool = False
    """Train the decoder at noise levels s from 0 to 1: it reads s and sqrt(1 - s^2) z + s noise. At 0 it
    reconstructs, at 1 it is a language model that ignores z, between them it varies the molecule."""
    source_dropout: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of the encoder's input tokens replaced by unknown in training: a denoising autoencoder."""
    source_swap: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of neighboring input tokens of the encoder swapped in training: a denoising autoencoder."""


class FlowSettings(Settings):
    """A flow-matching prior: training of its network."""

    retired: ClassVar = {
        "n_harmonics": 4, "max_passes": 200, "batch_size": 256, "ema_decay": 0.999, "sampling_steps": 5,
        "width": 256, "hidden": 512, "n_blocks": 3, "learning_rate": 1e-3, "temperature": 1.0,
    }  # fmt: skip

    steps: int = Field(default=12_000, ge=1)
    """Training steps."""


class LanguageSettings(Settings):
    """A language prior: training of its language model."""

    retired: ClassVar = {"ema_decay": 0.999, "batch_size": 128}

    hidden: int | None = Field(default=None, ge=1, le=8192)
    """Units of a layer, randomly initialized; if not given, it starts as the decoder or the initial model."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Dropout of hidden units, the same at all steps of a molecule."""
    epochs: int = Field(default=6, ge=0)
    """Passes over the training molecules; 0 copies the language model of another checkpoint (initial)."""
    learning_rate: float = Field(default=1.5e-3, gt=0.0)
    """Peak of the learning rate: linear warm-up, then a cosine to 0."""
    temperature: float = Field(default=1.0, gt=0.0)
    """Sampling temperature of the tokens: below 1, samples are more typical and less diverse."""


class GanSettings(Settings):
    """A latent GAN: training of its two networks."""

    retired: ClassVar = {"batch_size": 256, "ema_decay": 0.999, "hidden": 256, "learning_rate": 3e-4}

    steps: int = Field(default=20_000, ge=1)
    """Training steps of the critic; the generator takes one for every five."""


class FitSettings(Settings):
    """Settings of the priors that can be fitted."""

    flow: FlowSettings = FlowSettings()
    """The flow."""
    language: LanguageSettings = LanguageSettings()
    """The language model of a language prior."""
    gan: GanSettings = GanSettings()
    """The latent GAN."""
