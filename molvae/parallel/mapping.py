"""Ordered map over worker processes or a Ray cluster, with a bounded number of chunks in flight."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from concurrent.futures import wait
from itertools import chain, islice
from typing import TYPE_CHECKING, Literal, TypeVar

from molvae.errors import MolvaeError, StoppedEarly
from molvae.parallel.cluster import over_actors
from molvae.parallel.signals import deferred_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

A = TypeVar("A")
B = TypeVar("B")

Engine = Literal["local", "ray"]
"""Kind of workers: local processes, or actors of a Ray cluster."""

_ASKED_EVERY = 0.25  # seconds between two calls of `stop`, and between two looks for Ctrl-C
_SAFE_PATH = {"PYTHONSAFEPATH": "1"}  # child processes do not import from the current directory
_LOOKED_EVERY = 1.0  # seconds between two checks of a worker for its parent


def ordered_map(
    function: Callable[[A], B],
    items: Iterable[A],
    *,
    workers: int = 0,
    chunk: int = 64,
    stop: Callable[[], bool] | None = None,
    engine: Engine = "local",
    gpu: bool = False,
) -> Iterator[B]:
    """`map(function, items)` in `workers` processes: same results, same order, constant memory.

    Args:
        function: Importable by name (worker processes are fresh interpreters).
        items: Read lazily: at most `2 * workers + 2` chunks are in flight.
        workers: Number of processes; 0 computes in this one.
        chunk: Items sent to a worker at once.
        stop: Whether to stop; called between results and while waiting. Work in flight is dropped.
        engine: `ray` uses the actors of a Ray cluster: that of the environment (`RAY_ADDRESS`), else a local
            one. It reads all items at once, and `workers` 0 means as many as fit.
        gpu: Whether an actor gets its own GPU where the cluster has any.

    Raises:
        StoppedEarly: `stop` returned True, or the system killed a worker.
        MolvaeError: A worker process crashed.
        MissingDependencyError: Ray is not installed.
    """
    if engine == "ray":
        yield from over_actors(function, items, workers=workers, stop=lambda: _heed(stop), gpu=gpu)
        return
    if workers <= 0:
        for item in items:
            _heed(stop)
            yield function(item)
        return
    from loky import ProcessPoolExecutor
    from loky.process_executor import BrokenProcessPool

    _start_trackers()
    executor = ProcessPoolExecutor(
        max_workers=workers, initializer=_settle, initargs=(os.getpid(),), env=_SAFE_PATH
    )
    pending: deque[Future[list[B]]] = deque()
    complete = False
    try:
        for part in _batched(items, chunk):
            with deferred_signals():
                pending.append(executor.submit(_apply, function, part))
            if len(pending) > 2 * workers + 1:
                yield from _awaited(pending.popleft(), stop)
        yield from chain.from_iterable(_awaited(future, stop) for future in _drained(pending))
        complete = True
    except BrokenProcessPool as error:
        _heed(stop)  # a batch system may have stopped the workers already
        raise _died(str(error)) from error
    finally:
        with deferred_signals():
            executor.shutdown(wait=True, kill_workers=not complete)


def _start_trackers() -> None:
    """Start the resource trackers of Python and loky without the current directory in their path.

    They are started with `python -c`, which would import a `random.py` from the current directory.
    """
    from multiprocessing import resource_tracker as of_python

    from loky.backend import resource_tracker as of_loky

    before = {name: os.environ.get(name) for name in _SAFE_PATH}
    os.environ.update(_SAFE_PATH)
    try:
        of_python.ensure_running()
        of_loky.ensure_running()
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _died(said: str) -> MolvaeError:
    """The error for a dead worker; if the system killed it, a retry may succeed."""
    if "SIGKILL" in said or "SIGTERM" in said:
        return StoppedEarly(
            "a worker process was killed, most often because the memory is full",
            hint="Run the same command again; with fewer workers it needs less memory.",
        )
    codes = said.rpartition("{")[2].rstrip("}") or "no exit code"
    return MolvaeError(f"a worker process died ({codes})", hint="Use one worker to find the row.")


def _awaited(future: Future[list[B]], stop: Callable[[], bool] | None) -> list[B]:
    with deferred_signals() as deliver:
        while True:
            _heed(stop)
            if not wait([future], _ASKED_EVERY).not_done:
                break
            deliver()
    _heed(stop)
    return future.result()


def _heed(stop: Callable[[], bool] | None) -> None:
    if stop is not None and stop():
        raise StoppedEarly("stopped early", hint="The same command resumes.")


def _settle(parent: int) -> None:
    """Tie a worker to its parent: ignore Ctrl-C, which the parent handles, and exit with the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()


def _leave_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOKED_EVERY)
    os._exit(1)


def _batched(items: Iterable[A], size: int) -> Iterator[tuple[A, ...]]:
    iterator = iter(items)  # itertools.batched needs Python 3.12
    while part := tuple(islice(iterator, size)):
        yield part


def _apply(function: Callable[[A], B], items: tuple[A, ...]) -> list[B]:
    return [function(item) for item in items]


def _drained(pending: deque[Future[list[B]]]) -> Iterator[Future[list[B]]]:
    while pending:
        yield pending.popleft()
