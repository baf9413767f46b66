"""kill -9 during `optimize` at any time: no score is lost or charged twice, and the budget is exact."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from molvae.campaign.campaign import Campaign
from molvae.campaign.storage import Journal

CAMPAIGN_TESTS = Path(__file__).parent.parent / "campaign"
CHILD = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from fake_model import FakeModel
from play import optimize
from molvae.oracles.base import Score

path, method, pause = Path(sys.argv[2]), sys.argv[3], float(sys.argv[4])
log = os.open(path.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def oracle(molecules):
    scores = []
    for molecule in molecules:
        time.sleep(pause)
        scores.append(Score.ok(len(molecule.smiles) / 7.0))
        os.write(log, f"{molecule.smiles}\\n".encode())
    return scores

optimize(
    FakeModel(), maximize=["x"], budget=40, q=4, n_initial=8, seed=5, method=method, output=path,
    oracles={"x": oracle}, effort=0.125,
)
"""
BUDGET = 40


def start(path, method, pause=0.002):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CHILD, str(CAMPAIGN_TESTS), str(path), method, str(pause)]
    return subprocess.Popen(command, env=environment, start_new_session=True)


def kill_after(child, log, n_lines, extra):
    """Kill the child `extra` seconds after its oracle has written `n_lines`; False if it ended first."""
    while child.poll() is None:
        if log.exists() and len(log.read_bytes().splitlines()) >= n_lines:
            time.sleep(extra)
            os.killpg(child.pid, signal.SIGKILL)
            break
        time.sleep(0.001)
    return child.wait() == -signal.SIGKILL


def scores_on_record(path):
    with Campaign.open(path, writable=False) as campaign:
        rows = campaign.table()
        assert all(row.call is not None for row in rows if row.scores[0] is not None)
        assert campaign.n_calls == sum(row.call is not None for row in rows)
        return {row.smiles: row.scores[0].value for row in rows if row.scores[0] is not None}


@pytest.mark.parametrize(("method", "n_kills"), [("random", 5), ("bo", 1)])
def test_killed_at_random_instants_and_resumed(tmp_path, method, n_kills):
    rng = random.Random(0)
    path, log = tmp_path / "killed.sqlite", tmp_path / "killed.log"
    recorded, killed = {}, 0
    for kill in range(n_kills):
        n_lines = 1 + (BUDGET - 4) * kill // n_kills + rng.randrange(3)
        killed += kill_after(start(path, method), log, n_lines, rng.uniform(0.0, 0.02))
        now = scores_on_record(path)  # opens, verifies every sha256, replays
        assert recorded.items() <= now.items()
        recorded = now
    assert killed == n_kills
    assert start(path, method, pause=0.0).wait() == 0

    final, evaluations = scores_on_record(path), log.read_text().splitlines()
    assert recorded.items() <= final.items()
    assert len(final) == BUDGET
    assert set(final) == set(evaluations)
    assert len(evaluations) <= BUDGET + n_kills  # at most the call in flight was made again, and charged once
    assert not list(tmp_path.glob(".*"))
    with Journal(path, writable=False) as journal:
        kinds = [event.kind for event in journal.events()]
    assert kinds.count("tell") == BUDGET

    assert start(tmp_path / "whole.sqlite", method, pause=0.0).wait() == 0
    assert list(final.items()) == list(scores_on_record(tmp_path / "whole.sqlite").items())


def test_killed_before_the_first_event_begins_anew(tmp_path):
    path = tmp_path / "early.sqlite"
    child = start(path, "random")
    while child.poll() is None and not path.exists():
        time.sleep(0.0005)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    assert start(path, "random", pause=0.0).wait() == 0
    assert len(scores_on_record(path)) == BUDGET
