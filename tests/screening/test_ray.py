"""On a Ray cluster: the bytes of a screen and the scores of an oracle are those of this machine."""

from __future__ import annotations

import gzip
import signal
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


@pytest.fixture(scope="module")
def cluster():
    """A cluster of this machine; where Ray cannot start at all, its own reason is told."""
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


def test_a_wrong_oracle_is_told_before_ray_is_looked_for():
    with pytest.raises(UnknownNameError, match="did you mean 'qed'"):
        load_oracle("ray[workers=2]:qde")
    with pytest.raises(UsageError, match="ray needs an oracle"):
        load_oracle("ray[workers=2]")
