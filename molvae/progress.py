"""Progress of long calls: as lines of text, as a log of JSON lines, or not at all."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, TextIO

from molvae.persistence.files import Closing
from molvae.text import jsonable, printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Progress:
    """Listener of a long-running function; the base class ignores all events.

    A task, known by its name, starts before it advances or finishes.
    """

    def start(self, task: str, total: int | None = None) -> None:
        """A task begins; `total` is None if unknown."""

    def advance(self, task: str, n: int = 1, **fields: Any) -> None:
        """`n` more units are done; `fields` are figures to show."""

    def finish(self, task: str, **fields: Any) -> None:
        """The task ends; `fields` are its results."""

    def note(self, text: str) -> None:
        """A message."""


SILENT = Progress()


class PlainProgress(Progress):
    """A plain line per task `every` few seconds: for log files and terminals without a cursor."""

    def __init__(self, stream: TextIO, every: float = 5.0) -> None:
        self.stream = stream
        self.every = every
        self._done: dict[str, int] = {}
        self._totals: dict[str, int | None] = {}
        self._started: dict[str, float] = {}
        self._shown: dict[str, float] = {}

    def start(self, task: str, total: int | None = None) -> None:
        """Begin a task; nothing is printed yet."""
        now = time.monotonic()
        self._done[task], self._totals[task] = 0, total
        self._started[task] = self._shown[task] = now

    def advance(self, task: str, n: int = 1, **fields: Any) -> None:
        """Print a line, unless one was printed recently."""
        self._done[task] += n
        now = time.monotonic()
        if now - self._shown[task] >= self.every:
            self._shown[task] = now
            self._line(task, now, fields)

    def finish(self, task: str, **fields: Any) -> None:
        """Print the last line of the task."""
        self._line(task, time.monotonic(), fields)

    def note(self, text: str) -> None:
        """Print the message."""
        self.stream.write(f"{printable(text)}\n")
        self.stream.flush()

    def _line(self, task: str, now: float, fields: dict[str, Any]) -> None:
        total = self._totals[task]
        count = f"{self._done[task]:,}" if total is None else f"{self._done[task]:,}/{total:,}"
        rate = self._done[task] / max(now - self._started[task], 1e-9)
        self.note(f"{task}: {count} ({rate:,.1f}/s)  {figures_text(fields)}".rstrip())


class EventLog(Closing):
    """Appends one JSON object per event to a file, the record for reports.

    NaN is written as null. A line that a crash has truncated is ended before the next one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        torn = path.exists() and path.stat().st_size > 0 and path.read_bytes()[-1:] != b"\n"
        self._file = path.open("a", encoding="utf-8")
        if torn:
            self._file.write("\n")

    def write(self, event: str, **fields: Any) -> None:
        """Append the event and flush it."""
        record = {"event": event, "time": round(time.time(), 3), **jsonable(fields)}
        self._file.write(json.dumps(record, ensure_ascii=True) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_events(path: Path, event: str | None = None) -> list[dict[str, Any]]:
    """The events of a log in order (of one kind, if given), without truncated lines."""
    records: list[dict[str, Any]] = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = jsonable(json.loads(line))
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict) and (event is None or record.get("event") == event):
            records.append(record)
    return records


def figures_text(fields: Mapping[str, Any]) -> str:
    """Figures of a task on one line.

    >>> figures_text({"loss": 1.23456, "hits": 3})
    'loss 1.235  hits 3'
    """
    return "  ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in fields.items()
    )
