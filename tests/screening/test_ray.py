"""On a Ray cluster, screens and scores are identical to those of a single machine."""

from __future__ import annotations

import gzip
import signal
import threading
import time

import pytest

from molvae.chemistry.molecule import parse
from molvae.data.partition import Shard
from molvae.errors import MolvaeError, UnknownNameError, UsageError
from molvae.oracles.base import n_workers
from molvae.oracles.plugins import load_oracle
from molvae.screening.config import ScreenSettings
from molvae.screening.merging import merge
from molvae.screening.pipeline import screen

OWN = """
import os
import time

def score(smiles):
    if any("N" in text for text in smiles):
        os.kill(os.getpid(), 9)
    if any("S" in text for text in smiles):
        time.sleep(60)
    return [float(len(text)) for text in smiles]

def pid(smiles: list[str]) -> list[float]:
    time.sleep(0.2)
    return [float(os.getpid())] * len(smiles)
"""


SLOW = """
import os
import time
from pathlib import Path

def score(smiles: list[str]) -> list[float]:
    if place := os.environ.get("NODES_AT_WORK"):
        import ray
        (Path(place) / ray.get_runtime_context().get_node_id()).touch()
        time.sleep(0.5)
    return [float(len(text)) for text in smiles]
"""


@pytest.fixture(scope="module")
def cluster():
    """A cluster on this machine; if Ray cannot start, the test is skipped with its reason."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'molvae[ray]'")
    from molvae.parallel.cluster import joined

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RAY_worker_niceness", "0")  # or the tests beside them leave its actors no time
        before = signal.signal(signal.SIGTERM, nothing)
        try:
            joined(ray, 2)
            assert signal.getsignal(signal.SIGTERM) is nothing, "a stop by SIGTERM would be lost"
        except MolvaeError as error:
            pytest.skip(error.message)
        finally:
            signal.signal(signal.SIGTERM, before)
        yield ray
        ray.shutdown()


def nothing(*_):
    pass


def kill_one(nodes, others, folder, killed):
    """Kill a busy node after a few parts, and return how many were done."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        n_done = len(list((folder / "ray").glob("parts/*/0*")))
        busy = [node for node in others if (folder / "at work" / node.node_id).exists()]
        if n_done >= 2 and busy:
            nodes.remove_node(busy[0], allow_graceful=False)
            killed.append(n_done)
            return
        time.sleep(0.05)


def contents(merged):
    return {path.name: path.read_bytes() for path in merged.path.iterdir()}


@pytest.mark.usefixtures("cluster")
def test_a_screen_has_the_same_bytes(little_csv, tiny_checkpoint, tmp_path):
    library = tmp_path / "library.csv"
    library.write_text("\n".join([*little_csv.read_text().splitlines()[:40], "C C,gap,1", ""]))
    asked = ScreenSettings.model_validate(
        {
            "library": str(library),
            "checkpoint": tiny_checkpoint,
            "objectives": ({"name": "qed"}, {"name": "predicted_weight"}),
            "top": 7,
            "part_bytes": 250,
        }
    )
    screen(asked, tmp_path / "here", workers=0, device="cpu")
    wanted = contents(merge([tmp_path / "here"]))
    for workers, shards in ((2, [Shard(0, 1)]), (1, [Shard(1, 2), Shard(0, 2)])):
        for shard in shards:
            screen(asked, tmp_path / f"{workers}", shard=shard, engine="ray", workers=workers, device="cpu")
        assert contents(merge([tmp_path / f"{workers}"])) == wanted
    packed = tmp_path / "library.csv.gz"
    packed.write_bytes(gzip.compress(library.read_bytes()))
    with pytest.raises(UsageError, match="from its beginning"):
        screen(asked.model_copy(update={"library": str(packed)}), tmp_path / "t", engine="ray", device="cpu")


@pytest.mark.usefixtures("cluster")
def test_an_oracle_scores_as_here_and_a_bad_molecule_costs_only_itself(tmp_path):
    own = tmp_path / "own.py"
    own.write_text(OWN)
    molecules = [parse(text) for text in ("CCO", "CN", "CCC", "CCS", "CC", "C")]
    with load_oracle(f"ray[workers=2,timeout=2,pause=0.01]:inline:{own}:score") as oracle:
        assert n_workers(oracle) == 2
        started = time.monotonic()
        scores = oracle(molecules)
        assert [score.status for score in scores] == ["ok", "failed", "ok", "timeout", "ok", "ok"]
        assert [score.value for score in scores if score.is_ok] == [3.0, 3.0, 2.0, 1.0]
        assert "actor" in scores[1].detail
        assert time.monotonic() - started < 50
    with load_oracle(f"ray[workers=2,batch=1]:{own}:pid") as oracle:
        assert len({score.value for score in oracle(molecules)}) == 2


def test_an_unknown_oracle_is_an_error_before_ray_is_imported():
    with pytest.raises(UnknownNameError, match="did you mean 'qed'"):
        load_oracle("ray[workers=2]:qde")
    with pytest.raises(UsageError, match="ray needs an oracle"):
        load_oracle("ray[workers=2]")


def test_a_node_that_is_killed_costs_no_byte(little_csv, tiny_checkpoint, tmp_path):
    """Three simulated nodes, one of which is killed while it is busy."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'molvae[ray]'")
    from ray.cluster_utils import Cluster

    library = tmp_path / "library.csv"
    library.write_text("\n".join([*little_csv.read_text().splitlines()[:120], ""]))
    own = tmp_path / "slow.py"
    own.write_text(SLOW)
    asked = ScreenSettings.model_validate(
        {
            "library": str(library),
            "checkpoint": tiny_checkpoint,
            "objectives": ({"name": f"inline:{own}:score"},),
            "top": 7,
            "part_bytes": 250,
        }
    )
    screen(asked, tmp_path / "here", workers=0, device="cpu", trust=True)
    if ray.is_initialized():
        ray.shutdown()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RAY_worker_niceness", "0")
        (tmp_path / "at work").mkdir()
        patched.setenv("NODES_AT_WORK", str(tmp_path / "at work"))
        try:
            nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
            others = [nodes.add_node(num_cpus=1) for _ in range(2)]
        except Exception as error:  # noqa: BLE001 - a busy machine misses the 15 s that a node has to start
            pytest.skip(f"three nodes do not start: {error}")
        patched.setenv("RAY_ADDRESS", nodes.address)
        killed: list[int] = []
        killer = threading.Thread(target=kill_one, args=(nodes, others, tmp_path, killed))
        killer.start()
        try:
            screen(asked, tmp_path / "ray", engine="ray", workers=2, device="cpu", trust=True)
        finally:
            killer.join()
            ray.shutdown()
            nodes.shutdown()
    assert len(killed) == 1
    assert 0 < killed[0] < len(list((tmp_path / "ray").glob("parts/*/0*")))
    assert contents(merge([tmp_path / "ray"])) == contents(merge([tmp_path / "here"]))
