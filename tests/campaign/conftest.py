"""A campaign in a small known space, and oracles."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_model import FakeModel
from play import objectives

from molvae.campaign.config import CampaignSettings


@pytest.fixture(scope="session")
def model():
    return FakeModel()


QUICK = 0.15


@pytest.fixture(scope="session")
def quick():
    return QUICK


@pytest.fixture(autouse=True)
def few_candidates(monkeypatch):
    """Few candidates, so that TuRBO is fast."""
    monkeypatch.setattr("molvae.campaign.search.baselines.N_CANDIDATES", 200)


@pytest.fixture
def settings():
    def make(*, maximize=("qed",), minimize=(), at_most=None, at_least=None, **changes):
        wanted = objectives(maximize=maximize, minimize=minimize, at_most=at_most, at_least=at_least)
        defaults = {"budget": 24, "q": 4, "n_initial": 8, "effort": QUICK, "sources": {"latent": 1}}
        return CampaignSettings(objectives=wanted, **(defaults | changes))

    return make
