"""Opening a campaign or screen of somebody else does not run code named in it."""

from __future__ import annotations

import json
import shutil

import pytest

QUICK = ["--effort", "0.05", "--set", "n_initial=4"]


@pytest.fixture
def theirs(molvae, tiny_checkpoint, tmp_path, monkeypatch):
    """A campaign with a function of a file, and the file that the function creates from now on."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs.py").write_text(
        "import os\nif 'TRAP' in os.environ:\n    open(os.environ['TRAP'], 'w').close()\n"
        "def score(smiles: list[str]):\n    return [float(len(s)) for s in smiles]\n"
    )
    argv = ["--maximize", "theirs.py:score", "-q", 2, "--budget", 2, *QUICK]
    assert molvae("optimize", tiny_checkpoint, *argv, "-o", "campaign").code == 0
    mark = tmp_path / "was-run"
    monkeypatch.setenv("TRAP", str(mark))
    return mark


def test_only_what_is_named_or_trusted_runs(molvae, tiny_checkpoint, theirs):
    on = ["optimize", tiny_checkpoint, "-o", "campaign", "--quiet"]
    refused = molvae(*on, "--budget", 3)
    assert refused.code == 2
    assert "'theirs.py:score' is named by a file and not by you" in refused.err
    assert "--maximize 'theirs.py:score'" in refused.err
    for argv in (
        ["ask", "campaign", "-n", 1, "--budget", 5],
        ["ask", "campaign", "--pending"],
        ["status", "campaign"],
        ["info", "campaign"],
        ["report", "campaign", "-o", "page.html"],
    ):
        done = molvae(*argv)
        assert done.code == 0, done.err
    assert not theirs.exists()
    shutil.copytree("campaign", "again")
    assert molvae(*on, "--budget", 6, "--trust").code == 0
    assert theirs.exists()
    theirs.unlink()
    named = ["optimize", tiny_checkpoint, "-o", "again", "--maximize", "theirs.py:score", "--budget", 6]
    assert molvae(*named, "-q", 2, *QUICK).code == 0
    assert theirs.exists()


def test_settings_and_screens_are_files_too(molvae, tiny_checkpoint, theirs, tmp_path):
    settings = tmp_path / "s.toml"
    settings.write_text('[[objectives]]\nname = "theirs.py:score"\n')
    library = tmp_path / "l.smi"
    library.write_text("CCO a\nCCN b\n")
    screen = ["screen", library, "--checkpoint", tiny_checkpoint, "--workers", 0, "--config", settings]
    for argv in (
        ["optimize", tiny_checkpoint, "--config", settings, "-o", "new"],
        [*screen, "-o", "screened"],
    ):
        done = molvae(*argv)
        assert (done.code, "named by a file" in done.err) == (2, True), done.err
    assert not theirs.exists()
    assert molvae(*screen, "-o", "screened", "--trust").code == 0
    assert theirs.exists()


def test_an_opened_campaign_runs_what_it_is_given(tiny_checkpoint, theirs):
    from molvae.campaign.campaign import Campaign
    from molvae.campaign.runner import run
    from molvae.errors import UsageError
    from molvae.latent.codec import MolVAE

    with Campaign.open("campaign/journal.sqlite", MolVAE.load(tiny_checkpoint)) as campaign:
        with pytest.raises(UsageError, match=r"trust=True"):
            run(campaign)
        assert not theirs.exists()
        run(campaign, trust=True)


def test_a_key_does_not_reach_a_journal(molvae, tiny_checkpoint, tmp_path):
    url = "http://127.0.0.1:9/?api_key=geheim"
    for command in (["optimize", tiny_checkpoint, "-o", tmp_path / "a"],
                    ["ask", tmp_path / "b", "--checkpoint", tiny_checkpoint]):  # fmt: skip
        done = molvae(*command, "--maximize", url)
        assert done.code == 2
        assert "geheim" not in done.err
        assert json.dumps("${MOLVAE_KEY}")[1:-1] in done.err
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
