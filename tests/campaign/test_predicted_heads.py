"""Predictions of property heads as objectives, known for every molecule."""

import numpy as np
import pytest
from fake_model import FakeModel
from play import optimize

from molvae.campaign.campaign import Campaign
from molvae.campaign.observations import Observation, StartMolecule
from molvae.campaign.runner import run
from molvae.chemistry.molecule import parse
from molvae.errors import UnknownNameError
from molvae.latent.prediction import PropertyPrediction
from molvae.oracles.functions import FunctionOracle
from molvae.oracles.heads import Heads
from molvae.oracles.plugins import computed_oracle


class WithHeads(FakeModel):
    """Predicts the length of a SMILES and its number of nitrogens."""

    property_names = ("length", "nitrogens")

    def predict(self, molecules):
        mean = np.array([[len(m.smiles), m.smiles.upper().count("N")] for m in molecules], dtype=np.float64)
        return PropertyPrediction(self.property_names, mean, np.ones_like(mean))


@pytest.fixture(scope="module")
def heads():
    return WithHeads()


def lengths(rows):
    return [len(row.smiles) for row in rows]


def test_a_head_is_known_as_bound_and_goal_and_never_awaited(tmp_path, heads, settings):
    wanted = settings(
        maximize=["potency", "predicted_nitrogens"],
        at_most={"predicted_length": 11.0},
        at_least={"qed": 0.1},
        budget=12,
        n_initial=6,
    )
    asked = []

    def potency(smiles: str) -> float:
        asked.append(smiles)
        return float(len(smiles))

    start = [StartMolecule("CCO", (3.0, None, None, None)), "c1ccccc1CCCCCCCCC"]
    with Campaign.create(tmp_path / "c", heads, wanted, start=start) as campaign:
        assert campaign.asked == ["potency"]
        result = run(campaign, {"potency": FunctionOracle(potency, "potency")})
        assert result.n_calls == len(asked) == wanted.budget
        assert max(map(len, asked)) <= 11
        table = campaign.table()
        assert [row.scores[2].value for row in table] == lengths(table)
        assert len(campaign.history.state["fits"]["mixed"]) == 1
        campaign.tell([Observation("CCCCCCN", (1.0, None, None, None))])
        before = repr(campaign.table())
    with Campaign.open(tmp_path / "c") as looked_at:  # nobody needs the model to read what was computed
        assert repr(looked_at.table()) == before
        assert looked_at.predict(["CCN"])[0].probability is None
        looked_at.tell([Observation("CCCN", (1.0, None, None, None))])
    with Campaign.open(tmp_path / "c", heads) as again:
        assert again.history.trials["CCCN"].scores[2].value == 4.0
        assert again.predict(["CCN"])[0].mean[2] == 3.0


def test_heads_alone_are_charged_like_any_goal_that_is_computed(tmp_path, heads, quick):
    words = {"maximize": ["rising[3,20]:predicted_length"], "budget": 12, "q": 4, "effort": quick}
    result = optimize(heads, **words, output=tmp_path / "c")
    assert result.n_calls == 12
    assert [row.scores[0].value for row in result.table] == pytest.approx(
        [min(max((n - 3) / 17, 0), 1) for n in lengths(result.table)]
    )


def test_an_unknown_head_is_an_error_that_lists_the_known_ones(tmp_path, heads, model, settings):
    wanted = settings(maximize=["potency"], at_most={"predicted_lenght": 3.0})
    with pytest.raises(UnknownNameError, match="did you mean 'predicted_length'") as refused:
        Campaign.create(tmp_path / "c", heads, wanted)
    assert "predicted_length, predicted_nitrogens" in refused.value.hint
    with pytest.raises(UnknownNameError, match="does not predict"):
        Campaign.create(tmp_path / "c", model, wanted)
    assert not (tmp_path / "c").exists()


def test_heads_predict_each_molecule_once_and_need_a_model():
    seen = []

    class Counted(WithHeads):
        def predict(self, molecules):
            seen.extend(molecules)
            return super().predict(molecules)

    found = Heads(Counted())
    molecules = [parse("CCO"), parse("CCN"), parse("CCO")]
    texts = ("predicted_length", "falling[0,2]:predicted_nitrogens")
    oracles = [computed_oracle(text, found) for text in texts]
    assert [score.value for score in oracles[0](molecules)] == [3.0, 3.0, 3.0]
    assert [score.value for score in oracles[1](molecules)] == [1.0, 0.5, 1.0]
    assert len(seen) == 2
    assert computed_oracle("predicted_length")(molecules[:1])[0].status == "skipped"
