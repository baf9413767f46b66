"""The training loop: a corpus becomes a model, and a run that was stopped goes on where it was."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.parallel import DistributedDataParallel

from molvae.chemistry.display import table_html
from molvae.config import save_settings
from molvae.data.batching import collate, epoch_batches
from molvae.data.corpus import Corpus
from molvae.errors import InputError, StoppedEarly
from molvae.latent.codec import MolVAE
from molvae.latent.device import resolve_device
from molvae.models.precision import has_fast_bfloat16
from molvae.models.priors.base import PRIORS
from molvae.models.priors.normal import StandardNormal
from molvae.persistence.locks import directory_lock
from molvae.progress import SILENT
from molvae.seeding import Seeds
from molvae.tracking import Trackers
from molvae.training import records
from molvae.training.assembly import chosen_rows, fresh_model
from molvae.training.distributed import World, world
from molvae.training.fine_tuning import as_begun, mean_kl, prior_to_go_on_from, with_kl_target
from molvae.training.prior_fitting import fit_prior, kept_fit
from molvae.training.schedules import BetaController, learning_rate, validation_loss
from molvae.training.state import Progress as Standing
from molvae.training.state import load_newest_state, remove_half_written, save_state
from molvae.training.validation import VALIDITY, to_tensors, validate

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from molvae.models.elbo import Elbo
    from molvae.progress import Progress
    from molvae.training.config import TrainSettings


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a finished training leaves.

    Attributes:
        checkpoint: The model directory, of the epoch with the lowest validation loss.
        epochs: Epochs trained.
        metrics: Validation figures of that epoch and of the fitted prior.
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
    """Train a model on a corpus, or go on with a run that was stopped.

    The run directory holds `settings.toml`, `metrics.jsonl`, `states/` (two newest), `model/` (the
    checkpoint of the best epoch so far) and, while a prior is fitted, `prior-states/`. Calling again with the
    same arguments resumes; on one CPU build and thread count the result is the same, bit for bit, as that of
    a run never stopped. Under `torchrun`, all processes share the work.

    Args:
        corpus_path: A corpus made by `prepare`.
        run_directory: Created if need be.
        settings: How to train.
        progress: Told of every step and epoch.
        should_stop: Asked between steps; when true, the state is saved and `StoppedEarly` raised.
        facts: Added to the card (where the data come from, the command).

    Raises:
        StoppedEarly: `should_stop` said so.
        ConfigError: The directory holds a run with other settings or another corpus; or the loss is no longer
            a finite number: the best model so far stays.
        InputError: The corpus has no training molecules.
        MissingDependencyError: A tracker's package is not installed.
        StorageError: The disk refuses, or another process writes the directory.
    """
    corpus_path, run_directory = Path(corpus_path), Path(run_directory)
    with world() as processes:
        lock = directory_lock(run_directory) if processes.leads else contextlib.nullcontext()
        with lock:
            run = _Run(corpus_path, run_directory, settings, processes, progress, facts or {})
            try:
                return run.until_done(should_stop)
            finally:
                run.trackers.close()


class _Run:
    """One training: network, optimizer and where they stand."""

    def __init__(
        self,
        corpus_path: Path,
        directory: Path,
        settings: TrainSettings,
        processes: World,
        progress: Progress,
        facts: dict[str, Any],
    ) -> None:
        self.directory, self.world = directory, processes
        PRIORS.get(settings.prior.name)  # an unknown name ends here, not after the last epoch
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
            settings = as_begun(settings, self.source, len(self.train_rows))
        self.model = fresh_model(self.corpus, self.train_rows, settings, facts, self.source).to(self.device)
        if self.source is not None:
            kl = self.world.mean([mean_kl(self.model, self.corpus, self.train_rows)])[0]
            settings = with_kl_target(settings, kl, directory / "settings.toml")
        self.settings = settings
        network = self.model.network.train()
        self.parallel: torch.nn.Module = DistributedDataParallel(network) if processes.size > 1 else network
        self.optimizer = torch.optim.AdamW(
            [parameter for parameter in network.parameters() if parameter.requires_grad],
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,  # one pass over the weights
        )
        self.at = Standing()
        self.passing: tuple[int, list[NDArray[np.int64]]] | None = None
        self.n_batches = len(self._batches(0))
        self.controller = BetaController.start(settings, settings.epochs * self.n_batches)
        if self.n_batches == 0:
            raise InputError("the corpus has no batch to train on", hint="Lower batch_size or add molecules.")
        self.states = directory / "states"

    def until_done(self, should_stop: Callable[[], bool]) -> TrainResult:
        """Train to the last epoch, or until patience runs out."""
        self._resume()
        self.trackers.begin(self.directory, self.settings.model_dump(mode="json"))
        self.progress.start("train", self.settings.epochs * self.n_batches)
        if self.at.step:
            self.progress.advance("train", self.at.step)
            self.progress.note(f"resuming {self.directory} after step {self.at.step:,}")
        if self.source is not None and self.at.step == 0:
            self._measure_begun()
        while self.at.epoch < self.settings.epochs and not self._out_of_patience():
            self._epoch(should_stop)
        self.progress.finish("train", epochs=self.at.epoch)
        checkpoint = self.directory / "model"
        if self.world.leads and self.settings.prior.name != StandardNormal.name:
            self._fit_prior(checkpoint, should_stop)
        self.world.barrier()
        metrics: dict[str, float] = MolVAE.load(checkpoint, device="cpu").settings.facts["metrics"]
        return TrainResult(checkpoint, self.at.epoch, metrics)

    def _fit_prior(self, checkpoint: Path, should_stop: Callable[[], bool]) -> None:
        """Give the best model its prior, unless a run that ended here before has done so."""
        best = MolVAE.load(checkpoint, device=str(self.device))
        if "prior" in best.settings.facts:
            return
        asked = (best, self.corpus, self.settings.prior)
        initial = prior_to_go_on_from(self.source, self.settings.prior.name)
        seed = self.seeds.integer("prior")
        kept = self.directory / "prior-states"
        states = kept_fit(kept, *asked, initial=initial, seed=seed, should_stop=should_stop)
        fitted = fit_prior(*asked, initial=initial, seed=seed, progress=self.progress, states=states)
        fitted.save(checkpoint)
        states.forget()
        name = fitted.prior.name
        valid = fitted.settings.facts["metrics"][name + VALIDITY]
        self.progress.note(f"fitted the prior '{name}': validity of its samples {valid:.1%}")

    def _epoch(self, should_stop: Callable[[], bool]) -> None:
        batches = self._batches(self.at.epoch)
        for number in range(self.at.batch, len(batches)):
            self._step(batches[number])
            last = number + 1 == len(batches)
            if not last and self.at.step % self.settings.checkpoint_every == 0:
                self._save()
            if self.world.anyone(should_stop()):
                self._save()
                raise StoppedEarly(
                    f"stopped after step {self.at.step:,}; the state is saved in {self.directory}",
                    hint="The same command resumes.",
                )
        self.at.epoch, self.at.batch = self.at.epoch + 1, 0
        if self.world.leads:
            self._finish_epoch(len(batches))
        self.at.sums = {}
        self._share_standing()
        self._save()

    def _step(self, rows: NDArray[np.int64]) -> None:
        settings = self.settings
        randomized = self.seeds.numpy("randomized", self.at.step) if settings.randomized_input else None
        mine = rows[self.world.rank :: self.world.size]
        batch = collate(self.corpus, mine, scaler=self.model.scaler, randomized=randomized)
        rate = learning_rate(settings, self.at.step, settings.epochs * self.n_batches)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        noise = self.seeds.torch("noise", self.at.step, self.world.rank)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._half_precision()):
            elbo: Elbo = self.parallel(**to_tensors(batch, self.device), generator=noise)
            loss = elbo.loss(self.controller.weight, settings.property_weight, settings.free_bits)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.model.network.parameters(), settings.gradient_clip)
        if self.world.anyone(not math.isfinite(float(loss.detach()) + float(norm))):
            raise records.diverged(self.directory, self.at, f"the loss of step {self.at.step + 1:,}")
        self.optimizer.step()
        self._account(elbo, float(norm), rate)

    def _account(self, elbo: Elbo, norm: float, rate: float) -> None:
        figures = {name: getattr(elbo, name).mean() for name in ("kl", "property", "penalty")}
        figures = {"reconstruction": elbo.reconstruction_at(0.0), **figures}
        if self.settings.model.noise_levels:
            figures["free"] = elbo.reconstruction_at(1.0)
        names = tuple(figures)
        terms = self.world.mean(torch.stack([value.detach().float() for value in figures.values()]).tolist())
        self.controller = self.controller.after(terms[names.index("kl")])
        self.at.step += 1
        self.at.batch += 1
        for name, value in zip((*names, "gradient_norm"), (*terms, norm), strict=True):
            self.at.sums[name] = self.at.sums.get(name, 0.0) + value
        shown: dict[str, Any] = dict(zip(names, terms, strict=True))
        beta = self.controller.weight
        self.progress.advance("train", 1, epoch=self.at.epoch + 1, **shown, beta=beta, rate=rate)

    def _measure_begun(self) -> None:
        """Take the model that training begins with for the best one so far."""
        if self.world.leads:
            measured, loss = self._keep_if_best()
            figures = {"valid": measured, "loss": loss, "beta": self.controller.weight}
            self.progress.note(f"begins with {self.settings.initial}: {records.line(0, figures)}")
        self._share_standing()

    def _keep_if_best(self) -> tuple[dict[str, float], float]:
        """Measure the model and save it if it is the best one so far; the figures and the loss."""
        self.model.network.eval()
        n_samples, seed = (
            min(self.settings.n_validation, len(self.train_rows)),
            self.seeds.integer("validation"),
        )
        measured = validate(self.model, self.corpus, self.valid_rows, n_samples=n_samples, seed=seed)
        self.model.network.train()
        loss = validation_loss(measured, self.controller, self.settings.property_weight)
        if not math.isfinite(loss):
            raise records.diverged(self.directory, self.at, f"the validation loss of epoch {self.at.epoch}")
        if self.at.best is None or loss < self.at.best:
            self.at.best, self.at.best_epoch = loss, self.at.epoch
            self._save_model(measured)
        return measured, loss

    def _finish_epoch(self, n_batches: int) -> None:
        trained = {name: value / n_batches for name, value in self.at.sums.items()}
        measured, loss = self._keep_if_best()
        figures = {"train": trained, "valid": measured, "loss": loss, "beta": self.controller.weight}
        records.write_epoch(self.directory, self.at.epoch, self.at.step, figures)
        self.trackers.log({**figures, "epoch": self.at.epoch}, self.at.step)
        self.progress.note(records.line(self.at.epoch, figures))

    def _out_of_patience(self) -> bool:
        return self.at.best is not None and self.at.epoch - self.at.best_epoch >= self.settings.patience

    def _share_standing(self) -> None:
        """Give every process the leader's verdict on the epoch, on which stopping depends."""
        if self.world.size > 1:
            best = self.at.best if self.world.leads and self.at.best is not None else 0.0
            epoch = self.at.best_epoch if self.world.leads else 0
            best, chosen = (value * self.world.size for value in self.world.mean([best, float(epoch)]))
            self.at.best, self.at.best_epoch = best, round(chosen)

    def _resume(self) -> None:
        if self.world.leads:
            records.claim(self.directory, self.settings, self.corpus)
            save_settings(self.settings, self.directory / "settings.toml")
            remove_half_written(self.states)
        self.world.barrier()
        state = load_newest_state(self.states, self.model.network, self.optimizer)
        if state is not None:
            self.at, controller = state
            self.controller = BetaController(**controller)
        if self.world.leads:
            records.truncate(self.directory, self.at.epoch)
        self.model.network.train()

    def _save(self) -> None:
        if self.world.leads:
            save_state(self.states, self.model.network, self.optimizer, self.controller, self.at)
        self.world.barrier()

    def _save_model(self, measured: dict[str, float]) -> None:
        facts = {"epochs": self.at.epoch, "steps": self.at.step, "metrics": measured}
        self.model.with_prior(self.model.prior, facts).save(self.directory / "model")
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

    def _half_precision(self) -> bool:
        if self.settings.precision == "auto":
            return has_fast_bfloat16(self.device)
        return self.settings.precision == "bfloat16"
