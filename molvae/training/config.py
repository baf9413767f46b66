"""Settings of `molvae train`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from molvae.config import Field, Settings
from molvae.models.config import FitSettings, ModelSettings


class PriorSettings(FitSettings):
    """The prior to fit to a trained model, and its training data."""

    retired: ClassVar = {"n_samples": 250_000, "n_validation": 1000}

    name: str = "normal"
    """Prior that samples are drawn from: flow, language, gan, or normal for N(0, I)."""
    posterior_scale: float = Field(default=0.75, ge=0.0, le=4.0)
    """Factor of the posteriors' standard deviations in the fit: below 1, samples are closer to the posterior
    means, where decoding is more reliable; 1 fits the aggregated posterior; above 1, a wider distribution,
    which is easier to learn."""


class FitPriorSettings(PriorSettings):
    """Settings of `molvae fit-prior`."""

    name: str = "flow"
    """Prior that samples are drawn from: flow, language, gan, or normal for N(0, I)."""
    initial: Path | None = None
    """Checkpoint whose prior the fit continues from: a flow of this or a similar model, or a language model
    of the same vocabulary."""


class FitHeadsSettings(Settings):
    """Settings of `molvae fit-heads`."""

    retired: ClassVar = {
        "folds": 5, "input": "both", "least_steps": 300, "batch_size": 256, "learning_rate": 2e-3,
        "ema_decay": 0.999,
    }  # fmt: skip

    hidden: int = Field(default=128, ge=1, le=8192)
    """Hidden units of each member."""
    epochs: int = Field(default=20, ge=1)
    """Passes over the labelled molecules, more for small sets: at least 300 steps. The best epoch by
    the validation split is kept."""


class TrainSettings(Settings):
    """How a model is trained."""

    retired: ClassVar = {
        "warmup_steps": 300, "weight_decay": 0.01, "gradient_clip": 5.0, "randomized_input": False,
    }  # fmt: skip

    model: ModelSettings = ModelSettings()
    """Sizes of the model."""
    prior: PriorSettings = PriorSettings()
    """The prior to fit at the end of training. With initial, if no name is given, a prior like that of the
    initial model, continued from it where possible."""
    initial: Path | None = None
    """Checkpoint to fine-tune: training starts from its weights and sizes (model.encoder_hidden and
    model.head_hidden may be larger); the corpus must have its vocabulary (prepare --vocabulary)."""
    frozen: tuple[Literal["encoder", "decoder", "head"], ...] = ()
    """Parts to freeze: encoder, decoder, head. If the decoder is frozen, the prior of that checkpoint is kept
    unless another is asked for."""
    epochs: int = Field(default=30, ge=1)
    """Passes over the training split, or over parts of `epoch_size` of it."""
    epoch_size: int | None = Field(default=None, ge=1)
    """Training molecules per epoch, for large splits: a pass is divided into epochs of about this size, each
    followed by validation. The whole split if not given."""
    batch_size: int = Field(default=128, ge=1)
    """Molecules per step, over all processes together."""
    learning_rate: float = Field(default=2e-3, gt=0.0)
    """Peak of the learning rate: linear warm-up, then a cosine down to a hundredth of it. With initial, .0005
    if not given."""
    beta: float = Field(default=0.1, ge=0.0)
    """Weight of the KL term; the initial value of the controller if kl_target is set. With initial, .03 if
    not given."""
    kl_target: float | None = Field(default=45.0, gt=0.0)
    """Target KL in nats per molecule, reached by adapting beta; ignored with fixed_beta. If not given, with
    initial, the KL of the training molecules in the initial model."""
    kl_start: float | None = Field(default=None, gt=0.0)
    """Target KL at the start of training; kl_target if not given."""
    kl_moving: float = Field(default=0.6, ge=0.0, le=1.0)
    """Share of the run over which the target moves from kl_start to kl_target."""
    fixed_beta: bool = False
    """Keep beta constant (after its warm-up) instead of adapting it to kl_target."""
    beta_warmup_steps: int = Field(default=1000, ge=0)
    """Steps over which beta rises linearly from 0; at most a tenth of the run, and none with initial if not
    given."""
    free_bits: float = Field(default=0.0, ge=0.0)
    """Free bits: minimum KL of a dimension, in nats, that is charged; prevents posterior collapse."""
    property_weight: float = Field(default=3.0, ge=0.0)
    """Weight of the property loss; at 3 its gradient is about as large as that of the reconstruction."""
    patience: int = Field(default=10, ge=1)
    """Epochs without a better validation loss after which training stops."""
    n_validation: int = Field(default=1000, ge=1)
    """Molecules reconstructed, and prior samples drawn, in each validation."""
    checkpoint_every: int = Field(default=500, ge=1)
    """Steps between saved states; resuming from one is exact on the same CPU build."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of matrix products; auto is bfloat16 where it is much faster (CUDA, and CPUs with AMX or
    AVX-512 BF16), float32 elsewhere."""
    device: str = "auto"
    """cpu, cuda, mps, or auto."""
    threads: int = Field(default=0, ge=0, le=1024)
    """CPU threads; 0 leaves the choice to torch. Results depend on it by rounding."""
    seed: int = Field(default=0, ge=0)
    """Seed of the initial weights, the batch order and all noise."""
    trackers: tuple[str, ...] = ()
    """Experiment trackers that also receive the metrics: tensorboard, mlflow, wandb, or a registered one."""
