"""Signals while other threads are waited for."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


@contextlib.contextmanager
def deferred_signals() -> Iterator[Callable[[], None]]:
    """Defer the handlers of Ctrl-C and SIGTERM to calls of the function yielded, or to the end of the block.

    A handler that raises may do so at any instruction of the main thread, also between acquiring and
    releasing a lock of a future or an event. The lock then stays locked, and the threads that need it never
    end. So a block that waits for threads calls this function where an exception does no harm.

    Outside the main thread, which alone runs handlers, and for signals without a Python handler, nothing
    changes.
    """
    previous: dict[int, Callable[[int, FrameType | None], object]] = {}
    arrived: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        del frame
        arrived.append(number)

    def deliver() -> None:
        while arrived:
            number = arrived.pop(0)
            previous[number](number, None)

    try:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                handler = signal.getsignal(number)
                if callable(handler):
                    previous[number] = handler
                    signal.signal(number, remember)
        yield deliver
    finally:
        for kind, handler in previous.items():
            if signal.getsignal(kind) is remember:  # a handler may have replaced itself, for a second signal
                signal.signal(kind, handler)
        deliver()
