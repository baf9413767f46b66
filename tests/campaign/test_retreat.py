"""Exhausted basins are left and opened again; equal scores are not optimized."""

from dataclasses import asdict

import numpy as np
import pytest

from molvae.campaign.campaign import Campaign
from molvae.campaign.observations import Observation
from molvae.campaign.search.base import Situation
from molvae.campaign.search.retreat import Retreat
from molvae.chemistry.molecule import canonical
from molvae.oracles.base import Score

BASIN = [canonical("c1ccccc1" + "C" * n + "O") for n in range(1, 13)]  # twelve that are alike
_OTHERS = ["C1CCNCC1", "N#CCS", "O=C(O)CC(F)F", "CC(=O)NN", "ClC=CCl", "c1ccsc1", "C1CC1", "OCC(O)CO"]
ELSEWHERE = [canonical(smiles) for smiles in _OTHERS]
QUICK = 0.04


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    for name, value in {"PATIENCE": 4, "N_BATCHES": 1, "APART": 0.3}.items():
        monkeypatch.setattr(f"molvae.campaign.search.retreat.{name}", value)


@pytest.fixture
def told(tmp_path, model, settings):
    """A campaign with measured molecules of these scores, and its situation."""
    opened = []

    def make(scores, **changes):
        wanted = settings(budget=60, n_initial=len(scores), effort=QUICK, **changes)
        campaign = Campaign.create(tmp_path / "c", model, wanted, start=list(scores))
        opened.append(campaign)
        for candidate in campaign.ask(len(scores)):
            score = Score.ok(scores[candidate.smiles])
            campaign.tell([Observation(candidate.smiles, (score,), candidate.identifier)])
        return campaign, Situation(campaign.history, model, campaign._features, campaign._seeds)

    yield make
    for campaign in opened:
        campaign.close()


def basin_and_more():
    """The basin has the best scores; its twelfth molecule is the best of all."""
    high = {smiles: 1.0 + 0.01 * n for n, smiles in enumerate(BASIN)}
    return high | {smiles: 0.1 * n for n, smiles in enumerate(ELSEWHERE)}


def settle(situation, kept, n=1):
    situation.history.state = {"retreat": asdict(kept)}
    return Retreat.settle(situation, n)


def test_the_best_molecule_of_a_stale_basin_becomes_a_center(told):
    _, situation = told(basin_and_more())
    n = len(situation.history.evaluated)
    fresh = settle(situation, Retreat(bars=(1.02, 1.02), stale=3, settled=n))
    assert fresh.centers == ()
    left = settle(situation, Retreat(bars=(1.02, 1.02), stale=4, settled=n))
    assert left.centers == (BASIN[-1],)
    assert left.stale == 0
    assert left.bars[0] is None  # fewer than ten stand elsewhere
    assert left.bars[1] == pytest.approx(1.02)  # the tenth of all


def test_a_center_excludes_similar_molecules_only(told):
    _, situation = told(basin_and_more())
    near = Retreat(centers=(BASIN[-1],)).near(situation.features, [*BASIN[4:], *ELSEWHERE])
    assert near.tolist() == [True] * len(BASIN[4:]) + [False] * len(ELSEWHERE)


def test_a_hit_in_a_basin_that_was_left_opens_it_again(told):
    scores = basin_and_more()
    _, situation = told(scores)
    n = len(situation.history.evaluated)
    last = situation.history.evaluated[-1]
    for bar, centers in ((9.0, (BASIN[-1],)), (-1.0, ())):
        kept = Retreat(centers=(BASIN[-1],), bars=(9.0, bar), settled=n - 1)
        situation.history.trials[last.smiles].scores = [Score.ok(1.5)]
        if last.smiles in BASIN[4:]:
            assert settle(situation, kept).centers == centers


def test_all_basins_are_open_again_once_enough_were_left(told):
    _, situation = told(basin_and_more())
    n = len(situation.history.evaluated)
    kept = Retreat(centers=(BASIN[-1], ELSEWHERE[0]), bars=(0.0, 9.0), stale=4, settled=n)
    opened = settle(situation, kept)
    assert opened.centers == ()
    assert opened.bars[0] == opened.bars[1]


def test_every_other_batch_stays_away(told):
    campaign, situation = told(basin_and_more(), sources={"graph": 1.0})
    kept = Retreat(centers=(BASIN[-1],), bars=(9.0, 9.0), settled=len(situation.history.evaluated))
    for _ in range(2):
        campaign.history.state = {**campaign.history.state, "retreat": asdict(kept)}
        away = campaign.history.n_asks % 2 == 1
        names = [candidate.smiles for candidate in campaign.ask(3)]
        near = kept.near(situation.features, names)
        assert not (away and near.any())
        campaign.tell([Observation(smiles, (Score.ok(0.0),)) for smiles in names])


def test_equal_scores_are_answered_by_library_and_prior(told):
    campaign, _ = told(dict.fromkeys(ELSEWHERE, 0.0), sources={"latent": 0.5, "library": 0.5})
    assert {candidate.source for candidate in campaign.ask(4)} == {"prior"}  # the library is used up
    assert np.isnan([trial.values[0] for trial in campaign.history.pending]).all()
