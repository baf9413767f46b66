"""Settings of `molvae train`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from molvae.config import Field, Settings
from molvae.models.config import FitSettings, ModelSettings


class PriorSettings(FitSettings):
    """Which prior is fitted to a trained model, and to what."""

    name: str = "normal"
    """Prior that samples are drawn from: flow, language, gan, or normal for N(0, I)."""
    posterior_scale: float = Field(default=0.75, ge=0.0, le=4.0)
    """Share of the posteriors' standard deviations it is fitted with: below 1, samples lie nearer to the
    posterior means, where the decoder writes better; 1 fits the aggregated posterior itself, and more a wider
    one, which is easier to learn, if the decoder bears it."""
    n_samples: int = Field(default=250_000, ge=2)
    """Training molecules whose posteriors it is fitted to, at most."""
    n_validation: int = Field(default=1000, ge=1)
    """Samples its validity is measured on."""


class FitPriorSettings(PriorSettings):
    """What `molvae fit-prior` does."""

    name: str = "flow"
    """Prior that samples are drawn from: flow, language, gan, or normal for N(0, I)."""
    initial: Path | None = None
    """Checkpoint whose prior the fit continues from: a flow of this or a similar model, in sizes no smaller,
    or a language model of the same vocabulary."""


class FitHeadsSettings(Settings):
    """What `molvae fit-heads` does."""

    folds: int = Field(default=5, ge=1, le=20)
    """Parts the training molecules are cut into. One member is trained without each and measured on it; the
    heads predict the mean of the members. 1 trains one member, measured on the validation split."""
    hidden: int = Field(default=128, ge=1, le=8192)
    """Hidden units of each member."""
    input: Literal["sample", "mean", "both"] = "both"
    """Input of the heads: a sample of each posterior, its mean, or both in equal parts."""
    epochs: int = Field(default=20, ge=1)
    """Passes over the labelled molecules, more for small sets: at least least_steps steps. The best epoch by
    the validation split is kept."""
    least_steps: int = Field(default=300, ge=1)
    """Minimum number of steps of a member."""
    batch_size: int = Field(default=256, ge=1)
    """Molecules per step."""
    learning_rate: float = Field(default=2e-3, gt=0.0)
    """Peak of the learning rate: linear warm-up, then a cosine to 0."""
    ema_decay: float = Field(default=0.999, ge=0.0, lt=1.0)
    """Decay of the running mean of the weights, which is what is kept."""


class TrainSettings(Settings):
    """How a model is trained."""

    model: ModelSettings = ModelSettings()
    """Sizes of the model."""
    prior: PriorSettings = PriorSettings()
    """The prior fitted when training ends, which samples are then drawn from. With initial, if no name is
    given, a prior like that of the initial model, continued from it where possible."""
    initial: Path | None = None
    """Checkpoint to fine-tune: training starts from its weights, and has its sizes, but larger
    model.encoder_hidden and model.head_hidden if given; the corpus must have its vocabulary (prepare
    --vocabulary)."""
    frozen: tuple[Literal["encoder", "decoder", "head"], ...] = ()
    """Parts to freeze: encoder, decoder, head. If the decoder is frozen, the prior of that checkpoint is kept
    unless another is asked for."""
    epochs: int = Field(default=30, ge=1)
    """Passes over the training split, or over parts of `epoch_size` of it."""
    epoch_size: int | None = Field(default=None, ge=1)
    """Training molecules of an epoch, for a split of millions: passes are cut into epochs of about so many,
    after each of which the model is validated. The whole split if not given."""
    batch_size: int = Field(default=128, ge=1)
    """Molecules per step, over all processes together."""
    learning_rate: float = Field(default=2e-3, gt=0.0)
    """Peak of the learning rate: linear warm-up, then a cosine down to a hundredth of it. With initial, .0005
    if not given."""
    warmup_steps: int = Field(default=300, ge=0)
    """Steps of linear learning-rate warm-up; at most a tenth of the run."""
    weight_decay: float = Field(default=0.01, ge=0.0)
    """Decoupled weight decay of AdamW."""
    gradient_clip: float = Field(default=5.0, gt=0.0)
    """Largest norm of the gradient."""
    beta: float = Field(default=0.1, ge=0.0)
    """Weight of the KL term, nats against nats; where the controller starts if kl_target is set. With initial
    .03, if not given."""
    kl_target: float | None = Field(default=45.0, gt=0.0)
    """KL in nats per molecule a controller steers beta to; with fixed_beta it is ignored. If not given,
    with initial, the KL that the training molecules have in the model training begins with."""
    kl_start: float | None = Field(default=None, gt=0.0)
    """KL the controller steers to at first, on the way to kl_target; if not given, kl_target itself."""
    kl_moving: float = Field(default=0.6, ge=0.0, le=1.0)
    """Share of the run over which it moves from kl_start to kl_target."""
    fixed_beta: bool = False
    """Keep beta as it is (after its warm-up) instead of steering KL to kl_target."""
    beta_warmup_steps: int = Field(default=1000, ge=0)
    """Steps over which beta rises linearly from 0; at most a tenth of the run, and none with initial if not
    given."""
    free_bits: float = Field(default=0.0, ge=0.0)
    """KL of a dimension, in nats, below which it costs no less: keeps dimensions from being emptied."""
    property_weight: float = Field(default=3.0, ge=0.0)
    """Weight of the property term; 3 makes its gradient about as large as that of the reconstruction."""
    randomized_input: bool = False
    """Train the encoder on randomized SMILES (the corpus must have them: n_randomized)."""
    patience: int = Field(default=10, ge=1)
    """Epochs without a better validation loss after which training stops."""
    n_validation: int = Field(default=1000, ge=1)
    """Molecules that validation reconstructs after each epoch, and prior samples it draws, the latter no more
    than there are training molecules."""
    checkpoint_every: int = Field(default=500, ge=1)
    """Steps between two saved states; each is enough to resume from, bit for bit on one CPU build."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of the matrix products; auto is bfloat16 where that is several times as fast (CUDA, and
    processors with AMX or AVX-512 BF16) and float32 elsewhere."""
    device: str = "auto"
    """cpu, cuda, mps, or auto."""
    threads: int = Field(default=0, ge=0, le=1024)
    """CPU threads of the matrix products; 0 leaves the choice to torch. Other numbers round differently."""
    seed: int = Field(default=0, ge=0)
    """Root of the initial weights, the batch order and all noise."""
    trackers: tuple[str, ...] = ()
    """Where the figures of each epoch also go: tensorboard, mlflow, wandb, or one that is registered; they
    are in metrics.jsonl in any case."""
