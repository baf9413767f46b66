"""Ray actors as workers, for an ordered map or for single calls; and the cores of this process."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from molvae.errors import MissingDependencyError, MolvaeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

A = TypeVar("A")
B = TypeVar("B")

_SPARE_CPUS = 1  # Ray Data stalls where actors hold all CPUs
_STARTING = threading.Lock()  # so that two threads do not start two clusters


class ActorLateError(Exception):
    """The actor did not answer in time, and has been killed."""


class ActorLostError(Exception):
    """The actor died, or never `started`; with Ray's message."""

    def __init__(self, detail: str, *, started: bool) -> None:
        super().__init__(detail)
        self.started = started


def over_actors(
    function: Callable[[A], B], items: Iterable[A], *, workers: int, stop: Callable[[], None], gpu: bool
) -> Iterator[B]:
    """`map(function, items)` on the actors of a Ray cluster, in order; see `ordered_map`.

    `stop` is called between results, and raises to stop.
    """
    ray = _ray()
    rows = [{"item": _Opaque(item)} for item in items]
    if not rows:
        return
    ours = joined(ray, workers)
    try:
        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        resources = ray.cluster_resources()
        gpus = 1 if gpu and resources.get("GPU", 0) >= 1 else 0
        room = max(1, int(resources["GPU"] if gpus else resources.get("CPU", 1) - _SPARE_CPUS))
        done = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
            _MapWorker,
            fn_constructor_args=(function,),
            compute=ray.data.ActorPoolStrategy(size=min(workers if workers > 0 else room, len(rows))),
            num_cpus=1,
            num_gpus=gpus,
        )
        for row in done.iter_rows():
            stop()
            yield row["result"].value
    finally:
        if ours:
            ray.shutdown()


class Actor:
    """A process of a Ray cluster with a function; started on the first call, restarted after a kill.

    The cluster is that of the environment (`RAY_ADDRESS`), else a local one, which ends with this process and
    has room for the actors `of` the caller. It has `start` seconds to place the actor and make the function.
    """

    def __init__(self, make: Callable[[], Callable[[Any], Any]], *, start: float, of: int = 1) -> None:
        self._make, self._start, self._of = make, start, of
        self._actor: Any = None

    def call(self, item: Any, seconds: float) -> Any:
        """Call the function.

        Raises:
            ActorLateError: It did not answer in time.
            ActorLostError: It died, or did not start.
            MolvaeError: Ray is not installed, or does not start.
        """
        ray = _ray()
        with _STARTING:
            joined(ray, self._of)
        if self._actor is None:
            self._begin(ray)
        actor = self._actor
        try:
            return ray.get(actor.call.remote(item), timeout=seconds)
        except ray.exceptions.GetTimeoutError:
            self.end()
            raise ActorLateError(f"no answer within {seconds:g} s") from None
        except ray.exceptions.RayError as error:
            self.end()
            raise ActorLostError(_said(error), started=True) from error

    def end(self) -> None:
        """Kill the actor and its processes; also from another thread during a call."""
        actor, self._actor = self._actor, None
        if actor is not None:
            import ray

            with contextlib.suppress(ray.exceptions.RayError, ValueError):
                ray.kill(actor)

    def _begin(self, ray: Any) -> None:
        held = ray.remote(num_cpus=1, max_restarts=0)(_Held)
        self._actor = actor = held.remote(self._make)
        try:
            ray.get(actor.ready.remote(), timeout=self._start)
        except ray.exceptions.GetTimeoutError:
            self.end()
            detail = f"no actor of the Ray cluster was ready within {self._start:g} s"
            raise ActorLostError(detail, started=False) from None
        except ray.exceptions.RayError as error:
            self.end()
            raise ActorLostError(_said(error), started=False) from error


def _ray() -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingDependencyError("Ray is not installed", hint="pip install 'molvae[ray]'") from error
    return ray


def joined(ray: Any, workers: int) -> bool:
    """Join the cluster of the environment, or start a local one without dashboard; False if already joined.

    A local one has room for `workers` actors, or for one per core.

    Raises:
        MolvaeError: Ray does not start.
    """
    if ray.is_initialized():
        return False
    n_cpus = (workers if workers > 0 else available_cores()) + _SPARE_CPUS
    here = {} if os.environ.get("RAY_ADDRESS") else {"include_dashboard": False, "num_cpus": n_cpus}
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(log_to_driver=False, logging_level="ERROR", **here)
    except Exception as error:  # Ray may raise anything
        raise MolvaeError(
            f"Ray does not start: {_said(error)}",
            hint="Check RAY_ADDRESS. A node that Ray starts has 15 s for its agent, which a busy machine can "
            "miss: try again, or use --engine local.",
        ) from error
    finally:
        # Ray's own handler exits with code 15, and replaces ours
        if callable(before) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
    return True


def _said(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


@dataclass(frozen=True)
class _Opaque:
    """Wraps a value to keep Ray Data from converting it."""

    value: Any


class _MapWorker:
    """An actor of a map with its function."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"result": _Opaque(self._function(row["item"].value))}


class _Held:
    """An actor that keeps its function."""

    def __init__(self, make: Callable[[], Callable[[Any], Any]]) -> None:
        self._function = make()

    def ready(self) -> bool:
        """True once the function is made."""
        return True

    def call(self, item: Any) -> Any:
        """Call the function."""
        return self._function(item)


def available_cores() -> int:
    """Cores this process may use (the affinity mask, not the machine)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
