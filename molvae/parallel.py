"""Ordered map over worker processes, with a bounded number of chunks in flight."""

from __future__ import annotations

import os
import signal
from collections import deque
from concurrent.futures import wait
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

from molvae.errors import MolvaeError, StoppedEarly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

A = TypeVar("A")
B = TypeVar("B")

_ASKED_EVERY = 0.25  # seconds between two questions whether to stop


def available_cores() -> int:
    """Cores this process may use (the affinity mask, not the machine)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def ordered_map(
    function: Callable[[A], B],
    items: Iterable[A],
    *,
    workers: int = 0,
    chunk: int = 64,
    stop: Callable[[], bool] | None = None,
) -> Iterator[B]:
    """`map(function, items)` in `workers` processes: same results, same order, constant memory.

    Args:
        function: Importable by name (worker processes are fresh interpreters).
        items: Read lazily: at most `2 * workers + 2` chunks are in flight.
        workers: 0 computes in this process.
        chunk: Items sent to a worker at once.
        stop: Asked between results and while waiting for one; when it says yes, work in flight is dropped.

    Raises:
        StoppedEarly: `stop` said yes.
        MolvaeError: A worker process died.
    """
    if workers <= 0:
        for item in items:
            _heed(stop)
            yield function(item)
        return
    from loky import ProcessPoolExecutor

    executor = ProcessPoolExecutor(max_workers=workers, initializer=_ignore_interrupts)
    pending: deque[Future[list[B]]] = deque()
    complete = False
    try:
        for part in _batched(items, chunk):
            pending.append(executor.submit(_apply, function, part))
            if len(pending) > 2 * workers + 1:
                yield from _awaited(pending.popleft(), stop)
        yield from chain.from_iterable(_awaited(future, stop) for future in _drained(pending))
        complete = True
    finally:
        executor.shutdown(wait=True, kill_workers=not complete)


def _awaited(future: Future[list[B]], stop: Callable[[], bool] | None) -> list[B]:
    from loky.process_executor import BrokenProcessPool

    try:
        while not future.done():
            _heed(stop)
            wait([future], timeout=None if stop is None else _ASKED_EVERY)
        _heed(stop)
        return future.result()
    except BrokenProcessPool as error:
        _heed(stop)
        raise MolvaeError(
            f"a worker process died: {type(error).__name__}",
            hint="Most often the memory is full: use fewer workers.",
        ) from error


def _heed(stop: Callable[[], bool] | None) -> None:
    if stop is not None and stop():
        raise StoppedEarly("stopped early", hint="The same command resumes.")


def _ignore_interrupts() -> None:
    """Ctrl-C reaches every process of a terminal; the parent decides what becomes of its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _batched(items: Iterable[A], size: int) -> Iterator[tuple[A, ...]]:
    iterator = iter(items)  # itertools.batched needs Python 3.12
    while part := tuple(islice(iterator, size)):
        yield part


def _apply(function: Callable[[A], B], items: tuple[A, ...]) -> list[B]:
    return [function(item) for item in items]


def _drained(pending: deque[Future[list[B]]]) -> Iterator[Future[list[B]]]:
    while pending:
        yield pending.popleft()
