"""Experiment trackers: the figures of a run also go to TensorBoard, MLflow, W&B, or one of yours."""

from __future__ import annotations

import importlib
import math
import os
import posixpath
import re
import secrets
import time
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from molvae.config import flat
from molvae.errors import MissingDependencyError
from molvae.persistence.files import write_atomically
from molvae.progress import SILENT
from molvae.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import ModuleType

    from molvae.progress import Progress


class Tracker(Protocol):
    """Takes the figures of one run. What it raises ends its own work, never the run's."""

    def begin(self, directory: Path, settings: Mapping[str, Any]) -> None:
        """A run in this directory begins, or goes on; its settings have dotted names."""

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Figures after so many steps; names have slashes (`valid/kl`), values are finite."""

    def close(self) -> None:
        """The run has ended or was stopped; it may go on later, in another process."""


TrackerFactory: TypeAlias = "Callable[[], Tracker]"
TRACKERS: Registry[TrackerFactory] = Registry("tracker", "molvae.trackers")
_PROJECT = "molvae"
_NOT_FOR_MLFLOW = re.compile(r"[^\w.\- /]")
_MLFLOW_BATCH = 100  # parameters it takes at once


class Trackers:
    """Several trackers as one; one that fails is told of and let go, and the others go on.

    Args:
        names: Registered names.
        progress: Told of failures.

    Raises:
        UnknownNameError: A name no registry knows.
        MissingDependencyError: A package is not installed.
    """

    def __init__(self, names: Sequence[str], progress: Progress = SILENT) -> None:
        self._trackers = {name: TRACKERS.get(name)() for name in dict.fromkeys(names)}
        self._progress = progress

    def begin(self, directory: Path, settings: Mapping[str, Any]) -> None:
        """Tell all of them; settings may be nested."""
        named = flat(settings, ".")
        self._each(lambda tracker: tracker.begin(directory, named))

    def log(self, figures: Mapping[str, Any], step: int) -> None:
        """Tell all of them; figures may be nested, and what is no finite number is left out."""
        known = {
            name: float(value)
            for name, value in flat(figures, "/").items()
            if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        }
        if known:
            self._each(lambda tracker: tracker.log(known, step))

    def close(self) -> None:
        """Tell all of them."""
        self._each(lambda tracker: tracker.close())

    def _each(self, do: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._trackers.items()):
            try:
                do(tracker)
            except Exception as error:  # noqa: BLE001 - a tracker's trouble is not the run's
                del self._trackers[name]
                why = " ".join(f"{type(error).__name__}: {error}".split())
                self._progress.note(f"the tracker '{name}' failed and is left out from here: {why}")


class TrackedProgress:
    """A listener that hands the figures of one task to trackers, with the units done as steps.

    Args:
        trackers: Where they go.
        task: The task that is tracked.
    """

    def __init__(self, trackers: Trackers, task: str) -> None:
        self._trackers = trackers
        self._task = task
        self._done = 0

    def start(self, task: str, total: int | None = None) -> None:
        """Nothing to tell yet."""

    def advance(self, task: str, n: int = 1, **fields: Any) -> None:
        """Figures, if there are any."""
        if task == self._task:
            self._done += n
            self._trackers.log(fields, self._done)

    def finish(self, task: str, **fields: Any) -> None:
        """The last figures."""
        if task == self._task:
            self._trackers.log(fields, self._done)

    def note(self, text: str) -> None:
        """Sentences are not tracked."""


class TensorBoardTracker:
    """Event files in the run's folder `tensorboard`: `tensorboard --logdir DIR` shows them."""

    def __init__(self) -> None:
        _required("tensorboard", "tensorboard")
        self._writer: Any = None

    def begin(self, directory: Path, settings: Mapping[str, Any]) -> None:
        """Open one more event file; those of earlier processes are joined by step."""
        del settings  # they lie beside the folder, as settings.toml
        writing = _required("tensorboard.summary.writer.event_file_writer", "tensorboard")
        self._writer = writing.EventFileWriter(str(directory / "tensorboard"))

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """One event with all figures."""
        events = _required("tensorboard.compat.proto.event_pb2", "tensorboard")
        summaries = _required("tensorboard.compat.proto.summary_pb2", "tensorboard")
        values = [summaries.Summary.Value(tag=tag, simple_value=value) for tag, value in figures.items()]
        summary = summaries.Summary(value=values)
        self._writer.add_event(events.Event(wall_time=time.time(), step=step, summary=summary))
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()


class MlflowTracker:
    """An MLflow run; its environment variables say where to (MLFLOW_TRACKING_URI, ..._EXPERIMENT_NAME)."""

    def __init__(self) -> None:
        self._mlflow = _required("mlflow", "mlflow")

    def begin(self, directory: Path, settings: Mapping[str, Any]) -> None:
        """Start a run, or go on with the one this directory began."""
        if "MLFLOW_EXPERIMENT_NAME" not in os.environ and "MLFLOW_EXPERIMENT_ID" not in os.environ:
            self._mlflow.set_experiment(_PROJECT)
        remembered = directory / "mlflow-run"
        if remembered.is_file():
            self._mlflow.start_run(run_id=remembered.read_text(encoding="utf-8").strip())
            return
        run = self._mlflow.start_run(run_name=directory.resolve().name)
        write_atomically(remembered, f"{run.info.run_id}\n")
        given = [(_mlflow_name(name), str(value)[:500]) for name, value in settings.items()]
        for start in range(0, len(given), _MLFLOW_BATCH):
            self._mlflow.log_params(dict(given[start : start + _MLFLOW_BATCH]))

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """All figures of a step."""
        self._mlflow.log_metrics({_mlflow_name(name): value for name, value in figures.items()}, step=step)

    def close(self) -> None:
        """End the run; it may be started again."""
        self._mlflow.end_run()


class WandbTracker:
    """A Weights & Biases run; its environment variables say where to (WANDB_PROJECT, WANDB_MODE, ...)."""

    def __init__(self) -> None:
        self._wandb = _required("wandb", "wandb")
        self._run: Any = None

    def begin(self, directory: Path, settings: Mapping[str, Any]) -> None:
        """Start a run, or go on with the one this directory began."""
        remembered = directory / "wandb-run"
        if not remembered.is_file():
            write_atomically(remembered, f"{secrets.token_hex(8)}\n")
        self._run = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", _PROJECT),
            name=directory.resolve().name,
            id=remembered.read_text(encoding="utf-8").strip(),
            resume="allow",
            dir=str(directory),
            config=dict(settings),
        )

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """All figures of a step."""
        self._run.log(dict(figures), step=step)

    def close(self) -> None:
        """Send what is left."""
        if self._run is not None:
            self._run.finish()


TRACKERS.add("tensorboard", TensorBoardTracker)
TRACKERS.add("mlflow", MlflowTracker)
TRACKERS.add("wandb", WandbTracker)


def _mlflow_name(name: str) -> str:
    """A name as MLflow allows it: a property may be called anything, `pIC50 (nM)` or `a//b`.

    >>> _mlflow_name("valid/mae_pIC50 (nM)"), _mlflow_name("valid/mae_a//b/")
    ('valid/mae_pIC50 _nM_', 'valid/mae_a/b')
    """
    return posixpath.normpath(_NOT_FOR_MLFLOW.sub("_", name))


def _required(module: str, package: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"the tracker needs the package {package}, which is not installed ({error})",
            hint=f"pip install {package}",
        ) from error
