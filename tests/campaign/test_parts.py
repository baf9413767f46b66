"""An `mpo:` file with an expensive term: it is measured and modeled, everything else is computed."""

import math

import numpy as np
import pytest
import torch
from play import optimize
from potency import Potency

from molvae.campaign.campaign import Campaign
from molvae.campaign.objectives import KnownScores, unfolded
from molvae.campaign.observations import Observation, StartMolecule
from molvae.campaign.runner import run
from molvae.campaign.search.data import composition_of
from molvae.campaign.storage import Journal
from molvae.chemistry.molecule import parse
from molvae.errors import UsageError
from molvae.optimization.surrogates import Belief
from molvae.oracles.base import Score, ask
from molvae.oracles.composite import CompositeOracle
from molvae.oracles.desirability import DesirabilityOracle, falling, rising
from molvae.oracles.parts import taken_apart
from molvae.oracles.plugins import computed_oracle


@pytest.fixture
def mpo(tmp_path):
    """An objective with an expensive part in two terms, one of them nested."""
    (tmp_path / "inner.toml").write_text("terms = ['falling[10,30]:potency', 'qed']\nmean = 'arithmetic'")
    (tmp_path / "mine.toml").write_text(
        "terms = ['rising[2,12]:potency', {score = 'gaussian[2,1]:logp', weight = 3}, "
        f"'mpo:{tmp_path}/inner.toml']"
    )
    return f"mpo:{tmp_path}/mine.toml"


def by_hand(smiles):
    """The same, built from objects."""
    potency = Potency()
    inner = CompositeOracle(
        [DesirabilityOracle(potency, falling(10, 30), "a"), computed_oracle("qed")], "arithmetic"
    )
    terms = [DesirabilityOracle(potency, rising(2, 12), "b"), computed_oracle("gaussian[2,1]:logp"), inner]
    return ask(CompositeOracle(terms, weights=[1, 3, 1]), [parse(text) for text in smiles])


def test_a_whole_is_the_oracle_it_was_taken_from(mpo):
    whole = taken_apart(mpo)
    assert whole.parts == ("potency", "gaussian[2,1]:logp", "qed")
    texts = ["CCO", "c1ccccc1CC", "CC(=O)Nc1ccc(O)cc1"]
    columns = {n: ask(computed_oracle(n), [parse(t) for t in texts]) for n in whole.parts[1:]}
    columns["potency"] = Potency()([parse(text) for text in texts])
    expected = [score.value for score in by_hand(texts)]
    assert [
        whole.score(dict(zip(columns, row, strict=True))).value for row in zip(*columns.values(), strict=True)
    ] == expected
    values = {name: np.array([[score.value for score in scores]]) for name, scores in columns.items()}
    assert whole.values(values).tolist() == [pytest.approx(expected, rel=1e-12)]
    for status in ("above", "failed", "cancelled"):
        score = whole.score({**{n: s[0] for n, s in columns.items()}, "potency": Score(5.0, status)})
        assert not score.is_ok
        assert math.isnan(score.value)


@pytest.mark.parametrize("text", ["qed", "potency", "rising[1,2]:potency.py:score", "osimertinib_mpo"])
def test_computed_or_expensive_objectives_are_not_split(text):
    assert taken_apart(text) is None


@pytest.mark.parametrize("method", ["bo", "cma-es", "mol-ga"])
def test_an_expensive_part_is_asked_once_and_the_rest_computed(tmp_path, model, settings, mpo, method):
    wanted = settings(maximize=[mpo], at_most={"mw": 200.0}, at_least={"potency": 3.0}, method=method)
    potency = Potency()
    with Campaign.create(tmp_path / "c", model, wanted, start=[StartMolecule("CCO", ())]) as campaign:
        assert campaign.asked == ["potency"]
        result = run(campaign, {"potency": potency})
        assert len(potency.asked) == len(set(potency.asked)) == result.n_calls == wanted.budget
        table = campaign.table()
        assert [row.scores[0].value for row in table] == [s.value for s in by_hand([r.smiles for r in table])]
        if method == "bo":
            assert len(campaign.history.state["fits"]["mixed"]) == 1  # the expensive part, once
        before = repr(table)
    with Campaign.open(tmp_path / "c") as again:
        assert repr(again.table()) == before


def test_the_batch_file_asks_for_the_measured_term(tmp_path, model, settings, mpo):
    wanted = settings(maximize=[mpo], budget=12, n_initial=3)
    n_parts = len(unfolded(wanted).objectives)
    start = [StartMolecule(s, (None, float(v))) for s, v in (("CCO", 3), ("CCCCO", 6), ("CCCCCCO", 9))]
    start = [StartMolecule(m.smiles, (*m.scores, *[None] * (n_parts - 2))) for m in start]
    with Campaign.create(tmp_path / "c", model, wanted, start=start) as campaign:
        candidates = campaign.ask(4)
        assert mpo not in candidates.columns
        assert candidates.columns["potency"] == [None] * 4
        assert all(isinstance(value, float) for value in candidates.columns["qed"])
        assert all(0 <= value <= 1 for value in candidates.columns[f"predicted {mpo}"])
        row = tuple(
            Score.ok(7.0) if o.name == "potency" else Score.ok(99.0) for o in campaign.settings.objectives
        )
        campaign.tell([Observation(candidates[0].smiles, row)])
        told = campaign.history.trials[candidates[0].smiles]
        assert 0 < told.scores[0].value < 1
        assert told.complete
        assert told.scores[campaign.history.known.place("qed")].value < 1
        assert campaign.tell([Observation(candidates[0].smiles, row)]).repeated == 1


def test_a_campaign_from_before_parts_were_objectives_goes_on_as_it_was(tmp_path, model, settings, mpo):
    wanted, old = settings(maximize=[mpo], budget=3, n_initial=2), tmp_path / "old"
    with Campaign.create(tmp_path / "new", model, wanted, start=["CCO", "CCN"]):
        pass
    with Journal(tmp_path / "new") as new, Journal(old) as journal:
        payload = next(iter(new.events())).payload
        payload["settings"]["objectives"] = payload["settings"]["objectives"][:1]
        journal.append("create", payload)
    with Campaign.create(old, model, wanted, start=["CCO", "CCN"]) as campaign:
        assert campaign.asked == [mpo]
        campaign.tell([Observation("CCO", (0.5,))])
        assert campaign.best()[0].utility == 0.5


def test_of_what_an_mpo_names_nothing_runs_untrusted_and_misspelled_terms_are_refused(
    tmp_path, model, settings
):
    (tmp_path / "dock.py").write_text("def score(smiles: list[str]):\n    return [1.0 for s in smiles]\n")
    path = tmp_path / "mine.toml"
    path.write_text(f"terms = ['rising[0,2]:{tmp_path}/dock.py:score', 'qed']")
    with pytest.raises(UsageError, match="named by a file and not by you"):
        optimize(model, maximize=[f"mpo:{path}"], output=tmp_path / "c")
    path.write_text("terms = ['rising[0,2]:potency', 'rising[0,1]:QED']")
    with pytest.raises(UsageError, match="'qed' is"):
        Campaign.create(tmp_path / "c", model, settings(maximize=[f"mpo:{path}"]))


def test_the_belief_about_a_whole_agrees_with_draws_of_its_expensive_part(mpo, settings):
    known = KnownScores(unfolded(settings(maximize=[mpo])).objectives)
    assert known.modeled == known.measured == (1,)
    composition = composition_of(known, [lambda goals: goals[..., 0]])
    rest = known.values([parse("CCO"), parse("CCCCO")])
    belief = Belief(
        torch.tensor([[9.0], [25.0]], dtype=torch.float64), torch.tensor([[16.0], [0.0]], dtype=torch.float64)
    )
    goal = composition.belief(belief.beside(torch.from_numpy(rest)), 0)
    draws = np.random.default_rng(0).normal(9.0, 4.0, 200_000)
    names = [known.objectives[j].name for j in known.columns]
    columns = {name: np.full_like(draws, rest[0, k]) for k, name in enumerate(names)} | {"potency": draws}
    expected = known.wholes[0].values(columns)
    assert float(goal.mean[0, 0]) == pytest.approx(expected.mean(), abs=0.01)
    assert float(goal.variance[0, 0]) == pytest.approx(expected.var(), rel=0.1)
    assert float(goal.variance[1, 0]) == pytest.approx(0.0, abs=1e-12)
