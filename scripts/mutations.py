"""Break lines of molvae one by one in a copy of the tree, and report which ones the tests detect."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIST = Path(__file__).with_suffix(".toml")
_LIBRARIES = ("torch", "botorch", "rdkit.Chem", "scipy.stats", "sklearn", "pyarrow", "pydantic", "hypothesis")
_TIMEOUT = 1800  # seconds; an endless loop counts as noticed


@dataclass(frozen=True)
class Mutation:
    """A line to break.

    Attributes:
        what: Description of the broken behavior.
        room: Package of molvae with the text, in exactly one place.
        old: The text.
        new: Its replacement.
        tests: Files and directories of tests, of which one must fail.
    """

    what: str
    room: str
    old: str
    new: str
    tests: tuple[str, ...]

    def file(self, root: Path) -> Path | None:
        """The one file with the text; None if it does not occur exactly once."""
        paths = sorted((root / "molvae" / self.room).rglob("*.py"))
        found = {path: path.read_text(encoding="utf-8").count(self.old) for path in paths}
        files = [path for path, n in found.items() if n]
        return files[0] if sum(found.values()) == 1 else None


def mutations() -> list[Mutation]:
    """The mutations of scripts/mutations.toml."""
    listed = tomllib.loads(LIST.read_text(encoding="utf-8"))["mutation"]
    return [Mutation(**{**entry, "tests": tuple(entry["tests"])}) for entry in listed]


def main() -> int:
    """Try the mutations; exit code 1 if fewer than `--least` are noticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="only those whose package or description has this text")
    parser.add_argument("--least", type=int, default=0, help="minimum number noticed")
    parser.add_argument("--json", type=Path, help="file to write the counts and rows to")
    chosen = parser.parse_args()
    for name in _LIBRARIES:  # loaded once, before forking; each takes seconds
        import_module(name)
    todo = [m for m in mutations() if chosen.only in f"{m.room}: {m.what}"]
    with tempfile.TemporaryDirectory(prefix="molvae-mutations-") as folder:
        root = Path(folder) / "molvae-copy"
        _copy(root)
        rows = [_tried(root, mutation) for mutation in todo]
    noticed = sum(row["result"] == "noticed" for row in rows)
    print(f"{noticed} of {len(rows)} noticed")
    if chosen.json:
        facts = {"noticed": noticed, "total": len(rows), "rows": rows}
        chosen.json.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return int(noticed < chosen.least)


def _copy(root: Path) -> None:
    """Copy all files that are not ignored by git."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)


def _tried(root: Path, mutation: Mutation) -> dict[str, str]:
    started = time.monotonic()
    file, by = mutation.file(root), ""
    if file is None:
        result, by = "text not found", f"update scripts/mutations.toml: {mutation.old!r}"
    elif not (by := _failure_with(root, file, mutation)):
        result, by = "NOT NOTICED", " ".join(mutation.tests)
    elif "::" in by and _failure(root, (by,)):
        result = "fails already"
    else:
        result = "noticed"
    seconds = time.monotonic() - started
    print(f"{result:<14} {seconds:4.0f} s  {mutation.room}: {mutation.what}  [{by}]", flush=True)
    return {"room": mutation.room, "what": mutation.what, "result": result, "by": by}


def _failure_with(root: Path, file: Path, mutation: Mutation) -> str:
    content = file.read_text(encoding="utf-8")
    file.write_text(content.replace(mutation.old, mutation.new), encoding="utf-8")
    try:
        return _failure(root, mutation.tests)
    finally:
        file.write_text(content, encoding="utf-8")


def _failure(root: Path, tests: tuple[str, ...]) -> str:
    """The first test that fails; empty if all pass."""
    report = root / "report.txt"
    process = multiprocessing.get_context("fork").Process(target=_run, args=(root, tests, report))
    process.start()
    process.join(_TIMEOUT)
    if process.is_alive():
        process.kill()
        process.join()
        return f"not finished after {_TIMEOUT} s"
    if process.exitcode == 0:
        return ""
    lines = report.read_text(encoding="utf-8").splitlines()
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return failed[0].split(" - ")[0].partition(" ")[2] if failed else f"pytest ended with {process.exitcode}"


def _run(root: Path, tests: tuple[str, ...], report: Path) -> None:
    """Run tests of the copy, in a child of this process, which has the libraries but not molvae."""
    import pytest

    os.chdir(root)
    os.environ["PYTHONPATH"] = str(root)  # tests start processes of their own
    sys.path.insert(0, str(root))
    sys.dont_write_bytecode = True
    with report.open("w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        code = pytest.main(["-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist", *tests])
    os._exit(int(code))


if __name__ == "__main__":
    sys.exit(main())
