"""Bad days at the command line: kills, full disks, files that lie in the way."""

from __future__ import annotations

import shutil


def test_a_model_that_was_being_replaced_when_its_writer_died_is_found(molvae, tiny_checkpoint, tmp_path):
    run = tmp_path / "run"
    (run / "states").mkdir(parents=True)
    shutil.copytree(tiny_checkpoint, run / ".model.previous")
    found = molvae("info", run, "--json")
    assert found.code == 0, found.err
    shutil.move(run / "model", run / ".model.previous")
    drawn = molvae("sample", run, "-n", "3", "--device", "cpu", "-q")
    assert drawn.code == 0, drawn.err
    assert (run / "model" / "MANIFEST.json").is_file()
