"""Stop a long training where its state can be saved: on signals, or when its time is up."""

from __future__ import annotations

import contextlib
import signal
import time
from typing import TYPE_CHECKING

from molvae.errors import StoppedEarly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


@contextlib.contextmanager
def stopping(max_minutes: float | None, *, resumable: bool = False) -> Iterator[Callable[[], bool]]:
    """A question to ask between steps: is it time to stop?

    Ctrl-C, SIGTERM and SIGUSR1 (a batch system's warning) say yes; a second Ctrl-C or SIGTERM ends the
    process at once. The block ends as the signal says: `KeyboardInterrupt` (exit 130),
    `Terminated` (143), or `StoppedEarly` (75) after SIGUSR1 and when the time is up. With
    `resumable` it is `StoppedEarly` whatever came, so that a batch system that sends SIGTERM runs it again.
    """
    from molvae.cli.main import Terminated

    received: list[int] = []
    deadline = None if max_minutes is None else time.monotonic() + 60 * max_minutes

    def remember(number: int, frame: FrameType | None) -> None:
        del frame
        received.append(number)
        if number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)

    kinds = [signal.SIGINT, signal.SIGTERM, *([signal.SIGUSR1] if hasattr(signal, "SIGUSR1") else [])]
    previous = {kind: signal.getsignal(kind) for kind in kinds}
    try:
        for kind in kinds:
            if previous[kind] is not signal.SIG_IGN:
                signal.signal(kind, remember)
        yield lambda: bool(received) or (deadline is not None and time.monotonic() >= deadline)
    except StoppedEarly as stopped:
        if resumable:
            raise
        if signal.SIGINT in received:
            raise KeyboardInterrupt from stopped
        if signal.SIGTERM in received:
            raise Terminated from stopped
        raise
    finally:
        for kind, handler in previous.items():
            signal.signal(kind, handler)
