"""A program in a separate process group: lines in, lines out, with time-outs and cleanup.

This file is also the program's guardian, started as `python -I -S isolation.py FD PROGRAM ARGS...`, so it
uses only the standard library. The caller holds the other end of the pipe FD, which the operating system
closes when the caller ends in any way (even kill -9); then the guardian kills the program and all its
descendants. On Linux it also adopts orphans of the program, to end processes that left its group.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST_LINE = 64 << 20  # bytes of one answer
_KEPT_STDERR = 4096  # bytes of stderr to keep
_GRACE_PERIOD = 2.0  # seconds to exit after its input or output is closed
_BY_SIGNAL = 128
_CANNOT_RUN = 127
_PR_SET_CHILD_SUBREAPER = 36


class ProgramEnded(Exception):  # noqa: N818 - it says what happened
    """The program ended, or closed its output, without an answer; or its answer is too long."""


class ProgramLate(Exception):  # noqa: N818 - it says what happened
    """The program did not answer in time."""


class Program:
    """A running program, killed with all its descendants when this object or process ends.

    No shell is involved. The end of its stderr is kept for messages.
    """

    def __init__(self, command: Sequence[str]) -> None:
        lifeline, self._lifeline = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the user's own command
                [sys.executable, "-I", "-S", __file__, str(lifeline), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(lifeline,),
                start_new_session=True,
                bufsize=0,
            )
        except BaseException:
            os.close(self._lifeline)
            raise
        finally:
            os.close(lifeline)
        streams = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._in, self._out, self._err = (stream.fileno() for stream in streams if stream is not None)
        for descriptor in (self._in, self._out, self._err):
            os.set_blocking(descriptor, False)
        self._received = bytearray()
        self._stderr = bytearray()
        self._end = weakref.finalize(self, _end, self._process, self._lifeline)

    def exchange(self, text: str, deadline: float, *, last: bool = False) -> str:
        """Write `text` and read one line; with `last`, close its input and read all output.

        The deadline is on the clock of `time.monotonic`.

        Raises:
            ProgramEnded: It has ended; the message has its exit code and the end of stderr. Or the answer is
                too long.
            ProgramLate: It did not answer in time. Kill it, as a late answer would be mistaken for the next
                one.
        """
        waiting, searched = memoryview(text.encode()), 0
        while True:
            waiting = self._send(waiting, last=last)
            if not last and (end := self._received.find(b"\n", searched)) >= 0:
                line = bytes(self._received[:end])
                del self._received[: end + 1]
                return line.decode(errors="replace")
            searched = len(self._received)
            if not self._receive(bool(waiting), deadline):
                if last and not waiting:
                    return bytes(self._received).decode(errors="replace")
                raise ProgramEnded(self.describe_end())
            if len(self._received) > _LONGEST_LINE:
                raise ProgramEnded(f"an answer of more than {_LONGEST_LINE >> 20} MB")

    def end(self) -> None:
        """Kill it and its descendants; an `exchange` in another thread then raises."""
        self._end()

    def kill(self) -> None:
        """Kill it and its descendants, and close its pipes."""
        self._end()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def close(self) -> None:
        """Close its input, wait a moment for it to exit, and kill it."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_GRACE_PERIOD)
        self.kill()

    @property
    def exit_code(self) -> int | None:
        """Exit code of the program (128 + signal if killed); `None` while it runs."""
        return self._process.poll()

    def _send(self, waiting: memoryview, *, last: bool) -> memoryview:
        try:
            while waiting:
                waiting = waiting[os.write(self._in, waiting) :]
        except BlockingIOError:
            return waiting
        except (BrokenPipeError, OSError):
            waiting = memoryview(b"")  # it stopped reading; its answer shows whether that matters
        if last and self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        return waiting

    def _receive(self, writes: bool, deadline: float) -> bool:  # noqa: FBT001 - one caller
        """Wait until something can be read or written; False once its output has ended."""
        poll = select.poll()
        poll.register(self._out, select.POLLIN)
        poll.register(self._err, select.POLLIN)
        if writes:
            poll.register(self._in, select.POLLOUT)
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise ProgramLate
            events = poll.poll(min(left, 3600.0) * 1000)
            for descriptor, _ in events:
                if descriptor == self._err:
                    if not self._read_stderr():
                        poll.unregister(self._err)
                elif descriptor == self._out:
                    data = _read(self._out)
                    self._received += data
                    return bool(data)
            if any(descriptor == self._in for descriptor, _ in events):
                return True

    def _read_stderr(self) -> bool:
        data = _read(self._err)
        self._stderr = (self._stderr + data)[-_KEPT_STDERR:]
        return bool(data)

    def describe_end(self) -> str:
        """How it ended, and the last line of its stderr."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_PERIOD)
        with contextlib.suppress(BlockingIOError):
            while self._read_stderr():
                pass
        lines = self._stderr.decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return how_it_ended(self._process.poll()) + (f": {last}" if last else "")


def how_it_ended(code: int | None) -> str:
    """An exit code in words.

    >>> how_it_ended(3), how_it_ended(139)
    ('the program ended with exit code 3', 'the program was ended by SIGSEGV')
    """
    if code is None:
        return "the program closed its output"
    if code > _BY_SIGNAL:
        with contextlib.suppress(ValueError):
            return f"the program was ended by {signal.Signals(code - _BY_SIGNAL).name}"
    return f"the program ended with exit code {code}"


def _read(descriptor: int) -> bytes:
    return os.read(descriptor, 1 << 16)


def _end(process: subprocess.Popen[bytes], lifeline: int) -> None:
    """Close the pipe to the guardian, which then kills the program and its descendants, and wait for it."""
    os.close(lifeline)
    try:
        process.wait(10.0)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def guard(arguments: list[str]) -> int:
    """Run the program until it ends or the pipe closes; its exit code, or 128 + the signal that ended it."""
    lifeline, command = int(arguments[0]), arguments[1:]
    os.set_inheritable(lifeline, False)
    _adopt_orphans()
    ended, wakeup = os.pipe()
    os.set_blocking(wakeup, False)
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # only wakes this process; the pipe is the signal
    signal.set_wakeup_fd(wakeup)
    try:
        program = subprocess.Popen(command, start_new_session=True)  # noqa: S603 - the user's own command
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]}: {error.strerror or error}\n")
        return _CANNOT_RUN
    devnull = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # its pipes must close when it ends, not when this process does
        os.dup2(devnull, stream)
    while program.poll() is None:
        ready, _, _ = select.select([lifeline, ended], [], [])
        if lifeline in ready:
            break
        os.read(ended, 4096)
    _end_all(program)
    code = program.wait()
    return code if code >= 0 else _BY_SIGNAL - code


def _adopt_orphans() -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end_all(program: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        os.killpg(program.pid, signal.SIGKILL)
    program.wait()
    for _ in range(100):  # orphans are reparented to this process
        left = _children()
        for process in left:
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGKILL)
            with contextlib.suppress(OSError):
                os.waitpid(process, 0)
        if not left:
            return


def _children() -> list[int]:
    """Processes whose parent is this one, where there is a /proc."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            if int(stat.read_text(errors="replace").rpartition(")")[2].split()[1]) == os.getpid():
                found.append(int(stat.parent.name))
    return found


if __name__ == "__main__":
    sys.exit(guard(sys.argv[1:]))
