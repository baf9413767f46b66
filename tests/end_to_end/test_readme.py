"""All snippets of the README run; its tables agree with the result files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```(bash|python)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
SHELL = [code for language, code in SNIPPETS if language == "bash" and "scripts/" not in code]
SCRIPTS = [code for language, code in SNIPPETS if language == "bash" and "scripts/" in code]
PYTHON = [code for language, code in SNIPPETS if language == "python"]
CHECKPOINT = Path(os.environ.get("MOLVAE_TEST_CHECKPOINT", ROOT / "checkpoints" / "zinc250k"))


@pytest.fixture
def place(tmp_path):
    """A directory with the files of the repository that the README uses."""
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "zinc250k").symlink_to(CHECKPOINT)
    (tmp_path / "datasets").symlink_to(ROOT / "datasets")
    return tmp_path


def run(argv, place, **environment):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    child = {"OMP_NUM_THREADS": "1", **os.environ, "PATH": path, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(argv, cwd=place, env=child, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done


def test_there_are_snippets_of_each_kind():
    assert len(SHELL) >= 2
    assert len(PYTHON) >= 2
    assert len(SCRIPTS) == 1


@pytest.mark.parametrize("code", SHELL, ids=lambda code: code.split("\n")[0][:40])
def test_shell_snippets(code, place):
    done = run(["bash", "-eu", "-c", code], place)
    assert "Traceback" not in done.stderr


def test_python_snippets_one_after_the_other(place):
    done = run([sys.executable, "-c", "\n".join(PYTHON)], place)
    assert "Molecule(smiles=" in done.stdout


def test_the_quick_start_names_scripts_that_are_there_and_the_demo_finds_better_molecules(place):
    commands = [line.partition("#")[0].split() for line in SCRIPTS[0].splitlines()]
    assert [command[0] for command in commands] == ["scripts/demo", "scripts/test"]
    assert all(os.access(ROOT / command[0], os.X_OK) for command in commands)
    venv = Path(sys.executable).parents[1]
    if not any(venv.glob("molvae-installed-*")):
        pytest.skip("this environment was not made by scripts/install, which the demo would run")
    output = place / "out"
    done = run(
        [ROOT / "scripts" / "demo", "--budget", "70"],
        place,
        MOLVAE_VENV=str(venv),
        MOLVAE_DEMO=str(output),
        MOLVAE_CHECKPOINT=str(CHECKPOINT),
    )
    assert (output / "search" / "best.png").read_bytes().startswith(b"\x89PNG")
    lines = {
        line.split()[2]: line.split() for line in done.stdout.splitlines() if line.startswith("maximize sim")
    }
    assert float(lines["found"][5]) > 0, "found molecules have scores"
    assert float(lines["found"][6]) > float(lines["start"][6]), (
        "found is better than the start, on average of the top 10"
    )


def test_tables_are_those_of_the_result_files():
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "benchmark" / "render.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_lines_fit():
    inside_table = [line for line in TEXT.splitlines() if not line.startswith("|")]
    assert max(map(len, inside_table)) <= 130
