"""Run one program and kill it, with all its descendants, as soon as it ends or its caller is gone.

Started as `python -I -S guardian.py FD PROGRAM ARGS...`; the caller has the other end of the pipe FD, which
the operating system closes however the caller ends, kill -9 included. It needs only Python. On Linux it also
adopts orphans of the program, so that processes that left its group end as well.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_CANNOT_RUN = 127


def main(arguments: list[str]) -> int:
    """Run the program until it ends or the pipe closes; its exit code, or 128 + the signal that ended it."""
    lifeline, command = int(arguments[0]), arguments[1:]
    os.set_inheritable(lifeline, False)
    _adopt_orphans()
    ended, bell = os.pipe()
    os.set_blocking(bell, False)
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # only wakes this process: the pipe decides
    signal.set_wakeup_fd(bell)
    try:
        program = subprocess.Popen(command, start_new_session=True)  # noqa: S603 - the user's own command
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]}: {error.strerror or error}\n")
        return _CANNOT_RUN
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # its pipes end when it ends, not when this process does
        os.dup2(nowhere, stream)
    while program.poll() is None:
        ready, _, _ = select.select([lifeline, ended], [], [])
        if lifeline in ready:
            break
        os.read(ended, 4096)
    _end_all(program)
    code = program.wait()
    return code if code >= 0 else 128 - code


def _adopt_orphans() -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end_all(program: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        os.killpg(program.pid, signal.SIGKILL)
    program.wait()
    for _ in range(100):  # children of killed processes become ours
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
    sys.exit(main(sys.argv[1:]))
