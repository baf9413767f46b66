"""Docking oracles: errors before docking, and scores if Vina is installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from molvae.campaign.campaign import Campaign
from molvae.chemistry.molecule import parse
from molvae.chemistry.sdf import conformer, parse_molblock, pose_block
from molvae.errors import ConfigError, MissingDependencyError, UnknownNameError, UsageError
from molvae.oracles import docking
from molvae.oracles.docking import kept_poses
from molvae.oracles.plugins import load_oracle
from molvae.oracles.references import core_of, files_of
from tests.documents import ROOT, furnish, play

INSTALLED = all(find_spec(name) for names in docking.PROGRAMS.values() for name in names)
needs_vina = pytest.mark.skipif(not INSTALLED, reason="molvae[docking] is not installed")
PROPRANOLOL = "CC(C)NCC(O)COc1cccc2ccccc12"


@pytest.fixture
def targets(tmp_path, monkeypatch):
    """Pretend that everything is installed, with two targets."""
    folder = tmp_path / "resources" / "targets"
    folder.mkdir(parents=True)
    box = "".join(f"center_{axis} = 1.5\nsize_{axis} = 20\n" for axis in "xyz")
    for name in ("DRD2", "F2"):
        (folder / f"{name}_target.pdbqt").touch()
        (folder / f"{name}_conf.txt").write_text(box)
    monkeypatch.setattr(docking, "_targets", lambda: folder)
    monkeypatch.setattr(docking, "find_spec", lambda name: name)
    return folder


def test_a_missing_extra_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(docking, "find_spec", lambda name: None if name == "meeko" else name)
    with pytest.raises(MissingDependencyError, match="not installed: meeko\n") as error:
        load_oracle("docking[vina]:DRD2")
    assert error.value.hint == "pip install 'molvae[docking]'"


@pytest.mark.usefixtures("targets")
@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("docking", UsageError, "needs a target"),
        ("docking:DRD1", UnknownNameError, r"unknown docking target 'DRD1'; did you mean 'DRD2'\?"),
        ("docking[vine]:DRD2", UsageError, r"'vine' .* is not a docking program; did you mean 'vina'\?"),
        ("docking[exhaustivness=1]:DRD2", ConfigError, "exhaustiveness"),
        ("docking[dockstring,exhaustiveness=1]:DRD2", UsageError, "cannot be set"),
        ("docking[dockstring]:r.pdbqt@1,2,3,20", UsageError, "its own targets"),
        ("docking:r.pdbqt", UsageError, "has no docking box"),
        ("docking:r.pdbqt@1,2,3", UsageError, "is not x,y,z,size"),
        ("docking:r.pdbqt@1,2,3,0", UsageError, "is not x,y,z,size"),
        ("docking:r.pdbqt@1,2,nan,20", UsageError, "is not x,y,z,size"),
        ("docking:r.pdb@1,2,3,20", UsageError, "expected a receptor as .pdbqt"),
        ("docking:r.pdbqt@1,2,3,20", UsageError, "does not exist"),
    ],
)
def test_invalid_dockings_are_errors_before_anything_starts(text, kind, said):
    with pytest.raises(kind, match=said):
        load_oracle(text)


@pytest.mark.usefixtures("targets")
def test_a_box_has_one_side_or_three(tmp_path):
    file = tmp_path / "r@home.pdbqt"
    file.touch()
    assert docking.receptor_of(f"{file}@1,-2.5,3,20").size == (20.0, 20.0, 20.0)
    assert docking.receptor_of(f"{file}@1,-2.5,3,20,21,22") == docking.Receptor(
        file, (1.0, -2.5, 3.0), (20.0, 21.0, 22.0)
    )
    assert docking.receptor_of("F2").center == (1.5, 1.5, 1.5)


def test_a_docking_is_identified_by_its_receptor_and_what_changes_its_score(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.pdbqt").write_text("ATOM")
    assert list(files_of("docking[vina]:r.pdbqt@1,2,3,20")) == ["r.pdbqt"]
    assert list(files_of("rising[-10,-6]:docking:r.pdbqt@1,2,3,20")) == ["r.pdbqt"]
    assert files_of("docking:DRD2") == {}
    assert core_of("docking[vina,workers=4,exhaustiveness=2,poses=there,seed=3]:F2") == (
        "docking[vina,exhaustiveness=2,seed=3]:F2"
    )


def test_kept_poses_are_gathered_in_the_order_of_the_molecules(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "poses").mkdir()
    named = {"OTMSDBZUPAUEDD-UHFFFAOYSA-N": "CC", "LFQSCWFLJHTTHZ-UHFFFAOYSA-N": "CCO"}
    for name, title in {**named, "VNWKTOKETHGBQD-UHFFFAOYSA-N": "another tautomer"}.items():
        (tmp_path / "poses" / f"{name}.sdf").write_text(f"{title}\n$$$$\n")
    (tmp_path / "all.toml").write_text("terms = ['qed', 'rising[5,9]:docking[vina,poses=poses]:F2']")
    molecules = [parse(text) for text in ("CCO", "C", "CC", "CCC")]
    for texts in (
        ["docking[poses=poses]:DRD2", "qed"],
        ["mpo:all.toml"],
        ["isolated:docking[poses=poses]:F2"],
    ):
        assert kept_poses(texts, molecules) == "CCO\n$$$$\nCC\n$$$$\n"
    assert kept_poses(["docking:DRD2", "qed", "dock.py:score"], molecules) == ""


@pytest.mark.usefixtures("targets")
def test_a_docking_named_by_a_file_is_refused():
    with pytest.raises(UsageError, match="named by a file and not by you"):
        load_oracle("docking[poses=/somewhere]:DRD2", named=False)


def test_a_conformer_is_reproducible_and_keeps_the_molecule():
    blocks = {pose_block(conformer(PROPRANOLOL, seed=5)) for _ in range(2)}
    assert len(blocks) == 1
    assert pose_block(conformer(PROPRANOLOL, seed=6)) not in blocks
    assert "[C@" in parse_molblock(blocks.pop()).smiles  # an open center has a side in space
    for text, reason in (("C.C", "several molecules"), ("C1CC", "cannot be read")):
        with pytest.raises(ValueError, match=reason):
            conformer(text, seed=5)


@needs_vina
def test_scores_are_independent_and_poses_are_saved(tmp_path):
    path = docking.receptor_of("DRD2").path
    poses = tmp_path / "poses"
    text = f"docking[vina,exhaustiveness=1,poses={poses}]:{path}@9.25,6.2,-7,16"
    asked = [parse(s) for s in (PROPRANOLOL, "OB(O)c1ccccc1", "CC(=O)Oc1ccccc1C(=O)O", "[Na+].CC(=O)[O-]")]
    with load_oracle(text) as oracle:
        first = oracle(asked)
    with load_oracle(text.replace("vina,", "vina,workers=2,")) as oracle:
        second = oracle(asked[::-1])[::-1]
    assert first == second
    assert [score.status for score in first] == ["ok", "failed", "ok", "ok"]
    assert first[1].detail == "docking has no parameters for B"
    assert -9 < first[0].value < first[2].value < first[3].value < 0
    kept = {file.read_text().split("\n")[0]: file.read_text() for file in poses.glob("*.sdf")}
    assert set(kept) == {asked[i].smiles for i in (0, 2, 3)}
    pose = kept[PROPRANOLOL]
    assert "CC(C)[NH2+]" in pose or "C[NH2+]C(C)C" in pose
    assert f"\n{first[0].value:g}\n" in pose
    assert parse_molblock(pose.partition("$$$$")[0]).mol.GetNumHeavyAtoms() == 19


@needs_vina
@pytest.mark.slow
def test_dockstring_gives_the_scores_of_its_data_set():
    with load_oracle("docking[dockstring]:DRD2") as oracle:
        assert oracle([parse("Brc1c(Br)c(Br)c2n[nH]nc2c1Br")])[0].value == pytest.approx(-6.0, abs=1e-6)


@needs_vina
@pytest.mark.slow
def test_the_commands_of_the_docking_page_run(tmp_path, monkeypatch, capsys):
    furnish(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    play((ROOT / "docs" / "docking.md").read_text(encoding="utf-8"))
    haloperidol, benzene = (line.split(",")[-2] for line in capsys.readouterr().out.splitlines()[1:3])
    assert float(haloperidol) < -8 < -5 < float(benzene) < 0
    with Campaign.open("docked/journal.sqlite", writable=False) as campaign:
        rows, best = campaign.table(), campaign.best(12)
    assert len([row for row in rows if row.call is not None and row.scores[0].is_ok]) == 12
    assert all(row.feasible for row in rows if row.source != "start")
    assert -14 < best[0].scores[0].value < -7
    gathered = Path("docked/poses.sdf").read_text(encoding="utf-8").split("$$$$\n")[:-1]
    assert [record.partition("\n")[0] for record in gathered] == [row.smiles for row in best]
    assert len(list(Path("docked/poses").iterdir())) == 12
    assert "docking[vina,exhaustiveness=1" in Path("docked.html").read_text(encoding="utf-8")
