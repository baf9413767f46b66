from __future__ import annotations

import csv
import io
import json

import pytest

from molvae.oracles.plugins import known_oracles


def test_the_list_names_every_oracle(molvae):
    done = molvae("oracles")
    assert done.code == 0
    words = {line.split()[0] for line in done.out.splitlines() if line.startswith("  ")}
    assert {word.partition(":")[0].partition("[")[0] for word in words} == set(known_oracles())
    listed = json.loads(molvae("oracles", "--json").out)["oracles"]
    assert {entry["name"] for entry in listed} == set(known_oracles())


def test_one_oracle_shows_what_it_is_made_of(molvae):
    done = molvae("oracles", "zaleplon_mpo", "--json")
    shown = json.loads(done.out)
    assert shown["mean"] == "geometric"
    assert [term["weight"] for term in shown["terms"]] == [0.5, 0.5]
    assert shown["terms"][1]["score"] == "isomers:C19H17N3O2"
    assert "geometric mean of" in molvae("oracles", "zaleplon_mpo").out
    assert molvae("oracles", "tpsa").out.startswith("tpsa  topological polar surface area")
    assert "gaussian[mu,sigma]:SCORE" in molvae("oracles", "gaussian").out


def test_molecules_are_scored_term_by_term(molvae, tmp_path):
    own = tmp_path / "own.toml"
    own.write_text('terms = ["rising[0,40]:tpsa", "falling[20,60]:mw"]')
    done = molvae("oracles", f"mpo:{own}", "CCO", "CCX", "O=C=O")
    assert done.code == 0
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert list(rows[0])[3:] == ["rising[0,40]:tpsa", "falling[20,60]:mw", "trouble"]
    values = [float(rows[0][name]) for name in list(rows[0])[2:5]]
    assert values[0] == pytest.approx((values[1] * values[2]) ** 0.5)
    assert rows[1]["smiles"] == ""
    assert "syntax error at character 3" in rows[1]["trouble"]
    assert "2 scored, 1 without a score" in done.err


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("isomers:c7h8", "Did you mean C7H8?"),
        ("similarity:CCX", "syntax error at character 3"),
        ("osimertinib_mpO", "did you mean 'osimertinib_mpo'?"),
        ("gausian[1,2]:logp", "did you mean 'gaussian'?"),
        ("mpo:nowhere.toml", "cannot read the objective nowhere.toml"),
    ],
)
def test_mistakes_are_told(molvae, tmp_path, monkeypatch, name, said):
    monkeypatch.chdir(tmp_path)
    done = molvae("oracles", name, "CCO")
    assert (done.code, done.out) == (2, "")
    assert said in done.err
