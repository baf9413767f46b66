"""The search within a batch: selection of parents, and candidates reserved for the next batch."""

from __future__ import annotations

import numpy as np
import pytest

from molvae.campaign.campaign import Campaign
from molvae.campaign.config import CampaignSettings
from molvae.campaign.molecules import flat
from molvae.campaign.observations import Observation, StartMolecule
from molvae.campaign.search import bo, design
from molvae.campaign.search.base import SOURCES, Draft, Offspring
from molvae.chemistry.molecule import Invalid, canonical, parse
from molvae.oracles.base import Score
from molvae.oracles.config import Objective

CHAINS = [canonical("N" + "C" * n + "O") for n in range(2, 14)]  # longer is better
RINGS = [canonical(f"{core}C(=O)O") for core in ("c1ccccc1", "c1ccncc1", "C1CCCCC1", "c1ccsc1", "C1CCNCC1")]
NEW = [
    canonical(smiles) for smiles in ("NCC(F)CO", "NCC(Cl)CO", "NCC(C)CCO", "CNCCCO", "OCCCCNC", "NC1CC1CO")
]


class Scribe:
    """A source that records its parents and returns given offspring."""

    moves = {"write": 1.0}  # noqa: RUF012 - the protocol wants a mapping

    def __init__(self):
        self.seen, self.makes = [], []

    def offspring(self, parents, counts, generator):
        del generator
        self.seen.append(list(parents.smiles))
        n, first = sum(counts.values()), parents.smiles[0]
        made = [Offspring(parse(text), "write", first) for text in self.makes[:n]]
        return made + [Offspring(Invalid("", "no idea"), "write", first)] * (n - len(made))


@pytest.fixture
def begun(tmp_path, model, settings, monkeypatch):
    """A campaign with a `Scribe` and these scores (one per objective) of its start; and the `Scribe`."""
    scribe, opened = Scribe(), []
    monkeypatch.setitem(SOURCES._entries, "scribe", lambda *_: scribe)

    def make(scores, n_parents, **changes):
        monkeypatch.setattr(bo, "N_PARENTS", n_parents)
        monkeypatch.setattr(bo, "N_GENERATIONS", 1)
        wanted = {"budget": 60, "n_initial": len(scores), "sources": {"scribe": 1.0}}
        wanted |= changes
        campaign = Campaign.create(tmp_path / "c", model, settings(**wanted), start=list(scores))
        opened.append(campaign)
        for candidate in campaign.ask(len(scores)):
            told = tuple(Score.ok(value) for value in np.atleast_1d(scores[candidate.smiles]))
            campaign.tell([Observation(candidate.smiles, told, candidate.identifier)])
        return campaign, scribe

    yield make
    for campaign in opened:
        campaign.close()


def test_the_best_molecules_breed(begun):
    campaign, scribe = begun({smiles: float(n) for n, smiles in enumerate(CHAINS)}, 3, maximize=("length",))
    campaign.ask(2)
    assert set(scribe.seen[0]) <= set(CHAINS[-5:])
    assert CHAINS[-1] in scribe.seen[0]


def test_molecules_outside_the_bounds_breed_only_where_there_is_nothing_better(begun):
    chains = {smiles: (10.0 + n, 1.0) for n, smiles in enumerate(CHAINS)}
    rings = {smiles: (float(n), -1.0) for n, smiles in enumerate(RINGS)}
    campaign, scribe = begun({**chains, **rings}, 1, maximize=("size",), at_most={"harm": 0.0})
    campaign.ask(2)
    assert set(scribe.seen[0]) <= set(RINGS)


def test_what_is_left_over_stands_for_the_next_batch(begun):
    campaign, scribe = begun({smiles: float(n) for n, smiles in enumerate(CHAINS)}, 9, maximize=("length",))
    scribe.makes = NEW
    first = [candidate.smiles for candidate in campaign.ask(2)]
    scribe.makes = []
    second = campaign.ask(2)
    assert {candidate.source for candidate in second} == {"write"}
    assert {candidate.smiles for candidate in second} < set(NEW) - set(first)


def test_what_is_left_over_is_no_stereoisomer_of_a_measured_molecule(begun):
    campaign, scribe = begun({smiles: float(n) for n, smiles in enumerate(CHAINS)}, 9, maximize=("length",))
    scribe.makes = [f"{center}{rest}" for rest in ("(N)CCCO", "(F)CCCCO") for center in ("C[C@H]", "C[C@@H]")]
    first = [flat(candidate.smiles) for candidate in campaign.ask(2)]
    assert sorted(first) == sorted(map(canonical, ("CC(N)CCCO", "CC(F)CCCCO")))
    scribe.makes = []
    assert not {flat(candidate.smiles) for candidate in campaign.ask(2)} & set(first)


def test_the_search_goes_on_while_bounds_refuse_most_offspring(begun):
    scores = {smiles: float(n) for n, smiles in enumerate(CHAINS)}
    campaign, scribe = begun(scores, 9, maximize=("length",), effort=0.1)
    scribe.makes = NEW
    campaign.ask(2)
    assert len(scribe.seen) == 1
    scribe.makes = []
    scribe.seen.clear()
    campaign.ask(2)  # the reserve of the first batch is there, but nothing is new
    assert len(scribe.seen) == 4


def test_the_first_molecules_within_bounds_are_unlike_one_another_and_the_start(tmp_path, model, settings):
    start = [StartMolecule("CCCCCCO", (1.0,))]
    with Campaign.create(tmp_path / "c", model, settings(maximize=["potency"]), start=start) as campaign:
        texts = ["CCCCCCCO", "CCCCCO", "Oc1ccccc1", "OCc1ccccc1", "CCCCCCCCO"]
        drafts = [Draft(canonical(text), "write") for text in texts]
        chosen = [draft.smiles for draft in design._varied(campaign._situation(), drafts, 3)]
    assert ["c1" in smiles for smiles in chosen] == [True, True, False]
    assert len(design._varied(campaign._situation(), drafts, 9)) == 5


@pytest.mark.parametrize(
    ("names", "effort", "proposed"),
    [
        (["qed", "logp"], None, 120),
        (["qed", "docking[vina]:DRD2"], None, 480),
        (["gaussian[-9,1]:docking[vina,exhaustiveness=1]:receptor.pdbqt@0,0,0,20"], None, 480),
        (["docking[vina]:DRD2"], 1.0, 120),
        (["qed"], 0.5, 60),
        (["qed"], 0.001, 1),
    ],
)
def test_a_docking_score_deserves_more_work_on_a_batch(names, effort, proposed):
    objectives = tuple(Objective(name=name) for name in names)
    assert CampaignSettings(objectives=objectives, effort=effort).n_offspring(8) == proposed
