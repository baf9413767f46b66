"""Ordered map over worker processes, with a bounded number of chunks in flight."""

from __future__ import annotations

import os
from collections import deque
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

A = TypeVar("A")
B = TypeVar("B")


def available_cores() -> int:
    """Cores this process may use (the affinity mask, not the machine)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def ordered_map(
    function: Callable[[A], B], items: Iterable[A], *, workers: int = 0, chunk: int = 64
) -> Iterator[B]:
    """`map(function, items)` in `workers` processes: same results, same order, constant memory.

    Args:
        function: Importable by name (worker processes are fresh interpreters).
        items: Read lazily: at most `2 * workers + 2` chunks are in flight.
        workers: 0 computes in this process.
        chunk: Items sent to a worker at once.
    """
    if workers <= 0:
        yield from map(function, items)
        return
    from loky import ProcessPoolExecutor

    executor = ProcessPoolExecutor(max_workers=workers)
    pending: deque[Future[list[B]]] = deque()
    try:
        for part in _batched(items, chunk):
            pending.append(executor.submit(_apply, function, part))
            if len(pending) > 2 * workers + 1:
                yield from pending.popleft().result()
        yield from chain.from_iterable(future.result() for future in _drained(pending))
    finally:
        executor.shutdown(wait=True, kill_workers=bool(pending))


def _batched(items: Iterable[A], size: int) -> Iterator[tuple[A, ...]]:
    iterator = iter(items)  # itertools.batched needs Python 3.12
    while part := tuple(islice(iterator, size)):
        yield part


def _apply(function: Callable[[A], B], items: tuple[A, ...]) -> list[B]:
    return [function(item) for item in items]


def _drained(pending: deque[Future[list[B]]]) -> Iterator[Future[list[B]]]:
    while pending:
        yield pending.popleft()
