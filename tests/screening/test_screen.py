"""Every row is accounted for; shards, workers, crashes and damage do not change the result."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
from importlib.util import find_spec

import pytest

from molvae.chemistry.facts import Facts, facts_of, forget
from molvae.chemistry.molecule import parse
from molvae.data.partition import Shard
from molvae.errors import (
    CheckpointError,
    InputError,
    LockedError,
    MissingDependencyError,
    StoppedEarly,
    StorageError,
    UsageError,
)
from molvae.persistence.files import directory_lock
from molvae.screening.config import ScreenSettings
from molvae.screening.merging import merge
from molvae.screening.parts import part_path
from molvae.screening.pipeline import screen
from tests.strategies import reordered

BAD_ROWS = [
    "C C,gap,1",  # read wrongly by RDKit
    "=1+1,=cmd(),2",
    ",empty,3",
    "CCO,too,many,cells",
    "C[Si](C)(C)C,unknown element,4",
    "[Na+].[O-]c1ccccc1,salt,5",
    "CC(C)(C)c1ccccc1O,twice,6",
    "CC(C)(C)c1ccccc1O,twice,7",
    "O=C1NC(=S)SC1=Cc1ccccc1,pains,8",
]


@pytest.fixture(scope="module")
def library(little_csv, tmp_path_factory):
    """Sixty small molecules and nine special rows; columns smiles, name, weight."""
    with little_csv.open(newline="") as file:
        rows = [",".join(row) for row in csv.reader(file)]
    mixed = rows[:1]
    for number, row in enumerate(rows[1::11]):
        mixed.append(row)
        if number % 6 == 0 and number // 6 < len(BAD_ROWS):
            mixed.append(BAD_ROWS[number // 6])
    path = tmp_path_factory.mktemp("library") / "library.csv"
    path.write_text("\n".join(mixed) + "\n")
    return path


@pytest.fixture(scope="module")
def asked(library, tiny_checkpoint):
    """Settings of a screen in a few parts, with two objectives, one constraint and one filter."""

    def make(**changes):
        plain = {
            "library": str(library),
            "checkpoint": tiny_checkpoint,
            "filters": ("pains",),
            "descriptors": ("mw",),
            "objectives": (
                {"name": "qed"},
                {"name": "logp", "direction": "minimize"},
                {"name": "predicted_weight", "direction": "at_most", "bound": 16.0},
            ),
            "top": 5,
            "keep_all": True,
            "part_bytes": 150,
        }
        return ScreenSettings.model_validate({**plain, **changes})

    return make


def run(settings, output, *, n=1, workers=0):
    """All shards of a screen, the last one first."""
    for index in reversed(range(n)):
        screen(settings, output, shard=Shard(index, n), workers=workers, device="cpu")


def contents(directory):
    """sha256 of every file of a result."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(directory.iterdir())}


@pytest.fixture(scope="module")
def undisturbed(asked, tmp_path_factory):
    """The directory of a screen in one process without faults, and the sha256 of its result."""
    path = tmp_path_factory.mktemp("screened") / "whole"
    run(asked(), path)
    return path, contents(merge([path]).path)


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(("n", "workers"), [(2, 0), (7, 0), (1, 2), (2, 1)])
def test_shards_and_workers_change_no_byte(asked, undisturbed, tmp_path, n, workers):
    run(asked(), tmp_path / "s", n=n, workers=workers)
    assert contents(merge([tmp_path / "s"]).path) == undisturbed[1]


def test_cached_descriptors_change_no_byte(asked, undisturbed, tmp_path):
    phenol = parse("Oc1ccccc1")  # that of the salt in the library
    orders = [reordered(phenol, seed) for seed in range(1, 21)]
    weights = {Facts(molecule).descriptor("mw"): molecule for molecule in orders}
    assert len(weights) > 1
    for number, molecule in enumerate(weights.values()):
        forget()
        facts_of(molecule).descriptor("mw")
        facts_of(molecule).descriptor("logp")
        run(asked(), tmp_path / str(number))
        assert contents(merge([tmp_path / str(number)]).path) == undisturbed[1]


def test_every_row_is_accounted_for(undisturbed, library):
    result = undisturbed[0] / "result"
    counts = json.loads((result / "funnel.json").read_text())
    n_rows = len(library.read_text().splitlines()) - 1
    assert counts["read"] == n_rows == counts["hits"] + sum(counts["dropped"].values())
    assert counts["dropped"]["read"] == 1
    assert counts["dropped"]["parse"] == 3
    assert counts["dropped"]["domain"] == 1
    assert counts["dropped"]["filter"] == 2
    assert counts["dropped"]["objective"] > 5
    hits, lines = table(result / "hits.csv"), library.read_text().splitlines()
    assert len(hits) == counts["hits"]
    for row in hits:  # what came from the user's row is still there, and the line is the line of the file
        cells = lines[int(row["line"]) - 1].split(",")
        assert [row["input.smiles"], row["name"], row["weight"]] == cells
        assert float(row["predicted_weight"]) <= 16.0
    rejected = table(result / "rejected.csv")
    assert {(row["stage"], lines[int(row["row"]) - 1].split(",")[1]) for row in rejected} == {
        ("parse", "gap"), ("parse", "=cmd()"), ("parse", "empty"), ("read", "too")
    }  # fmt: skip
    assert [row["text"] for row in rejected if row["text"].endswith("=1+1")] == ["'=1+1"]


def test_the_best_are_distinct_and_ranked_as_the_hits_say(undisturbed):
    best, hits = (table(undisturbed[0] / "result" / f"{name}.csv") for name in ("best", "hits"))
    assert [row["rank"] for row in best] == list("12345")
    assert len({row["smiles"] for row in best}) == 5
    ranges = {key: [float(row[key]) for row in hits] for key in ("qed", "logp")}

    def utility(row):
        qed, logp = (
            (float(row[key]) - min(ranges[key])) / (max(ranges[key]) - min(ranges[key])) for key in ranges
        )
        return (qed * (1 - logp)) ** 0.5

    worths = {row["smiles"]: utility(row) for row in hits}
    assert [row["smiles"] for row in best] == sorted(worths, key=worths.__getitem__, reverse=True)[:5]
    assert [float(row["utility"]) for row in best] == pytest.approx(sorted(worths.values())[:-6:-1])


@pytest.mark.parametrize("part_bytes", [10_000, 24])
def test_repeated_molecules_take_one_place(asked, tmp_path, part_bytes):
    rows = ["CCCCCCCO", "CCCCCCO"] * 4 + ["CCCCCO", "CCCO"]
    (tmp_path / "library.smi").write_text("\n".join(rows) + "\n")
    longest = ({"name": "mw"},)
    settings = asked(
        library=str(tmp_path / "library.smi"), objectives=longest, filters=(), top=3, part_bytes=part_bytes
    )
    run(settings, tmp_path / "s")
    best = table(merge([tmp_path / "s"]).path / "best.csv")
    assert [row["smiles"] for row in best] == ["CCCCCCCO", "CCCCCCO", "CCCCCO"]


def test_finished_parts_are_skipped_and_damaged_ones_repeated(asked, undisturbed, tmp_path):
    shutil.copytree(undisturbed[0], tmp_path / "s")
    done = screen(asked(), tmp_path / "s", workers=0, device="cpu")
    assert done.n_skipped == done.n_parts > 7
    shutil.rmtree(part_path(tmp_path / "s", 2))
    (part_path(tmp_path / "s", 3) / "hits.jsonl").write_bytes(b"[]\n")
    with pytest.raises(InputError, match=r"1 of .* parts are missing: 2"):
        merge([tmp_path / "s"])
    again = screen(asked(), tmp_path / "s", workers=0, device="cpu")
    assert again.n_skipped == again.n_parts - 2
    assert again.funnel == done.funnel
    assert contents(merge([tmp_path / "s"]).path) == undisturbed[1]
    (part_path(tmp_path / "s", 3) / "part.json").write_bytes(b"{}")
    with pytest.raises(CheckpointError, match="damaged"):
        merge([tmp_path / "s"])


def test_a_stop_leaves_whole_parts_and_the_same_call_goes_on(asked, undisturbed, tmp_path):
    asked_so_far = []

    def after_a_while():
        asked_so_far.append(1)
        return len(asked_so_far) > 40

    with pytest.raises(StoppedEarly):
        screen(asked(), tmp_path / "s", workers=0, device="cpu", stop=after_a_while)
    with pytest.raises(InputError, match="no shard"):
        merge([tmp_path / "s"])
    done = screen(asked(), tmp_path / "s", workers=0, device="cpu")
    assert 0 < done.n_skipped < done.n_parts
    assert contents(merge([tmp_path / "s"]).path) == undisturbed[1]


def test_shards_may_stand_in_different_directories_but_not_be_of_different_screens(
    asked, undisturbed, tmp_path
):
    for index in (0, 1):
        screen(asked(), tmp_path / f"s{index}", shard=Shard(index, 2), workers=0, device="cpu")
    both = [tmp_path / "s0", tmp_path / "s1"]
    assert contents(merge(both, output=tmp_path / "r").path) == undisturbed[1]
    assert contents(merge([*both, undisturbed[0]], output=tmp_path / "r").path) == undisturbed[1]
    with pytest.raises(UsageError, match="another screen: top is 5 there and 6 here"):
        screen(asked(top=6), tmp_path / "s0", workers=0, device="cpu")
    with directory_lock(tmp_path / "s0" / "shards" / "0-of-2"), pytest.raises(LockedError):
        screen(asked(), tmp_path / "s0", shard=Shard(0, 2), workers=0, device="cpu")
    screen(asked(top=6), tmp_path / "other", workers=0, device="cpu")
    with pytest.raises(StorageError, match="another screen"):
        merge([both[0], tmp_path / "other"])
    with pytest.raises(UsageError, match="not the result of a screen"):
        merge(both, output=tmp_path / "s0")


def test_molecules_of_a_reference_corpus_or_file_are_dropped(asked, little_corpus, undisturbed, tmp_path):
    known = tmp_path / "known.smi"
    best = table(undisturbed[0] / "result" / "best.csv")
    known.write_text("\n".join(row["smiles"] for row in best[:3]) + "\nno molecule\n")
    for reference, n_known in ((known, 3), (little_corpus, None)):
        output = tmp_path / f"after-{reference.stem}"
        run(asked(reference=reference), output)
        merged = merge([output])
        left = {hit.smiles for _, hit in merged.best}
        assert not left & {row["smiles"] for row in best[:3]}
        assert n_known in (None, merged.funnel.dropped["known"])
        assert merged.funnel.dropped["known"] >= 3


def test_domain_checks_say_what_they_mean_and_names_are_checked_first(asked, tmp_path):
    run(asked(domain=("reconstruction",), keep_all=False, every_row=True), tmp_path / "s")
    merged = merge([tmp_path / "s"], suffix=".jsonl")
    dropped = merged.funnel.dropped["domain"]
    assert 0 < dropped < merged.funnel.kept
    lines = (merged.path / "rows.jsonl").read_text().splitlines()
    assert sum("reads back as" in (json.loads(row)["reason"] or "") for row in lines) == dropped
    assert not (merged.path / "hits.jsonl").exists()
    for wrong in (
        {"objectives": ({"name": "predicted_wieght"},)},
        {"descriptors": ("mww",)},
        {"filters": ("painz",)},
        {"domain": ("unknown-token",)},
        {"objectives": ({"name": "qde"},)},
    ):
        with pytest.raises(UsageError, match="did you mean"):
            screen(asked(**wrong), tmp_path / "t", workers=0, device="cpu")
    with pytest.raises(UsageError, match="applicability domain"):
        screen(asked(domain=("calibrated",)), tmp_path / "t", workers=0, device="cpu")


def test_another_stream_is_not_taken_for_the_one_that_was_screened(asked, tmp_path, monkeypatch):
    streams = ["CCO\nCC\n", "CCO\nCC\n", "CCO\nCCC\n"]
    for stream, n_skipped in zip(streams, (0, 1, None), strict=True):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stream.encode())))
        if n_skipped is None:
            with pytest.raises(StorageError, match="made from other rows"):
                screen(asked(library="-"), tmp_path / "s", workers=0, device="cpu")
        else:
            done = screen(asked(library="-"), tmp_path / "s", workers=0, device="cpu")
            assert done.n_skipped == n_skipped


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_a_sentence_says_what_to_install(asked, tmp_path):
    with pytest.raises(MissingDependencyError, match="Ray is not installed"):
        screen(asked(), tmp_path / "s", engine="ray", device="cpu")
