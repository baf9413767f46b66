"""Write the result of a benchmark with everything needed to run it again, and read tables."""

from __future__ import annotations

import csv
import gzip
import json
import math
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import stdev
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).resolve().parent / "results"
_DATA = "$MOLVAE_DATA/"
LIBRARIES = ("torch", "rdkit", "selfies", "numpy", "scikit-learn", "botorch", "gpytorch", "pyarrow")


def record(
    name: str,
    *,
    figures: dict[str, float | int | None],
    table: list[dict[str, Any]],
    seeds: list[int],
    command: list[str] | None = None,
    started_at: str | None = None,
    summary: list[dict[str, Any]] | None = None,
    directory: Path = RESULTS,
) -> Path:
    """Write ``results/NAME.json`` and return its path.

    Args:
        name: Name of the file, without suffix.
        figures: The few values that are quoted elsewhere.
        table: All rows they are computed from.
        seeds: Every root seed used.
        command: The command; default: that of this process.
        started_at: `commit()` before the work; default: now.
        summary: A shorter table for docs/benchmarks.md.
        directory: Directory of the file.
    """
    content = {
        "command": shown_command(command if command is not None else ["python", *sys.argv]),
        "commit": started_at if started_at is not None else commit(),
        "machine": machine(),
        "seeds": seeds,
        "figures": figures,
        **({} if summary is None else {"summary": summary}),
        "table": table,
    }
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}.json"
    _write(path, content)
    return path


def amend(name: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change ``results/NAME.json``, and add this process to its commands.

    Args:
        name: Name of the file, without suffix.
        change: Changes the content in place; new rows should have the commit they were measured at.
    """
    path = RESULTS / f"{name}.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    mine = shown_command(["python", *sys.argv])
    if mine not in content["command"].split("; "):
        content["command"] += f"; {mine}"
    change(content)
    _write(path, content)


def cached(path: Path, key: dict[str, Any], measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A row from an earlier measurement with the same key, or a new one, which is saved.

    Args:
        path: File of the row.
        key: All that the row depends on, as JSON.
        measure: Returns the row.

    Returns:
        The row and, under "commit", the commit it was measured at.
    """
    key = json.loads(json.dumps(key))
    if path.exists():
        before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if before["asked"] == key:
            found: dict[str, Any] = before["row"]
            return found
    row = {**measure(), "commit": commit()[:10]}
    path.write_text(json.dumps({"asked": key, "row": row}), encoding="utf-8")
    return row


def table_rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a CSV file, which may be compressed with gzip."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def smiles_in(path: Path, column: str = "smiles") -> list[str]:
    """A column of a CSV file, which may be compressed with gzip."""
    return [row[column] for row in table_rows(path)]


def standard_error(values: Sequence[float], digits: int) -> float | None:
    """Standard error of a mean, rounded; None for a single value."""
    return round(stdev(values) / len(values) ** 0.5, digits) if len(values) > 1 else None


def rounded(value: float) -> float | None:
    """A value as it is recorded; None if it is not finite."""
    return round(float(value), 5) if math.isfinite(value) else None


def _write(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    for place in (ROOT, Path(tempfile.gettempdir())):  # for example in error messages
        text = text.replace(f"{place}/", "")
    path.write_text(text, encoding="utf-8")


def shown_command(words: list[str]) -> str:
    """A command for a shell, with paths relative to the repository or to MOLVAE_DATA."""
    shown = map(_shown_word, words)
    return " ".join(word if word.startswith(_DATA) else shlex.quote(word) for word in shown)


def commit() -> str:
    """The current commit, with a ``+`` if tracked files of the library or the benchmarks were changed."""
    try:
        head = _git("rev-parse", "HEAD")
        changed = _git(
            "status", "--porcelain", "--untracked-files=no", "--", "molvae", "scripts/benchmark/*.py"
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+" if changed else "")


def machine() -> dict[str, Any]:
    """Processor, cores, memory, and versions of Python and libraries."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "libraries": {name: found for name in LIBRARIES if (found := _version(name)) is not None},
    }


def _shown_word(word: str) -> str:
    bases = [(ROOT, "")]
    if data := os.environ.get("MOLVAE_DATA"):
        bases.insert(0, (Path(data).resolve(), _DATA))
    path = Path(word)
    if path.is_absolute() or (path.exists() and ".." in path.parts):
        for base, prefix in bases:
            if path.resolve().is_relative_to(base):
                return prefix + path.resolve().relative_to(base).as_posix()
    return path.name if path.is_absolute() else word


def _git(*arguments: str) -> str:
    done = subprocess.run(  # noqa: S603
        ["git", "-C", str(ROOT), *arguments],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
