"""Ordered map over workers, with a bounded number of chunks in flight: processes here, or a Ray cluster."""

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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

A = TypeVar("A")
B = TypeVar("B")

Engine = Literal["local", "ray"]
"""Where workers are: processes of this machine, or actors of a Ray cluster."""

_ASKED_EVERY = 0.25  # seconds between two questions whether to stop
_LOOKED_EVERY = 1.0  # seconds between two looks of a worker whether its parent is still there


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
        workers: 0 computes in this process.
        chunk: Items sent to a worker at once.
        stop: Asked between results and while waiting for one; when it says yes, work in flight is dropped.
        engine: `ray` uses the actors of a Ray cluster: that of the environment (`RAY_ADDRESS`), else one on
            this machine. It wants all items at once, and `workers` 0 means as many as there is room for.
        gpu: Whether an actor gets a GPU for itself where the cluster has any.

    Raises:
        StoppedEarly: `stop` said yes.
        MolvaeError: A worker process died.
        MissingDependencyError: Ray is wanted and not installed.
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

    executor = ProcessPoolExecutor(max_workers=workers, initializer=_settle, initargs=(os.getpid(),))
    pending: deque[Future[list[B]]] = deque()
    complete = False
    try:
        for part in _batched(items, chunk):
            pending.append(executor.submit(_apply, function, part))
            if len(pending) > 2 * workers + 1:
                yield from _awaited(pending.popleft(), stop)
        yield from chain.from_iterable(_awaited(future, stop) for future in _drained(pending))
        complete = True
    except BrokenProcessPool as error:
        _heed(stop)  # a batch system may have told the workers first
        raise MolvaeError(
            f"a worker process died: {type(error).__name__}",
            hint="Most often the memory is full: use fewer workers.",
        ) from error
    finally:
        executor.shutdown(wait=True, kill_workers=not complete)


def _awaited(future: Future[list[B]], stop: Callable[[], bool] | None) -> list[B]:
    while not future.done():
        _heed(stop)
        wait([future], timeout=None if stop is None else _ASKED_EVERY)
    _heed(stop)
    return future.result()


def _heed(stop: Callable[[], bool] | None) -> None:
    if stop is not None and stop():
        raise StoppedEarly("stopped early", hint="The same command resumes.")


def _settle(parent: int) -> None:
    """Make a worker heed its parent alone: Ctrl-C reaches all processes of a terminal, kill -9 only one."""
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
