from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import click
import pytest

import molvae as package
from molvae.cli import main, options
from molvae.cli.main import SECTIONS, cli
from molvae.errors import StoppedEarly

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = [name for section in SECTIONS.values() for name in section]


def test_help_shows_every_command_and_fits_80_columns(molvae, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    done = molvae("--help")
    assert done.code == 0
    assert all(f"  {name} " in done.out for name in COMMANDS)
    assert "Exit codes" in done.out
    assert max(map(len, done.out.splitlines())) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command_teaches_by_example(molvae, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "80")
    done = molvae(name, "--help")
    assert done.code == 0
    assert "Examples:" in done.out
    assert f"molvae {name}" in done.out.partition("Examples:")[2]
    assert "--json" in done.out
    assert max(map(len, done.out.splitlines())) <= 80


def test_help_of_settings_shows_docstrings_and_defaults(molvae):
    short, out = (" ".join(molvae("train", word).out.split()) for word in ("--help", "--help-all"))
    assert "Molecules per step, over all processes together. [default: 128]" in short
    assert "'molvae train --help-all'" in short
    assert "model.decoder_hidden Hidden units of the GRU decoder. [default:" in out


def test_a_nul_character_is_a_usage_error(molvae):
    done = molvae("info", "a\0b")
    assert done.code == 2
    assert "NUL character" in done.err


def test_no_arguments_is_help_and_a_usage_error(molvae):
    done = molvae()
    assert done.code == 2
    assert "Usage: molvae" in done.err


def test_errors_as_json(molvae):
    done = molvae("fetch", "zinc", "--json")
    told = json.loads(done.err)
    assert told["exit_code"] == done.code == 2
    assert "unknown data set" in told["error"]
    assert "Known:" in told["hint"]


def _command_that_raises(error):
    @click.command()
    @options.common()
    def command(_session):
        raise error

    return command


@pytest.fixture
def raising(monkeypatch):
    def install(error):
        monkeypatch.setattr(
            cli, "get_command", lambda _ctx, _name: _command_that_raises(error), raising=False
        )

    return install


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ZeroDivisionError("1/0"), 1, "unexpected ZeroDivisionError: 1/0"),
        (StoppedEarly("stopped", hint="The same command resumes."), 75, "The same command resumes."),
        (KeyboardInterrupt(), 130, "interrupted"),
        (main.Terminated(), 143, "terminated"),
        (click.Abort(), 130, "interrupted"),
    ],
)
def test_every_outcome_has_its_exit_code(molvae, raising, error, code, said):
    raising(error)
    done = molvae("info")
    assert done.code == code
    assert said in done.err
    assert "Traceback" not in done.err


def test_a_traceback_is_shown_on_request(molvae, raising):
    raising(ZeroDivisionError("1/0"))
    assert "-v shows where" in molvae("info").err
    assert "Traceback" in molvae("info", "-v").err


@contextmanager
def _running(code):
    """Run code in a Python process, and return its output."""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        yield child, child.stdout, child.stderr


def test_a_reader_that_leaves_is_no_error():
    patched = """
import click, sys
from molvae.cli import main, options
@click.command()
def command():
    for _ in range(200_000):
        sys.stdout.write("x" * 50 + "\\n")
main.cli.get_command = lambda ctx, name: command
main.main(["info"])
"""
    with _running(patched) as (child, out, err):
        out.read(10)
        out.close()
        said = err.read()
        assert child.wait(timeout=30) == 141
    assert said == ""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_while_an_error_is_told_ends_with_its_code_too(monkeypatch, number, code):
    def telling(_words):
        signal.raise_signal(number)
        return 75

    before = {kind: signal.getsignal(kind) for kind in (signal.SIGTERM, signal.SIGINT)}
    monkeypatch.setattr(main, "run", telling)
    try:
        with pytest.raises(SystemExit) as left:
            main.main(["info"])
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
    assert left.value.code == code


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_with_their_codes(number, code):
    patched = """
import click, time
from molvae.cli import main, options
@click.command()
def command():
    print("ready", flush=True)
    time.sleep(60)
main.cli.get_command = lambda ctx, name: command
main.main(["info"])
"""
    with _running(patched) as (child, out, err):
        assert out.readline() == "ready\n"
        os.kill(child.pid, number)
        assert child.wait(timeout=30) == code
        assert "Traceback" not in err.read()


def test_help_and_version_answer_at_once():
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "molvae", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"molvae {package.__version__}")
    if (ROOT / ".git").exists():
        assert re.search(r"\(commit [0-9a-f]{7,}(-dirty)?\)", done.stdout)
    assert time.perf_counter() - begun < 5, "generous: a busy machine; usually 0.15 s"
