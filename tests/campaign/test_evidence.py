"""Outliers, bounds, replicates and units in a search."""

import numpy as np
import pytest
import torch

from molvae.campaign.campaign import Campaign
from molvae.campaign.observations import Observation, StartMolecule
from molvae.campaign.search.data import training_data
from molvae.campaign.search.evidence import Tails, doubts, is_high_good, tails_of, tamed, usable_bound
from molvae.campaign.table import Row
from molvae.oracles.base import Score
from molvae.oracles.config import Objective


def worth(molecule):
    return molecule.mol.GetNumHeavyAtoms() + molecule.smiles.count("N") / 2


def play(path, model, settings, scale=1.0, rounds=3, **changes):
    start = [StartMolecule(m.smiles, (scale * worth(m),)) for m in model.molecules[:30]]
    truth = {m.smiles: worth(m) for m in model.molecules}
    asked = []
    with Campaign.create(path, model, settings(budget=60, **changes), start=start) as campaign:
        for _ in range(rounds):
            batch = campaign.ask(4)
            asked += [c.smiles for c in batch]
            campaign.tell([Observation(c.smiles, (scale * truth[c.smiles],), c.identifier) for c in batch])
    return asked


def test_units_of_a_score_do_not_matter(tmp_path, model, settings):
    plain = play(tmp_path / "a", model, settings)
    assert play(tmp_path / "b", model, settings, 2.0**-30) == plain
    assert play(tmp_path / "c", model, settings, 2.0**30) == plain


def test_one_far_score_costs_a_batch_and_not_the_campaign(tmp_path, model, settings):
    """An outlier in the start data is reported, and loses its effect once better molecules are measured."""
    start = [StartMolecule(m.smiles, (worth(m),)) for m in model.molecules[:30]]
    wrong = StartMolecule(model.molecules[60].smiles, (500.0,), "typo")
    truth = {m.smiles: worth(m) for m in model.molecules}
    means, said = [], []
    for name, molecules in (("plain", start), ("odd", [*start, wrong])):
        found = []
        for seed in (1, 2):
            wanted = settings(seed=seed, budget=80, effort=1.0)
            with Campaign.create(tmp_path / f"{name}{seed}", model, wanted, start=molecules) as c:
                said.append(doubts(c.table(), c.settings.objectives))
                for _ in range(4):
                    batch = c.ask(4)
                    c.tell([Observation(m.smiles, (Score.ok(truth[m.smiles]),), m.identifier) for m in batch])
            found += [truth[candidate.smiles] for candidate in batch]
        means.append(sum(found) / len(found))
    assert means[1] > means[0] - 0.5
    assert said[:2] == [[], []]
    assert said[2][0].startswith("check qed of typo: 500 is far from all others (7 to 12)")


def test_bounds_and_replicates_reach_the_surrogate(tmp_path, model, settings):
    from molvae.campaign.search.base import Situation

    start = [StartMolecule(m.smiles, (worth(m),)) for m in model.molecules[:12]]
    start += [StartMolecule(model.molecules[20].smiles, (Score(9.0, "above"),))]
    start += [StartMolecule(model.molecules[0].smiles, (worth(model.molecules[0]) + 0.5,))] * 4
    wanted = settings(minimize=("tpsa",), maximize=())
    with Campaign.create(tmp_path / "c", model, wanted, start=start) as campaign:
        situation = Situation(campaign.history, model, campaign._features, campaign._seeds)
        data = training_data(situation, campaign._seeds.torch("x"))
        row = data.smiles.index(model.molecules[20].smiles)
        assert data.y[row].isnan().all()
        assert float(data.evidence.upper[row, 0]) == -9.0, "above a bound, where less is better"
        assert float(data.evidence.counts[data.smiles.index(model.molecules[0].smiles), 0]) == 5.0
        assert float(data.evidence.noise[0]) == pytest.approx(0.05)
        assert model.molecules[20].smiles not in {c.smiles for c in campaign.ask(20)}


@pytest.mark.parametrize(
    ("direction", "status", "bound", "used"),
    [
        ("maximize", "above", 1e4, None),  # an IC50 among pIC50s
        ("maximize", "below", 5.0, 5.0),
        ("maximize", "above", 8.5, 8.5),
        ("minimize", "above", 1e4, 8.0),  # worse than all
        ("minimize", "below", -1e4, None),
        ("maximize", "below", 1e4, None),  # says nothing
        ("at_least", "above", 1e4, None),
    ],
)
def test_a_bound_that_is_too_good_is_not_believed(direction, status, bound, used):
    objective = Objective(name="x", direction=direction, bound=6.0 if direction == "at_least" else None)
    tails = Tails.fit(torch.linspace(4.0, 8.0, 30).double(), high_is_good=is_high_good(objective))
    assert usable_bound(Score(bound, status), objective, tails) == used
    scores = [Score.ok(4.0 + n / 8) for n in range(33)] + [Score(bound, status)]
    table = [Row(f"m{n}", (score,), 0.0, True, "known", None, None, None) for n, score in enumerate(scores)]
    said = doubts(table, [objective])
    assert bool(said) == (used is None and (direction, status) != ("maximize", "below"))
    assert not said or "another unit" in said[0]


class TestTails:
    DOCKED = np.linspace(-10.0, 0.0, 50)

    @pytest.mark.parametrize("odd", [[-357.8], [-1000.0] * 6, [999.0] * 5, [1e30], [-1e6, -1e5, -3e5]])
    @pytest.mark.parametrize("high_is_good", [True, False])
    def test_far_scores_keep_their_rank_and_end_near_the_others(self, odd, high_is_good):
        if len(set(odd)) > 1 and not high_is_good:
            pytest.skip("several different good scores are a discovery")
        y = torch.from_numpy(np.array([*self.DOCKED, *odd]))
        tails = Tails.fit(y, high_is_good=high_is_good)
        tamed = tails.tamed(y)
        assert torch.equal(tamed[:50], y[:50])
        assert torch.equal(torch.argsort(tamed, stable=True), torch.argsort(y, stable=True))
        assert float(tamed.max() - tamed.min()) <= 20.0
        assert (tails.tamed(y) != y).tolist() == [False] * 50 + [True] * len(odd)

    @pytest.mark.parametrize(
        "y",
        [
            np.random.default_rng(0).standard_normal(200),
            np.random.default_rng(0).lognormal(0, 3, 200),
            [0.0] * 40 + [0.2, 0.5],
            [1e-6 * k for k in range(50)] + [0.2, 0.3],
            [5.0] * 30,
            [1.0, 2.0, 900.0],
        ],
        ids=["normal", "lognormal", "first hits", "discoveries", "constant", "few"],
    )
    def test_ordinary_scores_stay_as_they_are(self, y):
        y = torch.tensor(np.array(y))
        assert torch.equal(Tails.fit(y, high_is_good=True).tamed(y), y)

    @pytest.mark.parametrize("power", [-30, 30])
    def test_units_do_not_matter(self, power):
        y = torch.from_numpy(np.array([*self.DOCKED, -357.8]))
        tamed, scaled = Tails.fit(y, high_is_good=True).tamed(y), y * 2.0**power
        assert torch.equal(Tails.fit(scaled, high_is_good=True).tamed(scaled), tamed * 2.0**power)


def test_a_bound_is_compared_in_double_precision():
    scores = np.arange(21)[:, None] / 20  # 6 / 20 is 0.3
    wanted = [Objective(name="x", direction="at_least", bound=0.3)]
    values, (moved,) = tamed(scores, wanted, tails_of(scores, wanted))
    assert moved.bound == 0.3
    assert (values[:, 0] >= moved.bound).sum() == (scores[:, 0] >= 0.3).sum()
