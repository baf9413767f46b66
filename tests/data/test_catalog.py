"""Data sets from the mirror or the network, verified, and error messages."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import replace
from pathlib import Path

import pooch
import pytest

from molvae.data import catalog
from molvae.data.catalog import CATALOG, content_sha256, dataset_names, fetch
from molvae.errors import InputError, StorageError, UnknownNameError

CONTENT = b"smiles\nCCO\n"


class Notes:
    def __init__(self):
        self.texts = []

    def note(self, text):
        self.texts.append(text)


@pytest.fixture
def known(monkeypatch):
    dataset = replace(CATALOG["moses-test"], name="known", sha256=hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setitem(CATALOG, "known", dataset)
    monkeypatch.setitem(CATALOG, "unknown", replace(dataset, name="unknown", sha256=None))
    return dataset


@pytest.fixture
def network(monkeypatch):
    """Serve CONTENT instead of the network; set `.error` to be offline."""

    class Network:
        error = None
        content = CONTENT

        def retrieve(self, _address, _known_hash, *, fname, path, downloader):
            downloader.progressbar.update(len(self.content))
            if self.error is not None:
                raise self.error
            target = Path(path) / fname
            target.write_bytes(self.content)
            return str(target)

    network = Network()
    monkeypatch.setattr(pooch, "retrieve", network.retrieve)
    return network


def test_the_names_people_know():
    assert {"starter", "zinc250k", "moses", "qm9"} <= set(dataset_names())
    for dataset in CATALOG.values():
        assert dataset.address.startswith("https://")
        assert all(
            digest is None or len(digest) == 64 for digest in (dataset.sha256, dataset.mirrored_sha256)
        )


@pytest.mark.parametrize("packed", [True, False])
def test_from_the_mirror(tmp_path, known, packed):
    place = tmp_path / "mirror" / known.mirrored
    place.parent.mkdir(parents=True)
    place = place if packed else place.with_suffix("")
    place.write_bytes(gzip.compress(CONTENT) if packed else CONTENT)
    notes = Notes()
    path = fetch("known", tmp_path / "data", mirror=tmp_path / "mirror", progress=notes)
    assert path.parent == tmp_path / "data"
    assert content_sha256(path) == known.sha256
    assert known.sha256 in notes.texts[-1]
    place.write_bytes(b"smiles\nCCN\n")
    with pytest.raises(InputError, match="expected"):
        fetch("known", tmp_path / "data", mirror=tmp_path / "mirror")
    assert content_sha256(path) == known.sha256


@pytest.mark.usefixtures("known")
def test_from_the_network(tmp_path, network):
    notes = Notes()
    path = fetch("known", tmp_path, mirror=tmp_path / "nothing", progress=notes)
    assert path.read_bytes() == CONTENT
    assert "as published" in notes.texts[-1]
    network.error = AssertionError("a file that is there is not downloaded again")
    assert fetch("known", tmp_path) == path


@pytest.mark.usefixtures("network")
def test_where_no_digest_is_published_the_one_that_arrived_is_told(tmp_path, known):
    notes = Notes()
    fetch("unknown", tmp_path, progress=notes)
    assert known.sha256 in notes.texts[-1]
    assert "no published digest" in notes.texts[-1]


@pytest.mark.usefixtures("known")
def test_a_damaged_download_never_takes_its_place(tmp_path, network):
    network.content = CONTENT[:-2]
    with pytest.raises(InputError, match="expected"):
        fetch("known", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_offline_it_says_what_to_download_and_where_to_put_it(tmp_path, known, network):
    network.error = OSError("Max retries exceeded: Failed to resolve host")
    with pytest.raises(InputError, match="the network cannot be reached") as error:
        fetch("known", tmp_path, mirror=tmp_path / "mirror")
    for part in (known.address, str(tmp_path / known.file_name), "MOLVAE_DATA", known.mirrored, "mirror"):
        assert part in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_name_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'zinc250k'"):
        fetch("zinc250", Path())


def test_the_starter_set_is_shipped_or_the_message_says_where_it_is(tmp_path, monkeypatch):
    shipped = tmp_path / "datasets" / "starter.csv.gz"
    shipped.parent.mkdir()
    shipped.write_bytes(gzip.compress(CONTENT))
    monkeypatch.setattr(catalog, "shipped", lambda kind: {p.name: p for p in (tmp_path / kind).iterdir()})
    assert fetch("starter", tmp_path / "out").name == "starter.csv.gz"
    shipped.unlink()
    with pytest.raises(InputError, match="not part of this installation"):
        fetch("starter", tmp_path / "out")


def test_a_full_disk_is_not_the_network_and_a_download_ends(tmp_path, network, monkeypatch):
    network.error = OSError(28, "No space left on device")
    with pytest.raises(StorageError, match="No space left"):
        fetch("moses-test", tmp_path)
    network.error = None
    monkeypatch.setattr(catalog, "_LARGEST", 5)
    with pytest.raises(InputError, match="was stopped"):
        fetch("moses-test", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_checked_is_said(tmp_path, network):
    del network
    notes = Notes()
    fetch("moses-train", tmp_path, progress=notes)
    assert "not checked" in notes.texts[-1]
