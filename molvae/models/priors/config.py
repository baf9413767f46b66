"""Settings of the priors that are fitted to a trained model."""

from __future__ import annotations

from molvae.config import Field, Settings


class FlowSettings(Settings):
    """A flow-matching prior: how large its network is and how long it is trained."""

    width: int = Field(default=256, ge=1, le=8192)
    """Units between the residual blocks."""
    hidden: int = Field(default=512, ge=1, le=8192)
    """Hidden units of each residual block."""
    n_blocks: int = Field(default=3, ge=1, le=32)
    """Residual blocks."""
    n_harmonics: int = Field(default=4, ge=1, le=64)
    """Cosines and sines of the time the network reads."""
    steps: int = Field(default=12_000, ge=1)
    """Training steps."""
    max_passes: int = Field(default=200, ge=1)
    """Passes over the molecules after which training ends, if that comes before `steps`."""
    batch_size: int = Field(default=256, ge=1)
    """Molecules per step."""
    learning_rate: float = Field(default=1e-3, gt=0.0)
    """Peak of the learning rate: linear warm-up, then a cosine to 0."""
    ema_decay: float = Field(default=0.999, ge=0.0, lt=1.0)
    """Decay of the running mean of the weights, which is what is kept."""
    sampling_steps: int = Field(default=5, ge=1, le=1000)
    """Runge-Kutta steps (four evaluations each) from noise to a latent vector."""
    temperature: float = Field(default=1.0, gt=0.0)
    """Standard deviation of the noise they start from: below 1, samples are more typical and less diverse."""


class LanguageSettings(Settings):
    """A language prior: how its language model is trained."""

    hidden: int | None = Field(default=None, ge=1, le=8192)
    """Units of a layer, random at first; if not given, it begins as the decoder, or as the initial one."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the units hidden, in all steps of a molecule alike: lets a larger one be trained longer."""
    epochs: int = Field(default=6, ge=0)
    """Passes over the training molecules; 0 takes over the language model of another checkpoint (initial)."""
    batch_size: int = Field(default=128, ge=1)
    """Molecules per step."""
    learning_rate: float = Field(default=1.5e-3, gt=0.0)
    """Peak of the learning rate: linear warm-up, then a cosine to 0."""
    ema_decay: float = Field(default=0.999, ge=0.0, lt=1.0)
    """Decay of the running mean of the weights, which is what is kept."""
    temperature: float = Field(default=1.0, gt=0.0)
    """Of the tokens it writes: below 1, samples are more typical and less diverse."""


class GanSettings(Settings):
    """A latent GAN: how large its two networks are and how long they are trained."""

    hidden: int = Field(default=256, ge=1, le=8192)
    """Units of the three hidden layers of generator and critic."""
    steps: int = Field(default=20_000, ge=1)
    """Training steps of the critic; the generator takes one for five of them."""
    batch_size: int = Field(default=256, ge=1)
    """Molecules per step."""
    learning_rate: float = Field(default=3e-4, gt=0.0)
    """Peak of the learning rate: linear warm-up, then a cosine to 0."""
    ema_decay: float = Field(default=0.999, ge=0.0, lt=1.0)
    """Decay of the running mean of the weights, which is what is kept."""


class FitSettings(Settings):
    """What each prior that can be fitted takes."""

    flow: FlowSettings = FlowSettings()
    """The flow."""
    language: LanguageSettings = LanguageSettings()
    """The language model of a language prior."""
    gan: GanSettings = GanSettings()
    """The latent GAN."""
