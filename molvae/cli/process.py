"""Arguments and their errors, signals and standard streams of the process."""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from molvae.errors import StoppedEarly, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType


def at_home(word: str) -> str:
    """Expand `~`, which a shell does not in `--output=~/x` and quoted arguments.

    >>> at_home("--output=~nobody/x"), at_home("CCO")
    ('--output=~nobody/x', 'CCO')
    """
    head, equals, path = word.partition("=") if word.startswith("--") else ("", "", word)
    return f"{head}{equals}{Path(path).expanduser()}" if path.startswith("~/") else word


def check_words(argv: Sequence[str]) -> None:
    """Refuse invalid characters in arguments.

    Raises:
        UsageError: An argument is not UTF-8, or contains a NUL character.
    """
    for word in argv:
        if not word.isprintable() and any("\ud800" <= character <= "\udfff" for character in word):
            raise click.UsageError(f"{os.fsencode(word)!r} is not UTF-8: rename the file")
        if "\0" in word:
            raise click.UsageError(f"{word!r} contains a NUL character, which names cannot contain")


_PLAIN_WORDS = {
    "is not a valid integer range": "is not an integer",
    "is not a valid integer": "is not an integer",
    "is not a valid float range": "is not a number",
    "is not a valid float": "is not a number",
    "in the range x>=": "in the range from ",
    "in the range x>": "in the range above ",
}


def usage_sentence(error: click.UsageError) -> str:
    """A click error in plain words, with a suggestion for unknown options."""
    if isinstance(error, click.NoSuchOption) and error.ctx is not None:
        known = [name for param in error.ctx.command.get_params(error.ctx) for name in param.opts]
        return f"no option '{error.option_name}'{_nearest_option(error.option_name, known)}"
    message = error.format_message().rstrip(".?").replace(". Did you mean", "; did you mean")
    for theirs, ours in _PLAIN_WORDS.items():
        message = message.replace(theirs, ours)
    return message[:1].lower() + message[1:] + ("?" if "did you mean" in message else "")


def _nearest_option(name: str, known: Sequence[str]) -> str:
    """The option with a similar spelling, or with these initials (--lr, --bs)."""
    initials = {"".join(word[:1] for word in option.strip("-").split("-")): option for option in known}
    meant = initials.get(name.strip("-"))
    if meant is not None and "-" in meant.strip("-"):
        return f"; did you mean '{meant}'?"
    return suggest(name, [option for option in known if option != "--help" or name.startswith("--h")])


class Terminated(BaseException):
    """The operating system asked the process to end (SIGTERM)."""


def handle_signals() -> None:
    """Raise `Terminated` on SIGTERM and `KeyboardInterrupt` on Ctrl-C; a second one ends the process."""

    def handle(number: int, frame: FrameType | None) -> None:
        del frame
        signal.signal(number, signal.SIG_DFL)
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    signal.signal(signal.SIGTERM, handle)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # a shell's background job ignores Ctrl-C
        signal.signal(signal.SIGINT, handle)


@contextlib.contextmanager
def stopping(max_minutes: float | None, *, resumable: bool = False) -> Iterator[Callable[[], bool]]:
    """A function to call between steps: whether to stop.

    True after Ctrl-C, SIGTERM, SIGUSR1 (a batch system's warning), or when the time is up; a second Ctrl-C or
    SIGTERM ends the process at once. The block then raises `KeyboardInterrupt` (exit 130), `Terminated` (143)
    or, after SIGUSR1 or the time, `StoppedEarly` (75). With `resumable` it always raises `StoppedEarly`, so
    that a batch system that sends SIGTERM requeues the job.
    """
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


def mend_streams() -> None:
    """Reopen closed streams, and replace characters that a stream cannot encode.

    Otherwise a file opened while stdout is closed would get its descriptor and receive the results.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # takes the free descriptor; writing to it is an error
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, "r" if name == "stdin" else "w", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def reader_is_gone() -> bool:
    """Whether stdout is a pipe without a reader (`molvae sample ... | head`)."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        gone = any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
        if gone:  # the interpreter flushes again at exit
            flush_nowhere()
    except (AttributeError, OSError, ValueError):  # no poll on this system, or stdout is not a file
        return False
    return gone


def flush_nowhere() -> None:
    """Redirect stdout to nowhere, so that flushing it at exit cannot fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
