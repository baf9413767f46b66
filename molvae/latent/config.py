"""Settings of a checkpoint: the contents of its config.json."""

from __future__ import annotations

from typing import Any, Literal

from molvae.config import Field, Settings
from molvae.models.config import ModelSettings


class CodecSettings(Settings):
    """The contents of a checkpoint's `config.json`."""

    model: ModelSettings
    """Sizes of the network."""
    tokenizer: str
    """Name of the tokenizer."""
    max_length: int = Field(ge=1, le=4096)
    """Longest molecule the decoder writes, in tokens with the end mark."""
    standardize: Literal["none", "basic", "parent"] = "basic"
    """How molecules are standardized before they are encoded; the same as in the training data."""
    keep_stereo: bool = True
    """Whether stereochemistry is kept; the same as in the training data."""
    property_names: tuple[str, ...] = ()
    """Properties the head predicts."""
    property_mean: tuple[float, ...] = ()
    """Mean of each property over the training molecules."""
    property_scale: tuple[float, ...] = ()
    """Standard deviation of each property over the training molecules."""
    prior: str = "normal"
    """Prior of latent vectors: normal for N(0, I), or the name of a fitted prior."""
    facts: dict[str, Any] = Field(default_factory=dict)
    """Origin and metrics of the model, shown on the card."""
