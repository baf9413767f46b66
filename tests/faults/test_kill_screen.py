"""kill -9 during `screen` at any time: no partial files are left, and the same call continues."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time

import pytest

from molvae.cli.main import main
from molvae.screening.config import ScreenSettings
from molvae.screening.merging import merge
from molvae.screening.pipeline import screen


@pytest.fixture(scope="module")
def asked(little_csv, tiny_checkpoint, tmp_path_factory):
    path = tmp_path_factory.mktemp("library") / "library.csv"
    path.write_text("\n".join(little_csv.read_text().splitlines()[:80]) + "\n")
    return ScreenSettings.model_validate(
        {
            "library": str(path),
            "checkpoint": tiny_checkpoint,
            "objectives": ({"name": "qed"}, {"name": "predicted_weight"}),
            "top": 7,
            "part_bytes": 100,
        }
    )


@pytest.fixture(scope="module")
def undisturbed(asked, tmp_path_factory):
    path = tmp_path_factory.mktemp("screened") / "whole"
    screen(asked, path, workers=0, device="cpu")
    return contents(merge([path]).path)


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def forked(function, *arguments, **options):
    """A forked child, which has all libraries loaded, so that kills hit the work itself."""
    child = multiprocessing.get_context("fork").Process(target=function, args=arguments, kwargs=options)
    child.start()
    return child


def parts(path):
    return list(path.glob("parts/*/[0-9]*"))


def test_killed_at_random_instants_and_resumed(asked, undisturbed, tmp_path):
    rng = random.Random(0)
    path, killed = tmp_path / "killed", 0
    for attempt in range(20):
        n_parts = attempt // 2
        child = forked(screen, asked, path, workers=0, device="cpu")
        in_the_window = rng.random() < 0.5  # a part is being written, or is just there
        while child.is_alive():
            if len(parts(path)) >= n_parts and (
                not in_the_window or any(path.glob("parts/*/.*.tmp")) or len(parts(path)) > n_parts
            ):
                time.sleep(rng.uniform(0.0, 0.01))
                os.kill(child.pid, signal.SIGKILL)
                break
            time.sleep(0.0005)
        child.join()
        killed += child.exitcode == -signal.SIGKILL
    assert killed >= 15
    done = screen(asked, path, workers=0, device="cpu")
    assert 0 < done.n_skipped < done.n_parts
    assert contents(merge([path]).path) == undisturbed
    assert not list(path.rglob(".*.tmp"))
    assert not list(path.rglob(".*.previous"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_with_75_and_the_same_command_goes_on(asked, undisturbed, tmp_path, number):
    path = tmp_path / "stopped"
    words = ["screen", asked.library, "--checkpoint", str(asked.checkpoint), "-o", str(path), "-q"]
    words += ["--maximize", "qed", "--maximize", "predicted_weight", "--top", "7", "--workers", "0"]
    words += ["--set", "part_bytes=100", "--device", "cpu"]
    child = forked(main, words)
    while child.is_alive() and len(parts(path)) < 2:
        time.sleep(0.001)
    os.kill(child.pid, number)
    child.join()
    assert child.exitcode == 75
    n_before = len(parts(path))
    child = forked(main, words)
    child.join()
    assert child.exitcode == 0
    assert 2 <= n_before < len(parts(path))
    assert contents(path / "result") == undisturbed
