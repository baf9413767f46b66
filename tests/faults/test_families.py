"""A few trials of each family of faults; `scripts/faults` runs many."""

from __future__ import annotations

import random

import fuzz_faults
import model_faults
import oracle_faults
import pytest
import text_faults
from families import FAMILIES

ONE_BY_ONE = {family.name for family in FAMILIES if family.short == 0}


def folders(tmp_path):
    number = 0
    while True:
        folder = tmp_path / f"t{number}"
        folder.mkdir()
        yield folder
        number += 1


@pytest.mark.parametrize(
    "family", [family for family in FAMILIES if family.short], ids=lambda f: f.name.replace(" ", "-")
)
def test_the_promise_holds(family, tmp_path):
    rng = random.Random(family.name)  # a text, so that families do not share their numbers
    for _, folder in zip(range(family.short), folders(tmp_path), strict=False):
        assert family.trial(rng, folder)


@pytest.mark.parametrize("name", sorted(model_faults.HOSTILE))
def test_a_hostile_model_directory_is_refused(name, tmp_path):
    assert model_faults.refused(name, tmp_path) == "refused"


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        *(("command", mode) for mode in ("raise", "segfault", "hang", "leaves_children", "deaf", "flood")),
        *(("command", mode) for mode in ("wrong_length", "nan", "text", "garbage", "other_id", "twice")),
        *(("server", mode) for mode in ("drip", "status_500", "cut_off", "reordered", "redirect", "none")),
        *(("reinvent", mode) for mode in ("exit", "wrong_length")),
        ("python", "segfault"),
    ],
)
def test_a_hostile_oracle_costs_only_its_molecule(kind, mode, tmp_path):
    assert oracle_faults.hostile(kind, mode, tmp_path)


@pytest.mark.parametrize("name", text_faults.MALFORMED)
def test_a_malformed_file_is_read_or_refused(name, tmp_path):
    assert text_faults.prepared(name, random.Random(0), tmp_path)


@pytest.mark.parametrize(
    ("place", "content", "line"),
    [
        ("c/model.json", b"3", "ask c -n 1 --device cpu"),
        ("run/corpus.json", b"[]", f"train corpus -o run {fuzz_faults.TINY}"),
        ("s/parts/000000/000000000/hits.jsonl", b"[true, 1]\n", "screen merge s"),
        ("s/parts/000000/000000000/rejected.jsonl", b'["x", "", "", "parse", ""]\n', "screen merge s"),
        ("s/result/rejected.csv", b"row,identifier,text,stage,reason\n1,\xff,C,parse,x\n", "status s"),
        ("s/shards/0-of-2/end.json", b"[" * 100_000, "screen merge s"),
        (
            "s/result/funnel.json",
            b'{"read": [], "hits": 0, "dropped": {}, "by_reason": {}}',
            "report s -o p.html",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and "/" in value else "",
)
def test_a_stored_file_that_holds_something_else_is_named(place, content, line, tmp_path):
    file = fuzz_faults.copied(tmp_path, "table.csv", "corpus", "run", "c", "s") / place
    file.write_bytes(content)
    if (file.parent / "MANIFEST.json").exists():
        fuzz_faults.seal_again(file)
    code, said = fuzz_faults.answer(line.split(), tmp_path)
    assert code == 5, said
    assert file.name in said


def test_those_left_out_above_are_run_one_by_one():
    elsewhere = {"shards by workers of screen"}  # screening/test_screen, a few of the nine
    assert {"hostile model directories", "hostile oracles", "malformed input files"} == ONE_BY_ONE - elsewhere
