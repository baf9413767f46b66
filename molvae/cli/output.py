"""Output of commands: results to stdout, messages and progress to stderr, as text or JSON."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import textwrap
import traceback
from typing import TYPE_CHECKING, Any, TextIO, cast

from molvae.progress import SILENT, PlainProgress, Progress, figures_text
from molvae.text import cell, jsonable, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from molvae.data.records import Column
    from molvae.data.writers import Writer


class Session:
    """Output settings of one command.

    Attributes:
        verbosity: -1 quiet (errors only), 0 usual, 1 and more verbose.
        as_json: Results are JSON on stdout, errors JSON on stderr.
    """

    def __init__(self) -> None:
        self.verbosity = 0
        self.as_json = False

    def note(self, text: str) -> None:
        """A message, unless quiet."""
        if self.verbosity >= 0:
            _say(text)

    def error(
        self, message: str, *, hint: str | None = None, code: int = 1, traced_from: int | None = None
    ) -> None:
        """The error message, the hint, and the traceback if verbosity is at least `traced_from`."""
        if self.as_json:
            _say(json.dumps({"error": message, "hint": hint, "exit_code": code}))
        else:
            _say(_wrapped(f"molvae: {message}", "        "))
            for line in (hint or "").splitlines():
                _say(_wrapped(f"  {line}", "  "))
        if traced_from is not None and self.verbosity >= traced_from:
            _say(traceback.format_exc().rstrip())

    def report(self, facts: Mapping[str, Any], text: str | None = None) -> None:
        """The result of a command without rows: one JSON object, or `text`, or a line per fact."""
        if self.as_json:
            sys.stdout.write(json.dumps(jsonable(facts)) + "\n")
        else:
            sys.stdout.write(printable((facts_text(facts) if text is None else text).rstrip("\n")) + "\n")
        sys.stdout.flush()

    @contextlib.contextmanager
    def progress(self) -> Iterator[Progress]:
        """Progress of a long call: a live bar on a terminal, else a line every few seconds."""
        if self.verbosity < 0:
            yield SILENT
        elif sys.stderr.isatty():
            with live_progress() as progress:
                yield progress
        else:
            yield PlainProgress(sys.stderr)

    @contextlib.contextmanager
    def rows(self, target: Path | None, columns: Sequence[Column]) -> Iterator[Writer]:
        """Writer of rows to `target` by its suffix, or to stdout as CSV (JSON Lines with --json)."""
        from molvae.data.writers import CsvWriter, JsonLinesWriter, open_writer

        if target is None or str(target) == "-":
            stream = cast("TextIO", _Shown(sys.stdout)) if sys.stdout.isatty() else sys.stdout
            yield (JsonLinesWriter if self.as_json else CsvWriter)(stream, columns)
            sys.stdout.flush()  # a write error belongs to this block
            return
        with open_writer(target, columns) as writer:
            yield writer
        if writer.skipped:
            self.note(f"{writer.skipped} rows without a valid molecule are not in {target}")

    def wrote(self, target: Path | None, facts: Mapping[str, Any]) -> None:
        """After rows: a summary line, or with --json and a file, the summary on stdout."""
        counts = ", ".join(f"{cell(value)} {_noun(name, value)}" for name, value in facts.items())
        where = "" if target is None or str(target) == "-" else f" -> {target}"
        if self.as_json and where:
            sys.stdout.write(json.dumps(jsonable({**facts, "output": str(target)})) + "\n")
        self.note(f"{counts}{where}")


class LiveProgress(Progress):
    """Shows tasks of a long-running call as progress bars, with their metrics and notes."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def start(self, task: str, total: int | None = None) -> None:
        """Add a bar."""
        if task in self._tasks:
            self._bars.remove_task(self._tasks[task])
        self._tasks[task] = self._bars.add_task(task, total=total, figures="")

    def advance(self, task: str, n: int = 1, **fields: Any) -> None:
        """Advance the bar and show the metrics."""
        if fields:
            self._bars.update(self._tasks[task], figures=figures_text(fields))
        self._bars.advance(self._tasks[task], n)

    def finish(self, task: str, **fields: Any) -> None:
        """Replace the bar by a line."""
        number = self._tasks.pop(task)
        (bar,) = [one for one in self._bars.tasks if one.id == number]
        self._bars.remove_task(number)
        self.note(
            f"{task}: {int(bar.completed):,} in {bar.elapsed or 0.0:.1f} s  {figures_text(fields)}".rstrip()
        )

    def note(self, text: str) -> None:
        """A line above the bars."""
        self._bars.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)


@contextlib.contextmanager
def live_progress() -> Iterator[LiveProgress]:
    """Progress bars on stderr while the block runs."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    bars = Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}", markup=False),
        console=Console(stderr=True),
        transient=True,
    )
    with bars:
        yield LiveProgress(bars)


class _Shown:
    """A terminal that prints only printable characters."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal

    def write(self, text: str) -> int:
        return self._terminal.write(printable(text))


def table_text(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """An aligned table, wrapped to the terminal; unwrapped and without color in a pipe."""
    from io import StringIO

    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index, name in enumerate(header):
        numbers = all(isinstance(row[index], int | float) for row in rows)
        table.add_column(Text(name), justify="right" if numbers and rows else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell(value)) for value in row))
    stream = StringIO()
    width = None if sys.stdout.isatty() else 1000
    Console(file=stream, width=width, no_color=True, highlight=False, emoji=False).print(table)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def facts_text(facts: Mapping[str, Any], indent: str = "") -> str:
    """A line per fact, nested facts indented."""
    width = max((len(str(name)) for name, value in facts.items() if not isinstance(value, dict)), default=0)
    lines = []
    for name, value in facts.items():
        label = str(name).replace("_", " ")
        if isinstance(value, dict):
            lines += [f"{indent}{label}", facts_text(value, indent + "  ").rstrip("\n")] if value else []
        else:
            lines.append(f"{indent}{label:<{width}}  {cell(value)}")
    return "\n".join(lines) + "\n"


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # stderr is closed: continue without messages
        sys.stderr.write(f"{printable(text)}\n")
        sys.stderr.flush()


def _wrapped(line: str, indent: str) -> str:
    """A line wrapped to the width of the terminal; unchanged in a pipe."""
    width = shutil.get_terminal_size().columns
    if not sys.stderr.isatty() or len(line) <= width:
        return line
    wrapper = textwrap.TextWrapper(width, subsequent_indent=indent, break_long_words=False)
    wrapper.break_on_hyphens = False
    return "\n".join(wrapper.wrap(line))


def _noun(name: str, count: Any) -> str:
    words = name.replace("_", " ")
    return words.removesuffix("s") if count == 1 else words
