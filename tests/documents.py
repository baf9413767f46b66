"""Run the snippets of a page: molvae commands in this process, everything else in a shell."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from molvae.cli.main import run

ROOT = Path(__file__).resolve().parents[1]
CHECKPOINT = Path(os.environ.get("MOLVAE_TEST_CHECKPOINT", ROOT / "checkpoints" / "zinc250k"))


def furnish(place: Path) -> None:
    """Prepare a directory with the files of the repository that the pages use."""
    (place / "checkpoints").mkdir()
    (place / "checkpoints" / "zinc250k").symlink_to(CHECKPOINT)
    for name in ("druglike", "moses"):
        (place / "checkpoints" / name).symlink_to(ROOT / "checkpoints" / name)
    (place / "datasets").symlink_to(ROOT / "datasets")


def snippets(text: str) -> list[tuple[str, str]]:
    """Language and code of the snippets to run, in order."""
    return re.findall(r"^```(sh|python)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(code: str) -> list[str]:
    """The commands of a shell snippet, with continuation lines and here-documents."""
    found: list[str] = []
    until: str | None = None
    for line in code.splitlines():
        if until is not None or (found and found[-1].endswith("\\")):
            found[-1] = f"{found[-1]}\n{line}"
            until = None if line == until else until
            continue
        if line.strip() and not line.startswith("#"):
            found.append(line)
            mark = re.search(r"<<'(\w+)'", line)
            until = mark[1] if mark else None
    return found


def perform(command: str) -> None:
    """Run one command in the current directory; fail if it fails."""
    words = [] if re.search(r"[|<>]", command) else shlex.split(command.replace("\\\n", " "), comments=True)
    if words[:1] == ["molvae"]:
        assert run(words[1:]) == 0, command
        return
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    bash = shutil.which("bash") or "/bin/bash"
    subprocess.run([bash, "-eu", "-c", command], env=environment, check=True, capture_output=True)


def play(text: str) -> None:
    """Run all snippets of a page in order; Python snippets share a namespace."""
    names: dict[str, object] = {"__name__": "page"}
    for language, code in snippets(text):
        if language == "python":
            exec(compile(code, "page", "exec"), names)  # noqa: S102 - our own page
        else:
            for command in commands(code):
                perform(command)


def cells(notebook: Path) -> list[dict[str, object]]:
    """The code cells of a notebook, with their source as one string."""
    found = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [{**cell, "source": "".join(cell["source"])} for cell in found if cell["cell_type"] == "code"]


def play_notebook(notebook: Path) -> None:
    """Run the code cells in order; display the value of the last line of a cell, as Jupyter does."""
    names: dict[str, object] = {"__name__": "notebook"}
    for cell in cells(notebook):
        tree = ast.parse(str(cell["source"]))
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, notebook.name, "exec"), names)  # noqa: S102 - our own notebook
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), notebook.name, "eval"), names)  # noqa: S307
            show = getattr(value, "_repr_html_", None) or getattr(value, "_repr_svg_", None)
            assert (show() if show else repr(value)) is not None
