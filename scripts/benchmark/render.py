"""Write docs/benchmarks.md and the short table of the README from the result files beside this script."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import Any

from molvae.text import cell

ROOT = Path(__file__).resolve().parents[2]
README, PAGE = ROOT / "README.md", ROOT / "docs" / "benchmarks.md"
RESULTS = Path(__file__).resolve().parent / "results"
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"

_WORDS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
SECTIONS: dict[str, dict[str, str]] = _WORDS["section"]
"""Title and note of each record, in the order of the page; records without a section follow by name."""
SHORT: list[dict[str, str]] = _WORDS["short"]
"""Rows of the table in the README: label, record, figures. Missing records have no row."""

_MOST_ROWS, _MOST_COLUMNS = 16, 9
_MOST_FIGURES = 24  # if there is a summary, too
_LARGE = 1000
_WIDTH = 115  # of a line of text


HEAD = """# Benchmarks

Each section is the result of a script in `scripts/benchmark/`, which writes its values to
`scripts/benchmark/results/`, together with command, commit, machine and seeds; `scripts/benchmark/render.py`
writes this page from these files. Below each table are the command, the machine and the commit. Unless a
section says otherwise, the model is `checkpoints/zinc250k` as of that commit. *AUC* without ROC is the area
under the curve of a score over oracle calls.
"""


def render(results: Path = RESULTS) -> str:
    """The page of all tables as Markdown."""
    files = {path.stem: path for path in sorted(results.glob("*.json"))}
    order = [name for name in SECTIONS if name in files] + [name for name in files if name not in SECTIONS]
    sections = [_section(name, json.loads(files[name].read_text(encoding="utf-8"))) for name in order]
    return "\n\n".join([HEAD.strip(), *sections]) + "\n"


def short(results: Path = RESULTS) -> str:
    """The table of the README as Markdown."""
    rows = []
    for row in SHORT:
        path = results / f"{row['record']}.json"
        if path.exists():
            known = json.loads(path.read_text(encoding="utf-8"))["figures"]
            figures = row["figures"].split(", ")
            rows.append([row["label"], ", ".join(_shown(known[figure]) for figure in figures)])
    return "\n".join(_table(["metric", "value"], rows))


def updated(readme: str, tables: str) -> str:
    """The README with its tables replaced.

    Raises:
        ValueError: The markers are not there, once each and in order.
    """
    head, begin, rest = readme.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end or BEGIN in tail or END in tail:
        raise ValueError(f"the README needs {BEGIN} and {END}, once each and in this order")
    return f"{head}{BEGIN}\n\n{tables}\n\n{END}{tail}" if tables else f"{head}{BEGIN}\n\n{END}{tail}"


def _section(name: str, content: dict[str, Any]) -> str:
    words = SECTIONS.get(name, {})
    lines = [f"## {words.get('title') or name.replace('_', ' ').capitalize()}", ""]
    lines += [_filled(words["note"]), ""] if "note" in words else []
    summary = content.get("summary")
    rows = summary or content.get("table") or []
    fits = bool(rows) and len(rows[0]) <= _MOST_COLUMNS and (bool(summary) or len(rows) <= _MOST_ROWS)
    figures = content.get("figures") or {}
    if figures and (not fits or (summary and len(figures) <= _MOST_FIGURES)):
        lines += _table(
            ["metric", "value"], [[name.replace("_", " "), value] for name, value in figures.items()]
        )
    if fits:
        columns = list(rows[0])
        lines += [""] if lines[-1] else []
        lines += _table(columns, [[row.get(column) for column in columns] for row in rows])
    machine = content.get("machine") or {}
    cores = f"{machine.get('cores')} core{'s' * (machine.get('cores') != 1)}"
    where = f" on {cores} of {machine['cpu']}" if machine.get("cpu") else ""
    commit = str(content.get("commit", ""))[:10]
    source = f"From `{content.get('command', name)}`{where}" + (f", commit {commit}." if commit else ".")
    wrapped = textwrap.fill(source, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join([*lines, "", wrapped])


def _filled(note: str) -> str:
    """A note with lines of the page's width; a paragraph that starts with `* ` is a list."""
    paragraphs = [paragraph.split("\n* ") for paragraph in note.strip().split("\n\n")]
    return "\n\n".join(
        "\n".join(
            textwrap.fill(
                item if number == 0 else f"* {item}",
                _WIDTH,
                subsequent_indent="  " * paragraph[0].startswith("* "),
                break_on_hyphens=False,
            )
            for number, item in enumerate(paragraph)
        )
        for paragraph in paragraphs
    )


def _table(columns: list[str], rows: list[list[Any]]) -> list[str]:
    header = ["metric" if column == "figure" else column.replace("_", " ") for column in columns]
    return [
        _line(header),
        _line(["---"] * len(header)),
        *(_line([_shown(value) for value in row]) for row in rows),
    ]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _shown(value: Any) -> str:
    return cell(value, lambda number: f"{number:,.0f}" if abs(number) >= _LARGE else f"{number:.3g}")


def main() -> int:
    """Write both; with --check, only report whether they are up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is out of date")
    check = parser.parse_args().check
    wanted = {README: updated(README.read_text(encoding="utf-8"), short()), PAGE: render()}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    if check:
        print(
            "\n".join(f"{path.name} is out of date: run this without --check" for path in stale)
            or "up to date"
        )
        return int(bool(stale))
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
