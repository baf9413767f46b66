"""Computed objectives are known for every molecule: never awaited, charged or modeled."""

import numpy as np
import pytest
import torch
from play import optimize
from potency import Potency

from molvae.campaign.campaign import Campaign
from molvae.campaign.observations import Observation, StartMolecule
from molvae.campaign.runner import run
from molvae.campaign.search.base import METHODS
from molvae.chemistry.descriptors import describe
from molvae.chemistry.molecule import parse
from molvae.chemistry.substructure import contains, core_pattern
from molvae.errors import UsageError
from molvae.optimization.acquisition import Composition
from molvae.optimization.surrogates import Belief
from molvae.oracles.base import Score

START = ["CCCCCCCCCC", "c1ccccc1CC", "CCO", "OCCO", "c1ccccc1CCC", "CC(=O)O"]


def logp(smiles):
    return describe(parse(smiles), ["logp"])[0]


def test_a_computed_objective_is_filled_in_and_never_awaited(tmp_path, model, settings):
    wanted = settings(maximize=["potency"], at_most={"logp": 3.0}, budget=6, n_initial=2)
    start = [StartMolecule("CCO", (5.0, None)), StartMolecule("c1ccccc1CC", (6.0, 77.0)), "CCN"]
    with Campaign.create(tmp_path / "c", model, wanted, start=start) as campaign:
        assert [row.scores[1].value for row in campaign.table()] == [logp("CCO"), logp("CCc1ccccc1")]
        assert [row.smiles for row in campaign.best()] == ["CCc1ccccc1", "CCO"]
        asked = campaign.ask(3)
        assert campaign.n_calls == 0
        assert campaign.remaining == 3
        told = [Observation(c.smiles, (Score.ok(1.0), None), c.identifier) for c in asked[:2]]
        odd = Observation("CCCO", (Score.ok(2.0), Score.ok(99.0)))  # not asked for, and wrong about logP
        assert campaign.tell([*told, odd]).charged == 2
        assert [c.identifier for c in campaign.pending] == [asked[2].identifier]
        before = repr(campaign.table())  # NaN is not equal to itself
    with Campaign.open(tmp_path / "c") as again:
        assert repr(again.table()) == before
        assert all(row.scores[1].value == logp(row.smiles) for row in again.table())


@pytest.mark.parametrize("method", METHODS.names())
def test_molecules_outside_computed_bounds_never_reach_the_oracle(tmp_path, model, settings, method):
    wanted = settings(maximize=["potency"], at_most={"logp": 1.5}, at_least={"logp": 0.0}, method=method)
    potency = Potency()
    with Campaign.create(tmp_path / "c", model, wanted, start=START) as campaign:
        result = run(campaign, {"potency": potency})
        assert result.n_calls == len(potency.asked) == wanted.budget
        assert all(0.0 <= logp(smiles) <= 1.5 for smiles in potency.asked)
        assert campaign.turned_away


def test_computed_goals_are_charged_like_an_expensive_one(tmp_path, model, quick):
    result = optimize(
        model, maximize=["qed"], at_least={"logp": 0.5}, budget=12, q=4, effort=quick, output=tmp_path / "c"
    )
    assert result.n_calls == 12
    assert min(row.scores[1].value for row in result.table) >= 0.5


def test_bounds_no_draw_meets_are_walked_to_without_a_call(tmp_path, model, settings):
    heaviest = max(describe(molecule, ["mw"])[0] for molecule in model.molecules)
    wanted = settings(maximize=["potency"], at_least={"mw": heaviest + 60}, sources={"graph": 1}, n_initial=4)
    with Campaign.create(tmp_path / "c", model, wanted) as campaign:
        candidates = campaign.ask(4)
        assert len(candidates) == 4
        assert all(describe(parse(c.smiles), ["mw"])[0] >= heaviest + 60 for c in candidates)


@pytest.mark.parametrize("core", ["c1ccccc1", "[*:1]c1ccccc1", "C#N", "[*:1]S(N)(=O)=O"])
@pytest.mark.parametrize("method", ["bo", "mol-ga", "prior"])
def test_every_candidate_contains_the_core(tmp_path, model, quick, core, method):
    potency = Potency()
    result = optimize(
        model, maximize=["potency"], keep=[core], budget=14, q=5, n_initial=4, start=START, method=method,
        effort=quick, output=tmp_path / "c", oracles={"potency": potency},
    )  # fmt: skip
    assert result.n_calls == len(potency.asked) > 5
    assert all(contains(parse(smiles), core_pattern(core)) for smiles in potency.asked)


@pytest.mark.parametrize("method", ["bo", "mol-ga"])
def test_a_core_that_no_draw_and_no_start_molecule_has_is_grown(tmp_path, model, quick, method):
    potency, core = Potency(), "[*:1]N1CCSCC1"
    optimize(
        model, maximize=["potency"], keep=[core], budget=14, q=5, n_initial=4, start=START, method=method,
        effort=quick, output=tmp_path / "c", oracles={"potency": potency},
    )  # fmt: skip
    assert len(potency.asked) > 5
    assert all(contains(parse(smiles), core_pattern(core)) for smiles in potency.asked)


def test_where_nothing_is_within_the_bounds_the_search_ends_and_says_which(tmp_path, model, settings):
    wanted = settings(maximize=["potency"], at_least={"substructure:[Si]": 1.0}, budget=5)
    with Campaign.create(tmp_path / "c", model, wanted, start=START) as campaign:
        assert run(campaign, {"potency": Potency()}).n_calls == 0
        assert list(campaign.turned_away) == ["substructure:[Si] at least 1"]
        assert campaign.turned_away["substructure:[Si] at least 1"] > 100


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"at_least": {"qed": 1.2}}, "qed goes from 0 to 1"),
        ({"at_most": {"sa": 0.5}}, "sa goes from 1 to 10"),
        ({"at_most": {"mw": -1.0}}, "mw goes from 0"),
        ({"at_least": {"similarity:CCO": 1.01}}, "goes from 0 to 1"),
        ({"at_least": {"falling[3,4]:logp": 2.0}}, "goes from 0 to 1"),
        ({"at_least": {"osimertinib_mpo": 2.0}}, "goes from 0 to 1"),
        ({"at_least": {"substructure:c1cc": 1.0}}, "not a SMARTS"),
        ({"at_least": {"similarity:nonsense": 0.4}}, "is not a molecule"),
        ({"at_least": {"QED": 0.5}}, "'qed' is"),
        ({"at_least": {"Similarity:CCO": 0.5}}, "'similarity' is"),
        ({"at_least": {"between[1,3,0.5]:LogD": 0.5}}, "does not compute"),
    ],
)
def test_unsatisfiable_bounds_are_rejected_at_the_start(tmp_path, model, settings, words, complaint):
    with pytest.raises(UsageError, match=complaint):
        Campaign.create(tmp_path / "c", model, settings(maximize=["potency"], **words))
    assert not (tmp_path / "c").exists()


def test_an_empty_window_is_rejected(settings):
    with pytest.raises(ValueError, match="at least 3 and at most 2"):
        settings(maximize=["potency"], at_least={"LogD": 3.0}, at_most={"LogD": 2.0})
    assert settings(maximize=["potency"], at_least={"LogD": 2.0}, at_most={"LogD": 2.0})


def test_an_oracle_cannot_be_given_for_what_is_computed(tmp_path, model, quick):
    with pytest.raises(UsageError, match="computed by molvae"):
        optimize(
            model,
            maximize=["potency"],
            at_most={"logp": 3.0},
            oracles={"potency": Potency(), "logp": Potency()},
            effort=quick,
            output=tmp_path / "c",
        )


def test_excess_over_bounds_is_zero_within_and_grows_outside(tmp_path, model, settings):
    wanted = settings(maximize=["potency"], at_most={"heavy_atoms": 3.0})
    with Campaign.create(tmp_path / "c", model, wanted) as campaign:
        excess = campaign.history.known.excess([parse(text) for text in ("CC", "CCO", "CCCO", "CCCCCO")])
    assert excess[:2].tolist() == [0.0, 0.0]
    assert np.all(np.diff(excess[1:]) > 0)


@pytest.mark.parametrize("method", ["ucb", "logei", "thompson"])
def test_a_goal_that_is_computed_enters_exactly(tmp_path, model, settings, method):
    search = {"acquisition": {"name": method}}
    wanted = settings(maximize=["potency"], minimize=["mw"], at_most={"logp": 2.0}, search=search, budget=30)
    potency = Potency()
    with Campaign.create(tmp_path / "c", model, wanted) as campaign:
        run(campaign, {"potency": potency})
        assert len(potency.asked) == campaign.n_calls == 30
        assert len(campaign.history.state["fits"]["mixed"]) == 1  # one output is modeled, the potency
        masses = [describe(parse(row.smiles), ["mw"])[0] for row in campaign.table()]
        assert [row.scores[1].value for row in campaign.table()] == pytest.approx(masses)


def test_draws_of_a_composition_give_the_moments_of_what_they_are_put_together_to():
    mean = torch.tensor([[1.0, 5.0], [2.0, -1.0]], dtype=torch.float64)
    belief = Belief(mean[:, :1], torch.tensor([[0.25], [4.0]], dtype=torch.float64)).beside(mean[:, 1:])
    both = Composition((0, 1), (lambda y: 2 * y[..., 0] + y[..., 1], lambda y: y[..., 1]))
    goal = both.belief(belief, 0)
    assert goal.mean[:, 0].tolist() == pytest.approx([7.0, 3.0], abs=0.1)
    assert goal.variance[:, 0].tolist() == pytest.approx([1.0, 16.0], rel=0.1)
    assert both.belief(belief, 1).variance.tolist() == [[0.0], [0.0]]


def test_a_measured_molecule_is_not_asked_for_in_another_stereochemistry(tmp_path, model, settings):
    start = [StartMolecule("C[C@H](N)c1ccccc1", (1.0,)), StartMolecule("CC(O)CC", (2.0,)), "CC[C@H](C)O"]
    with Campaign.create(tmp_path / "c", model, settings(maximize=["potency"]), start=start) as campaign:
        acceptable = campaign._situation().acceptable
        assert acceptable(parse("CC(N)c1ccccc1")) is None
        assert acceptable(parse("C[C@@H](N)c1ccccc1")) is None
        assert acceptable(parse("CC[C@@H](C)O")) is None
        assert acceptable(parse("CC[C@H](C)O")) is not None  # which the user has brought
        assert acceptable(parse("C[C@H](N)CC")) is not None
