"""Train a model on a corpus, or resume a run that was stopped."""

from __future__ import annotations

import contextlib
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.parallel import DistributedDataParallel

from molvae.chemistry.depiction import table_html
from molvae.config import save_settings
from molvae.data.batching import collate, epoch_batches
from molvae.data.corpus import Corpus
from molvae.errors import DivergedError, InputError
from molvae.latent.codec import MolVAE
from molvae.models.devices import World, is_bfloat16, resolve_device, world
from molvae.models.fitting import Fit, Recipe
from molvae.models.priors.base import PRIORS, StandardNormal
from molvae.persistence.directories import remove_strays
from molvae.persistence.files import directory_lock
from molvae.persistence.locations import SETTINGS
from molvae.progress import SILENT
from molvae.seeding import Seeds
from molvae.tracking import Trackers
from molvae.training.assembly import (
    chosen_rows,
    fresh_model,
    mean_kl,
    with_initial,
    with_kl_target,
)
from molvae.training.prior_fitting import continued_by, fit_prior, kept_fit
from molvae.training.states import KeptStates, claim, line, truncate, write_epoch
from molvae.training.validation import VALIDITY, BetaController, to_tensors, validate, validation_loss

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from molvae.models.fitting import Standing
    from molvae.models.vae import Elbo
    from molvae.progress import Progress
    from molvae.training.config import TrainSettings


@dataclass(frozen=True, slots=True)
class TrainResult:
    """The result of a finished training.

    Attributes:
        checkpoint: The model directory, of the epoch with the lowest validation loss.
        epochs: Epochs trained.
        metrics: Validation metrics of that epoch and of the fitted prior.
    """

    checkpoint: Path
    epochs: int
    metrics: dict[str, float]

    def _repr_html_(self) -> str:
        rows = [[name.replace("_", " "), value] for name, value in self.metrics.items()]
        return table_html(["figure", "value"], rows, f"{self.checkpoint}, after {self.epochs} epochs")


def train(
    corpus_path: Path | str,
    run_directory: Path | str,
    settings: TrainSettings,
    *,
    progress: Progress = SILENT,
    should_stop: Callable[[], bool] = lambda: False,
    facts: dict[str, Any] | None = None,
) -> TrainResult:
    """Train a model on a corpus, or resume a run that was stopped.

    The run directory holds `settings.toml`, `metrics.jsonl`, `states/` (two newest), `model/` (the
    checkpoint of the best epoch so far) and, while a prior is fitted, `prior-states/`. Calling again with the
    same arguments resumes; on one CPU build and thread count the result is bit for bit that of an
    uninterrupted run. Under `torchrun`, all processes share the work.

    Args:
        corpus_path: A corpus made by `prepare`.
        run_directory: Created if needed.
        settings: Training settings.
        progress: Where progress is reported.
        should_stop: Called between steps; if it returns true, the state is saved and `StoppedEarly` raised.
        facts: Added to the card (where the data come from, the command).

    Raises:
        StoppedEarly: `should_stop` returned true.
        ConfigError: The directory holds a run with other settings or another corpus; or the loss is not
            finite (the best model so far is kept).
        InputError: The corpus has no training molecules.
        MissingDependencyError: A tracker's package is not installed.
        StorageError: Writing failed, or another process is using the directory.
    """
    corpus_path, run_directory = Path(corpus_path), Path(run_directory)
    with world() as processes:
        lock = directory_lock(run_directory) if processes.leads else contextlib.nullcontext()
        with lock:
            run = _Run(corpus_path, run_directory, settings, processes, progress, facts or {}, should_stop)
            try:
                return run.until_done()
            finally:
                run.trackers.close()


_FLOOR = 0.01  # share of the peak learning rate where the cosine ends
_WARMUP = 300  # steps
_LARGEST_GRADIENT = 5.0  # norm
_WEIGHT_DECAY = 0.01


class _Run:
    """A training run: the network, its data, and its files."""

    def __init__(
        self,
        corpus_path: Path,
        directory: Path,
        settings: TrainSettings,
        processes: World,
        progress: Progress,
        facts: dict[str, Any],
        should_stop: Callable[[], bool],
    ) -> None:
        self.directory, self.world, self.should_stop = directory, processes, should_stop
        PRIORS.get(settings.prior.name)  # fail on an unknown name now, not after the last epoch
        self.progress = progress if processes.leads else SILENT
        self.trackers = Trackers(settings.trackers if processes.leads else (), self.progress)
        self.seeds = Seeds(settings.seed)
        if settings.threads:
            torch.set_num_threads(settings.threads)
        self.corpus = Corpus.open(corpus_path)
        self.train_rows, self.valid_rows = chosen_rows(self.corpus, settings)
        self.device = resolve_device(settings.device)
        self.source = None if settings.initial is None else MolVAE.load(settings.initial, device="cpu")
        if self.source is not None:
            settings = with_initial(settings, self.source, len(self.train_rows))
        self.model = fresh_model(self.corpus, self.train_rows, settings, facts, self.source).to(self.device)
        if self.source is not None:
            kl = self.world.mean([mean_kl(self.model, self.corpus, self.train_rows)])[0]
            settings = with_kl_target(settings, kl, directory / SETTINGS)
        self.settings = settings
        network = self.model.network.train()
        self.parallel: torch.nn.Module = DistributedDataParallel(network) if processes.size > 1 else network
        self.passing: tuple[int, list[NDArray[np.int64]]] | None = None
        self.n_batches = len(self._batches(0))
        if self.n_batches == 0:
            raise InputError("the corpus has no batch to train on", hint="Lower batch_size or add molecules.")
        self.fit = self._fit()

    def _fit(self) -> Fit:
        settings, network = self.settings, self.model.network
        optimizer = torch.optim.AdamW(
            [parameter for parameter in network.parameters() if parameter.requires_grad],
            lr=settings.learning_rate,
            weight_decay=_WEIGHT_DECAY,
            fused=True,  # one pass over the weights
        )
        recipe = Recipe(
            epochs=settings.epochs,
            steps=self.n_batches,
            learning_rate=settings.learning_rate,
            gradient_clip=_LARGEST_GRADIENT,
            warmup=_WARMUP,
            floor=_FLOOR,
            patience=settings.patience,
        )
        every, states = settings.checkpoint_every, self.directory / "states"
        return Fit(
            network,
            optimizer,
            recipe,
            task="train",
            progress=self.progress,
            states=KeptStates(states, self.should_stop, every=every, fit="training", world=self.world),
            world=self.world,
        )

    def until_done(self) -> TrainResult:
        """Train to the last epoch, or until patience runs out."""
        checkpoint = self.directory / "model"
        if self.world.leads:
            claim(self.directory, self.settings, self.corpus)
            save_settings(self.settings, self.directory / SETTINGS)
            remove_strays(checkpoint)
        self.world.barrier()
        self.fit.resume()
        at = self.fit.at
        if self.world.leads:
            truncate(self.directory, at.epoch)
        self.trackers.begin(self.directory, self.settings.model_dump(mode="json"))
        try:
            if self.source is not None and at.step == 0:  # the best one so far
                self.fit.judge(self._measure, self._keep)
            self.fit.run(self._loss, self._measure, self._keep)
        except DivergedError as error:
            kept = (
                "there is no model yet"
                if at.best is None
                else f"{checkpoint} is that of epoch {at.best_epoch}"
            )
            hint = "Train into another directory with a lower --learning-rate or with --precision float32."
            raise DivergedError(f"{error.message}; {kept}", hint=hint) from None
        if self.world.leads and self.settings.prior.name != StandardNormal.name:
            self._fit_prior(checkpoint)
        self.world.barrier()
        metrics: dict[str, float] = MolVAE.load(checkpoint, device="cpu").settings.facts["metrics"]
        return TrainResult(checkpoint, at.epoch, metrics)

    def _fit_prior(self, checkpoint: Path) -> None:
        """Fit the prior of the best model, unless an earlier run has done so."""
        best = MolVAE.load(checkpoint, device=str(self.device))
        if "prior" in best.settings.facts:
            return
        asked = (best, self.corpus, self.settings.prior)
        initial = continued_by(self.settings.prior.name, self.source)
        seed = self.seeds.integer("prior")
        kept = self.directory / "prior-states"
        states = kept_fit(kept, *asked, initial=initial, seed=seed, should_stop=self.should_stop)
        fitted = fit_prior(*asked, initial=initial, seed=seed, progress=self.progress, states=states)
        fitted.save(checkpoint)
        states.forget()
        name = fitted.prior.name
        valid = fitted.settings.facts["metrics"][name + VALIDITY]
        self.progress.note(f"fitted the prior '{name}': validity of its samples {valid:.1%}")

    def _loss(self, at: Standing) -> tuple[torch.Tensor, dict[str, float]]:
        return self.terms(self._batches(at.epoch)[at.batch], at)

    def terms(self, rows: NDArray[np.int64], at: Standing) -> tuple[torch.Tensor, dict[str, float]]:
        """The loss of a batch of rows, and its terms."""
        settings = self.settings
        mine = rows[self.world.rank :: self.world.size]
        batch = collate(self.corpus, mine, scaler=self.model.scaler)
        noise = self.seeds.torch("noise", at.step, self.world.rank)
        controller = self._controller(at)
        half = is_bfloat16(settings.precision, self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            elbo: Elbo = self.parallel(**to_tensors(batch, self.device), generator=noise)
            loss = elbo.loss(controller.weight, settings.property_weight, settings.free_bits)
        terms = {name: getattr(elbo, name).mean() for name in ("kl", "property", "penalty")}
        terms = {"reconstruction": elbo.reconstruction_at(0.0), **terms}
        if settings.model.noise_levels:
            terms["free"] = elbo.reconstruction_at(1.0)
        means = self.world.mean(torch.stack([value.detach().float() for value in terms.values()]).tolist())
        figures = dict(zip(terms, means, strict=True))
        at.facts["controller"] = asdict(controller.after(figures["kl"]))
        return loss, figures

    def _controller(self, at: Standing) -> BetaController:
        """The current beta controller."""
        if "controller" in at.facts:
            return BetaController(**at.facts["controller"])
        return BetaController.start(self.settings, self.settings.epochs * self.n_batches)

    def _measure(self, at: Standing) -> float:
        """Validate the model, and log the metrics."""
        self.model.network.eval()
        n_samples = min(self.settings.n_validation, len(self.train_rows))
        seed = self.seeds.integer("validation")
        measured = validate(self.model, self.corpus, self.valid_rows, n_samples=n_samples, seed=seed)
        self.model.network.train()
        controller = self._controller(at)
        loss = validation_loss(measured, controller, self.settings.property_weight)
        self.measured = measured
        figures = {"valid": measured, "loss": loss, "beta": controller.weight}
        if at.step == 0:
            self.progress.note(f"starting from {self.settings.initial}: {line(0, figures)}")
        elif math.isfinite(loss):
            figures = {"train": {name: value / self.n_batches for name, value in at.sums.items()}, **figures}
            write_epoch(self.directory, at.epoch, at.step, figures)
            self.trackers.log({**figures, "epoch": at.epoch}, at.step)
            self.progress.note(line(at.epoch, figures))
        return loss

    def _keep(self, at: Standing) -> None:
        facts = {"epochs": at.epoch, "steps": at.step, "metrics": self.measured}
        self.model.replaced(facts=facts).save(self.directory / "model")
        self.model.network.train()

    def _batches(self, epoch: int) -> list[NDArray[np.int64]]:
        size = self.settings.epoch_size or len(self.train_rows)
        n_parts = max(round(len(self.train_rows) / size), 1)
        number, part = divmod(epoch, n_parts)
        if self.passing is None or self.passing[0] != number:  # the order of millions takes seconds
            generator = self.seeds.numpy("batches", number)
            batches = epoch_batches(self.train_rows, self.corpus.lengths, self.settings.batch_size, generator)
            self.passing = number, [rows for rows in batches if len(rows) >= self.world.size]
        n = len(self.passing[1]) // n_parts
        return self.passing[1][part * n : (part + 1) * n]
