"""House rules: imports, third-party libraries, names, and a fast import."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

import molvae

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "molvae").rglob("*.py"))
HEAVY = (
    "torch",
    "rdkit",
    "botorch",
    "gpytorch",
    "sklearn",
    "scipy",
    "pyarrow",
    "matplotlib",
    "pydantic",
    "rich",
)


def test_imports_point_down_and_libraries_have_one_door():
    program = Path(sys.executable).with_name("lint-imports")
    if not program.is_file():
        pytest.skip("import-linter is not installed beside this Python")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_says_its_job_first_and_has_a_telling_name(path):
    first = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert first, "the first line of a file says which job it has"
    assert first.splitlines()[0].endswith((".", ":")), "the first line is a sentence"
    assert path.stem not in {"utils", "helpers", "misc", "common"}


@pytest.mark.parametrize(
    "path",
    sorted((ROOT / "molvae").glob("*/__init__.py")),
    ids=lambda p: p.parent.name,
)
def test_rooms_re_export_nothing(path):
    body = ast.parse(path.read_text(encoding="utf-8")).body
    assert [type(node) for node in body] == [ast.Expr], "the __init__ of a room is its docstring"


def test_what_scripts_import_exists():
    imported = {
        (path.name, node.module, alias.name)
        for path in [*ROOT.glob("scripts/**/*.py"), *ROOT.glob("docs/**/*.py")]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "molvae"
        for alias in node.names
    }
    assert len(imported) > 100
    missing = [
        name
        for name in sorted(imported)
        if not hasattr(import_module(name[1]), name[2]) and find_spec(f"{name[1]}.{name[2]}") is None
    ]
    assert missing == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_pickled_and_the_library_does_not_print(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert not {alias.name for alias in node.names} & {"pickle", "shelve", "dill", "joblib"}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print"


def test_settings_need_no_torch_and_no_rdkit():
    settings = [path for path in FILES if path.name == "config.py" and path.parent.name != "molvae"]
    rooms = [".".join(path.relative_to(ROOT).parent.parts) for path in settings]
    expected = {
        f"molvae.{room}" for room in ("training", "campaign", "data", "optimization", "models", "latent")
    }
    assert expected <= set(rooms)
    code = ";".join(f"import {room}.config" for room in rooms)
    loaded = _loaded_after(code)
    assert not loaded & {"torch", "rdkit", "botorch", "gpytorch"}


def test_the_front_door_is_light_and_its_names_exist():
    loaded = _loaded_after("import molvae; molvae.__version__; dir(molvae)")
    assert not loaded & set(HEAVY)
    for name in molvae.__all__:
        assert getattr(molvae, name) is not None
    assert {"MolVAE", "Campaign", "optimize", "prepare", "train", "parse", "Molecule", "Invalid"} <= set(
        molvae.__all__
    )


@pytest.mark.parametrize("argv", [["--help"], ["--version"], []])
def test_help_loads_no_library_and_answers_at_once(argv):
    code = f"""
from molvae.cli.main import run
import contextlib, io
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    run({argv!r})
"""
    assert not _loaded_after(code) & set(HEAVY)


def _loaded_after(code: str) -> set[str]:
    """Top-level modules in a fresh interpreter after `code`."""
    report = "import sys, json; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(json.loads(done.stdout.splitlines()[-1]))
