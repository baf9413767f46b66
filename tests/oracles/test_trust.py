"""Code named in a file does not run without the user's permission."""

from __future__ import annotations

import pytest

from molvae.chemistry.molecule import parse
from molvae.errors import UsageError
from molvae.oracles.plugins import load_oracle


@pytest.fixture
def traps(tmp_path, monkeypatch):
    """Oracles that create a file when they run, and a check whether one ran."""
    monkeypatch.chdir(tmp_path)
    mark = tmp_path / "was-run"
    (tmp_path / "trap_of_mine.py").write_text(
        f"open({str(mark)!r}, 'w').close()\ndef score(smiles: list[str]):\n    return [1.0 for s in smiles]\n"
    )
    texts = [
        f"cmd:touch {mark}",
        f"cmd[reinvent]:touch {mark}",
        "trap_of_mine:score",
        "trap_of_mine.py:score",
        f"{tmp_path}/trap_of_mine.py:score",
        "inline:trap_of_mine:score",
        "isolated:trap_of_mine:score",
        f"isolated[workers=2]:cmd:touch {mark}",
        "ray:trap_of_mine:score",
        "http://127.0.0.1:9/",
        f"clipped[1]:cmd:touch {mark}",
        "gaussian[1,1]:falling[0,1]:trap_of_mine:score",
    ]
    return texts, mark


HARMLESS = ["qed", "similarity:CCO", "clipped[3]:logp", "isomers:C6H6", "osimertinib_mpo", "substructure:O"]


def test_a_file_can_only_name_computed_oracles(traps):
    texts, mark = traps
    for text in texts:
        with pytest.raises(UsageError, match="named by a file and not by you") as refused:
            load_oracle(text, named=False)
        assert "--trust" in refused.value.hint
    for text in HARMLESS:
        assert load_oracle(text, named=False)([parse("CCO")])[0].is_ok
    assert not mark.exists()


@pytest.mark.parametrize("deep", [False, True])
def test_an_objective_in_a_file_runs_nothing_unless_it_is_trusted(traps, tmp_path, deep):
    texts, mark = traps
    path = tmp_path / "mine.toml"
    for text in texts:
        path.write_text(f"terms = ['qed', 'rising[0,1]:{text}']")
        if deep:
            (tmp_path / "outer.toml").write_text(f"terms = ['mpo:{path}']")
        named = f"clipped[1]:mpo:{tmp_path / 'outer.toml' if deep else path}"
        for wrapped in (named, f"isolated:{named}"):
            with pytest.raises(UsageError, match="named by a file and not by you"):
                load_oracle(wrapped)
    assert not mark.exists()
    path.write_text("terms = ['clipped[2]:trap_of_mine.py:score']")
    assert load_oracle(f"mpo:{path}", trust=True)([parse("C")])[0].value == 0.5
    assert mark.exists()
    path.write_text("terms = ['qed', 'similarity:CCO']")
    assert load_oracle(f"mpo:{path}", named=False)([parse("CCO")])[0].is_ok
