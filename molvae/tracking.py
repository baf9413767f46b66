"""Experiment trackers: TensorBoard, MLflow, W&B, or a registered one."""

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
from molvae.progress import SILENT, Progress
from molvae.registry import Registry
from molvae.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import ModuleType


class Tracker(Protocol):
    """Tracker of one run. If it raises, it is dropped, and the run continues."""

    def begin(self, directory: Path, settings: Mapping[str, Any]) -> None:
        """A run in this directory begins or resumes; its settings have dotted names."""

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Figures at a step; names have slashes (`valid/kl`), values are finite."""

    def close(self) -> None:
        """The run has ended or stopped; it may resume in another process."""


TrackerFactory: TypeAlias = "Callable[[], Tracker]"
TRACKERS: Registry[TrackerFactory] = Registry("tracker", "molvae.trackers")
_PROJECT = "molvae"
_NOT_FOR_MLFLOW = re.compile(r"[^\w.\- /]")
_MLFLOW_BATCH = 100  # parameters it takes at once


class Trackers:
    """Several trackers by their registered names as one; a tracker that fails is reported and dropped.

    Raises:
        UnknownNameError: An unknown name.
        MissingDependencyError: A package is not installed.
    """

    def __init__(self, names: Sequence[str], progress: Progress = SILENT) -> None:
        self._trackers = {name: TRACKERS.get(name)() for name in dict.fromkeys(names)}
        self._progress = progress

    def begin(self, directory: Path, settings: Mapping[str, Any]) -> None:
        """To all trackers; settings may be nested."""
        named = flat(settings, ".")
        self._each(lambda tracker: tracker.begin(directory, named))

    def log(self, figures: Mapping[str, Any], step: int) -> None:
        """To all trackers; figures may be nested, and only finite numbers are kept."""
        known = {
            name: float(value)
            for name, value in flat(figures, "/").items()
            if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        }
        if known:
            self._each(lambda tracker: tracker.log(known, step))

    def close(self) -> None:
        """Close all trackers."""
        self._each(lambda tracker: tracker.close())

    def _each(self, do: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._trackers.items()):
            try:
                do(tracker)
            except Exception as error:  # noqa: BLE001 - a failing tracker must not stop the run
                del self._trackers[name]
                why = one_line(f"{type(error).__name__}: {error}")
                self._progress.note(f"the tracker '{name}' failed and is no longer used: {why}")


class TrackedProgress(Progress):
    """Logs the figures of one task to trackers and forwards all events; steps are units done."""

    def __init__(self, trackers: Trackers, task: str, listener: Progress = SILENT) -> None:
        self._trackers, self._task, self._listener = trackers, task, listener
        self._done = 0

    def start(self, task: str, total: int | None = None) -> None:
        """Passed on."""
        self._listener.start(task, total)

    def advance(self, task: str, n: int = 1, **fields: Any) -> None:
        """Figures, if there are any; passed on."""
        self._listener.advance(task, n, **fields)
        if task == self._task:
            self._done += n
            self._trackers.log(fields, self._done)

    def finish(self, task: str, **fields: Any) -> None:
        """The last figures; passed on."""
        self._listener.finish(task, **fields)
        if task == self._task:
            self._trackers.log(fields, self._done)

    def note(self, text: str) -> None:
        """Passed on."""
        self._listener.note(text)


class TensorBoardTracker:
    """Event files in the run's folder `tensorboard`: `tensorboard --logdir DIR` shows them."""

    def __init__(self) -> None:
        _required("tensorboard", "tensorboard")
        self._writer: Any = None

    def begin(self, directory: Path, settings: Mapping[str, Any]) -> None:
        """Open a new event file; those of earlier processes are joined by step."""
        del settings  # in settings.toml beside the folder
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
    """An MLflow run, configured by environment variables (MLFLOW_TRACKING_URI, ..._EXPERIMENT_NAME)."""

    def __init__(self) -> None:
        self._mlflow = _required("mlflow", "mlflow")

    def begin(self, directory: Path, settings: Mapping[str, Any]) -> None:
        """Start a run, or resume the one of this directory."""
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
    """A Weights & Biases run, configured by environment variables (WANDB_PROJECT, WANDB_MODE, ...)."""

    def __init__(self) -> None:
        self._wandb = _required("wandb", "wandb")
        self._run: Any = None

    def begin(self, directory: Path, settings: Mapping[str, Any]) -> None:
        """Start a run, or resume the one of this directory."""
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
        """Finish the run."""
        if self._run is not None:
            self._run.finish()


TRACKERS.add("tensorboard", TensorBoardTracker)
TRACKERS.add("mlflow", MlflowTracker)
TRACKERS.add("wandb", WandbTracker)


def _mlflow_name(name: str) -> str:
    """A name that MLflow allows; properties have any names, such as `pIC50 (nM)` or `a//b`.

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
