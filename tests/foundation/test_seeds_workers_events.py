"""Named seeds, results that do not depend on workers, event logs that survive crashes."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from molvae.errors import MolvaeError, StoppedEarly
from molvae.parallel.cluster import available_cores
from molvae.parallel.mapping import ordered_map
from molvae.progress import EventLog, PlainProgress, read_events
from molvae.seeding import Seeds


def test_children_are_functions_of_root_name_and_indices():
    one = Seeds(7)
    first = one.numpy("a", 1).random(4)
    one.numpy("b").random(100)
    np.testing.assert_array_equal(one.numpy("a", 1).random(4), first)
    children = [one.integer(name, *indices) for name in "ab" for indices in ((), (0,), (1,), (0, 0), (1, 0))]
    children += [Seeds(0).integer("a"), Seeds(8).integer("a")]
    assert len(set(children)) == len(children)
    assert Seeds(0).torch("x").initial_seed() == Seeds(0).integer("x")


def test_seeds_do_not_depend_on_the_hash_seed():
    code = "from molvae.seeding import Seeds; print(Seeds(3).integer('batches', 2))"
    answers = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(answers) == 1


@pytest.mark.parametrize("workers", [0, 2])
def test_a_map_keeps_order_and_reads_lazily(workers):
    read = []

    def numbers():
        for number in range(1000):
            read.append(number)
            yield -number

    results = ordered_map(abs, numbers(), workers=workers, chunk=10)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert len(read) < 200
    assert list(results) == list(range(3, 1000))
    assert available_cores() >= 1


def test_workers_end_with_their_parent():
    code = """
from molvae.parallel.mapping import ordered_map
tasks = ["__import__('os').getpid()"] + ["__import__('time').sleep(300)"] * 4
print(next(ordered_map(eval, tasks, workers=1, chunk=1)), flush=True)
__import__('os').kill(__import__('os').getpid(), 9)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        worker = int(child.stdout.readline())
        child.wait()
    deadline = time.monotonic() + 60
    while is_running(worker) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_running(worker)


def test_a_worker_that_dies_is_a_sentence():
    with pytest.raises(MolvaeError, match="a worker process died"):
        list(ordered_map(os._exit, [1] * 20, workers=1, chunk=1))


def test_work_whose_worker_the_system_killed_can_go_on():
    with pytest.raises(StoppedEarly, match="memory"):
        list(ordered_map(signal.raise_signal, [signal.SIGKILL] * 20, workers=1, chunk=1))


def is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def test_an_error_in_a_worker_arrives():
    with pytest.raises(ValueError, match="invalid literal"):
        list(ordered_map(int, ["1", "x"], workers=1, chunk=1))


def test_a_log_survives_a_torn_line_and_numbers_json_has_not(tmp_path):
    path = tmp_path / "log.jsonl"
    with EventLog(path) as log:
        log.write("epoch", loss=float("nan"), nested={"x": [float("inf"), 1.0]})
    with path.open("a") as file:
        file.write('{"event": "epo')
    with EventLog(path) as log:
        log.write("epoch", loss=1.0)
        log.write("other")
    assert [event["loss"] for event in read_events(path, "epoch")] == [None, 1.0]
    assert read_events(path)[0]["nested"] == {"x": [None, 1.0]}
    for line in path.read_text().splitlines():
        if not line.endswith('"epo'):
            json.loads(line)


def test_plain_progress_counts_and_says_the_end():
    stream = io.StringIO()
    progress = PlainProgress(stream, every=0.0)
    progress.start("read", 3)
    progress.advance("read", 2, bad=1)
    progress.advance("read")
    progress.finish("read", kept=2.5)
    progress.note("done")
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("read: 2/3 (")
    assert lines[0].endswith("bad 1")
    assert lines[-2].endswith("kept 2.5")
    assert lines[-1] == "done"
