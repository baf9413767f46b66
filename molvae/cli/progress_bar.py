"""The live progress bar of a terminal."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from molvae.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import TaskID


class LiveProgress:
    """Shows the tasks of a long-running call as bars, its figures beside them and its notes above."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def start(self, task: str, total: int | None = None) -> None:
        """Add a bar."""
        if task in self._tasks:
            self._bars.remove_task(self._tasks[task])
        self._tasks[task] = self._bars.add_task(task, total=total, figures="")

    def advance(self, task: str, n: int = 1, **fields: Any) -> None:
        """Move the bar on and show the figures."""
        if task not in self._tasks:
            self.start(task)
        if fields:
            self._bars.update(self._tasks[task], advance=n, figures=_figures(fields))
        else:
            self._bars.update(self._tasks[task], advance=n)

    def finish(self, task: str, **fields: Any) -> None:
        """Replace the bar by a line."""
        if task not in self._tasks:
            return
        bar = self._bars.tasks[[one.id for one in self._bars.tasks].index(self._tasks.pop(task))]
        self._bars.remove_task(bar.id)
        self.note(
            f"{task}: {int(bar.completed):,} in {bar.elapsed or 0.0:.1f} s  {_figures(fields)}".rstrip()
        )

    def note(self, text: str) -> None:
        """A line above the bars."""
        self._bars.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)


@contextlib.contextmanager
def live_progress() -> Iterator[LiveProgress]:
    """Bars on stderr for as long as the block runs."""
    bars = Progress(
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


def _figures(fields: dict[str, Any]) -> str:
    return "  ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in fields.items()
    )
