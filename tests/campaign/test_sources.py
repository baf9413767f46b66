"""The contract of proposal sources; the shares of sources adapt and are stored."""

import json
from collections import Counter
from dataclasses import asdict

import numpy as np
import pytest

from molvae.campaign.campaign import Campaign
from molvae.campaign.observations import Observation
from molvae.campaign.search.base import SOURCES, Draft, Offspring, Parents, Situation
from molvae.campaign.search.mix import FLOOR, Mix, MoveRecord, Shares, allotted
from molvae.chemistry.filters import filter_reasons
from molvae.chemistry.molecule import Invalid, is_valid, parse
from molvae.chemistry.substructure import murcko_scaffold
from molvae.errors import UnknownNameError
from molvae.oracles.base import Score

NAMES = ["latent", "graph", "library"]
LIBRARY = ("CCOc1ccccc1", "CC(=O)Nc1ccc(O)cc1", "c1ccc2[nH]ccc2c1", "OC1CCNCC1", "CC(C)Cc1ccccc1")


@pytest.fixture
def situation(tmp_path, model, settings):
    wanted = settings(n_initial=4, sources={"latent": 0.5, "graph": 0.4, "library": 0.1})
    start = [molecule.smiles for molecule in model.molecules[:4]] + list(LIBRARY)
    with Campaign.create(tmp_path / "c", model, wanted, start=start) as campaign:
        for candidate in campaign.ask(4):
            campaign.tell([Observation(candidate.smiles, (Score.ok(float(len(candidate.smiles))),))])
        yield Situation(campaign.history, model, campaign._features, campaign._seeds)


@pytest.fixture
def parents(model):
    chosen = model.molecules[10:18]
    return Parents([molecule.smiles for molecule in chosen], np.arange(len(chosen), dtype=float))


def attempts_of(name, situation, parents, n=24, seed=0, widening=1.0):
    source = SOURCES.get(name)(situation, situation.latents(), widening)
    shares = {move: share for move, share in source.moves.items() if share > 0}
    total = sum(shares.values())
    counts = allotted({move: share / total for move, share in shares.items()}, n, np.random.default_rng(1))
    return counts, source.offspring(parents, counts, np.random.default_rng(seed))


def bred(mix, parents, n, generator):
    attempts = []
    for source, counts in mix.plan(n, generator):
        attempts += source.offspring(parents, counts, generator)
    return attempts


@pytest.mark.parametrize("name", NAMES)
class TestContract:
    def test_as_many_attempts_of_each_move_as_asked(self, situation, parents, name):
        counts, attempts = attempts_of(name, situation, parents)
        made = [attempt.move for attempt in attempts]
        assert {move: made.count(move) for move in counts} == counts
        assert sum(counts.values()) == 24
        assert all(isinstance(attempt, Offspring) for attempt in attempts)

    def test_molecules_are_canonical_and_parents_are_named(self, situation, parents, name):
        _, attempts = attempts_of(name, situation, parents)
        valid = [attempt.molecule for attempt in attempts if is_valid(attempt.molecule)]
        assert valid
        assert all(parse(molecule.smiles).smiles == molecule.smiles for molecule in valid)
        assert all(isinstance(a.molecule, Invalid) for a in attempts if not is_valid(a.molecule))
        made_of = {a.parent for a in attempts if a.move not in {"prior", "library"}}
        assert made_of <= set(parents.smiles)
        assert all(a.parent is None for a in attempts if a.move in {"prior", "library"})

    def test_the_generator_decides(self, situation, parents, name):
        def texts(seed):
            return [
                getattr(a.molecule, "smiles", None)
                for a in attempts_of(name, situation, parents, seed=seed)[1]
            ]

        assert texts(3) == texts(3)
        assert texts(3) != texts(4)

    def test_without_parents_there_is_still_an_answer(self, situation, name):
        _, attempts = attempts_of(name, situation, Parents([], np.empty(0)))
        assert len(attempts) == 24
        assert all(attempt.parent is None for attempt in attempts)

    def test_one_parent_is_enough(self, situation, parents, name):
        _, attempts = attempts_of(name, situation, Parents(parents.smiles[:1], parents.fitness[:1]))
        assert any(is_valid(attempt.molecule) for attempt in attempts)


def test_latent_moves_leave_out_what_the_model_cannot_encode(situation, parents):
    foreign = Parents([LIBRARY[2], *parents.smiles], np.arange(len(parents.smiles) + 1.0))
    _, attempts = attempts_of("latent", situation, foreign)
    assert LIBRARY[2] not in {attempt.parent for attempt in attempts}


def test_an_unknown_source_is_a_sentence():
    with pytest.raises(UnknownNameError, match="did you mean 'latent'"):
        SOURCES.get("latnet")


class TestShares:
    def shares(self):
        return Shares.of({"a": 2.0, "b": 1.0, "c": 1.0, "d": 0.0}, {})

    def test_begin_as_they_were_given(self):
        assert self.shares().now() == pytest.approx({"a": 0.5, "b": 0.25, "c": 0.25})

    def test_move_to_what_earns_and_leave_the_floor(self):
        shares = self.shares()
        for _ in range(60):
            counts = allotted(shares.now(), 100, np.random.default_rng(0))
            batch = {move: MoveRecord(n, top=n if move == "b" else 0) for move, n in counts.items()}
            shares = shares.after(batch, Counter())
        now = shares.now()
        assert sum(now.values()) == pytest.approx(1.0)
        assert now["b"] > 0.55
        assert FLOOR * 0.5 <= now["a"] < 0.35
        assert FLOOR * 0.25 <= now["c"] < 0.2

    def test_come_back_when_the_luck_changes(self):
        shares = self.shares()
        for lucky in ("b", "c"):
            for _ in range(30):
                shares = shares.after({m: MoveRecord(10, top=1) for m in "abc"}, Counter(lucky))
        assert shares.now()["c"] > shares.now()["b"]

    def test_are_the_same_after_a_round_trip(self):
        shares = self.shares().after({"a": MoveRecord(3, 2, 1, 1), "b": MoveRecord(4, 4, 4, 2)}, Counter("a"))
        kept = {move: asdict(record) for move, record in shares.records.items()}
        again = Shares.of({"a": 2.0, "b": 1.0, "c": 1.0}, json.loads(json.dumps(kept)))
        assert again.now() == shares.now()
        assert again.records["a"] == MoveRecord(3, 2, 1, 1, 3 / 7, 0.5 / 3 + 0.5, 3 / 7)

    @pytest.mark.parametrize("n", [0, 1, 7, 100])
    def test_attempts_add_up(self, n):
        for seed in range(20):
            counts = allotted({"a": 0.61, "b": 0.29, "c": 0.1}, n, np.random.default_rng(seed))
            assert sum(counts.values()) == n
            assert abs(counts["a"] - 0.61 * n) <= 1


class TestMix:
    def test_latent_alone_is_a_mode(self, tmp_path, model, settings):
        with Campaign.create(tmp_path / "l", model, settings(sources={"latent": 1})) as campaign:
            candidates = campaign.ask(8)
            campaign.tell([Observation(c.smiles, (Score.ok(len(c.smiles) / 9),)) for c in candidates])
            campaign.ask(4)
            moves = campaign.history.state["sources"]["moves"]
        tried = {move for move, record in moves.items() if record["attempts"]}
        assert tried <= {"pcn", "noise", "slerp", "ascent", "prior"}

    def test_the_journal_says_what_each_move_did(self, situation, parents):
        mix = Mix(situation, situation.latents())
        attempts = bred(mix, parents, 60, np.random.default_rng(0))
        assert len(attempts) == 60
        drafts = [
            Draft(a.molecule.smiles, a.move, a.parent) for a in attempts if situation.acceptable(a.molecule)
        ]
        first = list({draft.smiles: draft for draft in reversed(drafts)}.values())
        mix.took(attempts, drafts, first)
        top = [draft.smiles for draft in first[:5]]
        state = mix.to_json(top)
        moves = state["moves"].values()
        assert sum(move["attempts"] for move in moves) == 60
        assert sum(move["valid"] for move in moves) == len(drafts)
        assert sum(move["new"] for move in moves) == len(first)
        assert sum(move["top"] for move in moves) == 5
        assert sum(move["share"] for move in moves) == pytest.approx(1.0)
        assert state["settled"] == 4
        assert set(state["widening"]) == set(NAMES)

    def test_steps_widen_on_repeats_and_on_a_plateau_and_narrow_otherwise(self, situation, parents):
        def width(new_of, stale):
            situation.history.state["sources"] = {"stale": stale, "settled": 4, "bar": 1e9}
            mix = Mix(situation, situation.latents())
            attempts = bred(mix, parents, 40, np.random.default_rng(0))
            drafts = [
                Draft(a.molecule.smiles, a.move, a.parent)
                for a in attempts
                if situation.acceptable(a.molecule)
            ]
            mix.took(attempts, drafts, [draft for draft in drafts if new_of])
            return mix.to_json(())["widening"]["graph"]

        assert width(new_of=False, stale=0) == pytest.approx(1.3)
        assert width(new_of=True, stale=0) < 1.0
        assert width(new_of=True, stale=10_000) == pytest.approx(1.05)

    def test_third_parties_add_sources(self, tmp_path, model, settings):
        class Echo:
            moves = {"echo": 1.0}  # noqa: RUF012

            def offspring(self, parents, counts, generator):
                molecule = model.molecules[int(generator.integers(len(model.molecules)))]
                return [Offspring(molecule, "echo", parents.smiles[0]) for _ in range(counts["echo"])]

        SOURCES.add("echo", lambda *_: Echo())
        with Campaign.create(tmp_path / "e", model, settings(sources={"echo": 1})) as campaign:
            candidates = campaign.ask(8)
            campaign.tell([Observation(c.smiles, (Score.ok(len(c.smiles) / 9),)) for c in candidates])
            assert "echo" in {candidate.source for candidate in campaign.ask(4)}


def test_filters_cost_no_call(tmp_path, model, settings):
    wanted = settings(filters=("lipinski", "brenk"), sources={"latent": 1, "graph": 1})
    with Campaign.create(tmp_path / "f", model, wanted) as campaign:
        for _ in range(3):
            candidates = campaign.ask(6)
            assert not any(filter_reasons(parse(c.smiles), wanted.filters) for c in candidates)
            campaign.tell([Observation(c.smiles, (Score.ok(len(c.smiles) / 9),)) for c in candidates])
    assert any(filter_reasons(molecule, wanted.filters) for molecule in model.molecules)


@pytest.mark.parametrize(("key", "name"), [("filters", "pain"), ("sources", "graphs"), ("method", "mol-gaa")])
def test_unknown_names_are_refused_before_anything_is_begun(tmp_path, model, settings, key, name):
    value = {"filters": (name,), "sources": {name: 1}, "method": name}[key]
    with pytest.raises(UnknownNameError, match="did you mean"):
        Campaign.create(tmp_path / "u", model, settings(**{key: value}))
    assert not (tmp_path / "u").exists()


def test_the_scaffold_cap_diversifies_a_batch(tmp_path, model, settings):
    wanted = settings(search={"acquisition": {"scaffold_cap": 1}})
    with Campaign.create(tmp_path / "s", model, wanted) as campaign:
        candidates = campaign.ask(8)
        campaign.tell([Observation(c.smiles, (Score.ok(len(c.smiles) / 9),)) for c in candidates])
        scaffolds = [murcko_scaffold(parse(candidate.smiles)) for candidate in campaign.ask(4)]
    assert len(set(scaffolds)) == 4
