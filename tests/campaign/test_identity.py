"""The identity of a campaign's files, settings that may change, and measurements of another campaign."""

import os
import stat
from pathlib import Path

import pytest
from play import objectives
from pydantic import ValidationError

from molvae.campaign.campaign import Campaign
from molvae.campaign.config import CampaignSettings
from molvae.campaign.observations import Observation, StartMolecule
from molvae.campaign.runner import run
from molvae.campaign.start import carried
from molvae.campaign.storage import Journal
from molvae.errors import UsageError
from molvae.oracles.base import Score
from molvae.oracles.references import files_of

SCORE = "def score(smiles: str) -> float:\n    return len(smiles) * 1.0\n"
TOML = '[[terms]]\nscore = "inline:mine.py:score"\n[[terms]]\nscore = "qed"\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(SCORE)
    Path("deep").mkdir()
    Path("deep/mine.py").write_text(SCORE)
    Path("mine.toml").write_text(TOML)
    Path("known.toml").write_text('[[terms]]\nscore = "qed"\n')
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_the_files_of_an_oracle_are_found_wherever_they_hide():
    mine, deep = files_of("mine.py:score"), files_of("deep.mine:score")
    assert list(mine) == ["mine.py"]
    assert list(deep) == ["deep/mine.py"]
    assert [*mine.values()] == [*deep.values()], "identity is content"
    assert set(files_of("mpo:mine.toml")) == {"mine.toml", "mine.py"}
    for around in ("inline:mine.py:score", "isolated[workers=2]:mine.py:score", "gaussian[2,1]:mine:score"):
        assert files_of(around) == mine
    assert list(files_of("cmd:sh ./mine.py --fast")) == ["mine.py"]
    assert files_of("qed") == files_of("similarity:CCO") == files_of("os.path:join") == {}


@pytest.mark.parametrize(
    ("name", "file", "old", "new"),
    [
        ("inline:mine.py:score", "mine.py", "1.0", "2.0"),
        ("inline:mine:score", "mine.py", "1.0", "2.0"),
        ("mpo:known.toml", "known.toml", "qed", "tpsa"),
    ],
)
@pytest.mark.parametrize("again", ["create", "open"])
@pytest.mark.usefixtures("folder")
def test_an_oracle_that_has_changed_is_refused(model, settings, name, file, old, new, again):
    wanted = settings(maximize=(name,), budget=9)
    with Campaign.create("c", model, wanted) as campaign:
        run(campaign, enough=lambda c: c.n_calls > 0)
    Campaign.create("c", model, wanted).close()
    Path(file).write_text(Path(file).read_text().replace(old, new))
    with pytest.raises(UsageError, match=rf"{file} of the objective .* has changed") as refused:
        Campaign.create("c", model, wanted) if again == "create" else Campaign.open("c", model)
    assert "--start" in refused.value.hint
    with Campaign.open("c") as campaign:
        assert campaign.n_calls > 0, "what was measured can still be read"


def test_another_model_is_refused(tmp_path, model, settings, monkeypatch):
    weights = {"now": "a" * 64}
    monkeypatch.setattr("molvae.campaign.start.model_identity", lambda _: weights["now"])
    Campaign.create(tmp_path / "c", model, settings()).close()
    Campaign.open(tmp_path / "c", model).close()
    weights["now"] = "b" * 64
    with pytest.raises(UsageError, match="another model"):
        Campaign.create(tmp_path / "c", model, settings())
    with pytest.raises(UsageError, match="another model"):
        Campaign.open(tmp_path / "c", model)
    Campaign.open(tmp_path / "c").close()


def test_how_a_campaign_is_carried_out_may_change(tmp_path, model, settings):
    path = tmp_path / "c"
    Campaign.create(path, model, settings()).close()
    changes = {"q": 6, "evaluation_batch": 3, "failure_limit": 9, "q_most": 20}
    with Campaign.create(path, model, settings(**changes)) as campaign:
        assert len(campaign.ask()) == 6
    with Campaign.open(path) as campaign:
        assert {name: getattr(campaign.settings, name) for name in changes} == changes
    set_before = settings().model_dump(include={"objectives", "budget", "n_initial", "search", "sources"})
    bare = CampaignSettings.model_validate(set_before)
    with Campaign.create(path, model, bare) as campaign:
        assert campaign.settings.q == 6, "what nobody sets stays"
    with pytest.raises(UsageError, match="max_heavy_atoms was 100, now 30") as refused:
        Campaign.create(path, model, settings(max_heavy_atoms=30))
    assert "--start" in refused.value.hint


@pytest.mark.usefixtures("folder")
def test_workers_and_timeouts_may_change_and_another_oracle_may_not(model, settings):
    def wanted(name, **more):
        return settings(maximize=(name,), at_most={"sa": 9.0}, budget=9, **more)

    with Campaign.create("c", model, wanted("isolated[workers=1]:mine.py:score")) as campaign:
        run(campaign, enough=lambda c: c.n_calls > 0)
        n_calls = campaign.n_calls
    more = wanted("isolated[workers=2,timeout=30]:mine.py:score")
    with Campaign.create("c", model, more) as campaign:
        assert campaign.settings.objectives == more.objectives
    with Campaign.open("c", model) as campaign:
        assert campaign.settings.objectives == more.objectives
        assert run(campaign, trust=True).n_calls > n_calls
    for other in ("isolated[workers=2]:deep/mine.py:score", "isolated[workers=2]:mine.py:other"):
        with pytest.raises(UsageError, match="other settings"):
            Campaign.create("c", model, wanted(other))


def test_measurements_are_carried_into_a_campaign_with_other_goals(tmp_path, model, settings):
    start = [
        StartMolecule("CCO", (5.0, None), "NVX-1"),
        StartMolecule("CCN"),
        StartMolecule("CCC", (Score(9.0, "above"), 1.0)),
    ]
    with Campaign.create(
        tmp_path / "old", model, settings(maximize=("potency", "stability")), start=start
    ) as old:
        a, b = old.ask(2)
        old.tell(
            [
                Observation(a.smiles, (7.0, 2.0)),
                Observation(b.smiles, (Score(float("nan"), "cancelled"),) * 2),
            ]
        )
        found = carried(old.history, objectives(maximize=["Potency"], at_least={"other": 1.0}))
    known = {m.smiles: (m.scores[0] if m.scores else None, m.name) for m in found.molecules}
    assert known["CCO"] == (Score.ok(5.0), "NVX-1")
    assert known["CCC"] == (Score(9.0, "above"), "")
    assert known[a.smiles] == (Score.ok(7.0), "")
    assert known[b.smiles] == (None, "")
    new = settings(maximize=("Potency",), at_least={"other": 1.0})
    with Campaign.create(tmp_path / "new", model, new, start=found) as campaign:
        assert len(campaign.history.trials) == 3


def test_a_journal_that_may_only_be_read_is_read(tmp_path_factory, model, settings):
    folder = tmp_path_factory.mktemp("archive")
    path = folder / "c"
    Campaign.create(path, model, settings(), start=["CCO"]).close()
    opened = [folder, *list(folder.parents)[:3]]
    modes = [part.stat().st_mode for part in opened]
    for part in opened[1:]:
        part.chmod(stat.S_IMODE(part.stat().st_mode) | 0o055)
    path.chmod(0o444)
    folder.chmod(0o555)
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(65534)  # permissions mean nothing to root
        with Journal(path, writable=False) as journal:
            assert [event.kind for event in journal.events()] == ["create"]
    finally:
        os.seteuid(user)
        for part, mode in zip(opened, modes):
            part.chmod(stat.S_IMODE(mode))
    assert [file.name for file in folder.iterdir()] == ["c"]


def test_a_journal_with_settings_that_no_longer_exist_goes_on_and_says_which(
    tmp_path, model, settings, caplog
):
    """A journal of an earlier version, with method `latent-bo` and settings that are constants now."""
    with Campaign.create(tmp_path / "now", model, settings()) as campaign:
        event = next(campaign._journal.events())
    old = event.payload["settings"]
    old |= {"method": "latent-bo", "n_fingerprint": 4096}
    old["search"]["acquisition"] = {"name": "qlogei", "beta_low": -2.0}
    old["search"] |= {"proposal": {"pcn": 0.2, "step_low": 0.3}, "shares": {"adapt": False}, "n_parents": 60}
    old["search"]["surrogate"] = {"members": [{"name": "plain", "outputscale": 10.0, "n_fit": 20}]}
    journal = Journal(tmp_path / "old")
    journal.append("create", {**event.payload, "settings": old, "given": ["search.proposal.step_low"]})
    journal.close()
    with Campaign.create(tmp_path / "old", model, settings()) as campaign:
        assert (campaign.settings.method, campaign.settings.search.acquisition.name) == ("bo", "logei")
        assert [member.name for member in campaign.settings.search.surrogate.members] == ["plain"]
        assert len(campaign.ask(4)) == 4
    for changed in ("search.proposal.step_low was 0.3", "shares.adapt was False", "members.n_fit was 20"):
        assert changed in caplog.text
    for left in ("pcn", "n_fingerprint", "outputscale", "n_parents"):
        assert left not in caplog.text
    with pytest.raises(ValidationError, match="stride"):
        settings(search={"proposal": {"stride": 1}})
