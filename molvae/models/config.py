"""Settings of the sequence VAE."""

from __future__ import annotations

from molvae.config import Field, Settings


class ModelSettings(Settings):
    """Sizes of the sequence VAE and the noise on its decoder's input."""

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
    token_dropout: float = Field(default=0.1, ge=0.0, le=1.0)
    """Share of the decoder's input tokens hidden (made unknown) while training, so that it reads z."""
