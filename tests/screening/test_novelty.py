"""Known molecules: a damaged file of their hashes is made again."""

import numpy as np
import pytest

from molvae.chemistry.admission import Rules
from molvae.errors import CheckpointError, StoppedEarly
from molvae.progress import SILENT
from molvae.screening.novelty import Known, make_known


@pytest.fixture
def made(tmp_path):
    reference = tmp_path / "known.smi"
    reference.write_text("CCO\nCCN\nc1ccccc1\n")
    return lambda: make_known(reference, tmp_path, Rules(), workers=0, progress=SILENT)


@pytest.mark.parametrize("kind", ["empty", "cut", "flipped", "foreign"])
def test_a_damaged_file_is_refused_and_made_again(made, kind):
    path = made()
    data = bytearray(path.read_bytes())
    data[data.index(np.uint64(Known(path)._hashes[1]).tobytes())] ^= 1
    flipped = bytes(data)
    path.write_bytes({"empty": b"", "cut": flipped[:-8], "flipped": flipped, "foreign": b"CCO\n"}[kind])
    with pytest.raises(CheckpointError):
        Known(path)
    assert made() == path
    assert Known(path).contains(["OCC", "CCO", "CCN", "C"]).tolist() == [False, True, True, False]


def test_an_intact_file_is_kept(made):
    path = made()
    before = path.stat().st_mtime_ns
    assert made() == path
    assert path.stat().st_mtime_ns == before


def test_it_stops_when_asked_to(little_corpus, tmp_path):
    from molvae.data.corpus import Corpus

    settings = Corpus.open(little_corpus).settings
    rules = Rules(settings.standardize, settings.keep_stereo)
    with pytest.raises(StoppedEarly):
        make_known(little_corpus, tmp_path, rules, workers=0, progress=SILENT, stop=lambda: True)
    assert not list(tmp_path.glob("known-*"))
