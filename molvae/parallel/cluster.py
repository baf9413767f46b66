"""Ray: actors of a cluster as workers, many for a map in order, or one for a caller."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from molvae.errors import MissingDependencyError, MolvaeError
from molvae.parallel.cores import available_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

A = TypeVar("A")
B = TypeVar("B")

_SPARE_CPUS = 1  # of a Ray cluster, in its own counting: where actors hold all of them, Ray Data stands still
_STARTING = threading.Lock()  # two threads that want their first actor start one cluster


class ActorLateError(Exception):
    """The actor did not answer in time, and has been ended."""


class ActorLostError(Exception):
    """The actor died or did not start.

    Args:
        detail: What Ray says about it.
        started: Whether it had started.
    """

    def __init__(self, detail: str, *, started: bool) -> None:
        super().__init__(detail)
        self.started = started


def over_actors(
    function: Callable[[A], B],
    items: Iterable[A],
    *,
    workers: int,
    stop: Callable[[], None],
    gpu: bool,
) -> Iterator[B]:
    """`map(function, items)` on the actors of a Ray cluster, in order.

    Args:
        function: Held by every actor, with everything it loads.
        items: Wanted all at once.
        workers: Actors; 0 for as many as there is room for.
        stop: Called between results; raises to stop.
        gpu: Whether an actor gets a GPU for itself where the cluster has any.

    Raises:
        MissingDependencyError: Ray is not installed.
        MolvaeError: Ray does not start.
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
    """A process of a Ray cluster that holds a function; made when first called, and again after it was ended.

    The cluster is that of the environment (`RAY_ADDRESS`), else one on this machine, which ends with this
    process.

    Args:
        make: Makes the function, in the actor.
        start: Seconds for the cluster to find room for the actor, and for the actor to make its function.
        of: Actors that the same caller has: a cluster started here has room for them.
    """

    def __init__(self, make: Callable[[], Callable[[Any], Any]], *, start: float, of: int = 1) -> None:
        self._make, self._start, self._of = make, start, of
        self._actor: Any = None

    def call(self, item: Any, seconds: float) -> Any:
        """What the function says.

        Raises:
            ActorLateError: Nothing, within so many seconds.
            ActorLostError: It died, or did not start.
            MissingDependencyError: Ray is not installed.
            MolvaeError: Ray does not start.
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
        """End the actor and what it has started; also from another thread, while a call waits."""
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
    """Join the cluster of the environment, or start one here without its web page.

    Args:
        ray: The library.
        workers: Actors that there is to be room for on this machine; 0 for one per core.

    Returns:
        Whether there was none before.

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
    except Exception as error:  # Ray raises all kinds, bare ones too
        raise MolvaeError(
            f"Ray does not start: {_said(error)}",
            hint="Check RAY_ADDRESS. A node that Ray starts has 15 s for its agent, which a busy machine can "
            "miss: try again, or use --engine local.",
        ) from error
    finally:
        # Ray's own handler ends the process with exit code 15, whoever had asked to hear the signal
        if callable(before) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
    return True


def _said(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


@dataclass(frozen=True)
class _Opaque:
    """Anything, as a cell of a table that its library leaves alone."""

    value: Any


class _MapWorker:
    """What stays in one actor of a map: the function, with everything it has loaded."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"result": _Opaque(self._function(row["item"].value))}


class _Held:
    """What stays in an actor of its own: the function it has made."""

    def __init__(self, make: Callable[[], Callable[[Any], Any]]) -> None:
        self._function = make()

    def ready(self) -> bool:
        """Answered as soon as the function is made."""
        return True

    def call(self, item: Any) -> Any:
        """What the function says."""
        return self._function(item)
