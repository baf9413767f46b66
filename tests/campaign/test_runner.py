"""The closed loop uses exactly its budget, improves, survives bad oracles and resumes bit for bit."""

import itertools
import math
import sys

import numpy as np
import pytest
from play import optimize

from molvae.campaign.campaign import Campaign
from molvae.campaign.runner import run
from molvae.campaign.search.base import METHODS, Batch, Draft
from molvae.campaign.storage import Journal
from molvae.chemistry.molecule import parse
from molvae.errors import OracleError, UnknownNameError
from molvae.oracles.base import Score
from molvae.oracles.computed import descriptor_oracle
from molvae.progress import EventLog, read_events


class Recorder:
    """An oracle that records its calls and scores by a function of the SMILES."""

    name = "recorder"

    def __init__(self, function=len):
        self.function = function
        self.asked = []

    def __call__(self, molecules):
        self.asked += [molecule.smiles for molecule in molecules]
        return [self.function(molecule.smiles) for molecule in molecules]


def oracle_of(model):
    """Scores by the latent distance to one molecule of the library: easy to optimize, hard to guess."""
    target = model.points[40]
    return Recorder(
        lambda smiles: Score.ok(-float(np.linalg.norm(model.encode([parse(smiles)])[0] - target)))
    )


METHOD_NAMES = ["bo", "turbo", "cma-es", "mol-ga", "random", "prior"]


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_spends_the_budget_exactly_on_different_molecules(tmp_path, model, method, quick):
    oracle = Recorder(lambda s: Score.ok(len(s)))
    result = optimize(
        model, maximize=["x"], budget=26, q=5, n_initial=7, method=method, effort=quick,
        output=tmp_path / "c.sqlite", oracles={"x": oracle},
    )  # fmt: skip
    assert len(oracle.asked) == len(set(oracle.asked)) == 26 == result.n_calls
    assert result.spent
    assert [point.smiles for point in result.trace] == oracle.asked
    assert result.n_failed == 0


@pytest.mark.parametrize("method", ["bo", "random"])
def test_the_library_alone_is_exhausted_and_nothing_else_is_proposed(tmp_path, model, method, quick):
    library = [model.decode(point[None])[0].smiles for point in model.points[:30]]
    result = optimize(
        model, maximize=["x"], budget=60, q=5, n_initial=7, method=method, effort=quick, start=library,
        sources={"library": 1}, output=tmp_path / "c.sqlite",
        oracles={"x": Recorder(lambda s: Score.ok(len(s)))},
    )  # fmt: skip
    assert {row.smiles for row in result.table} == set(library)
    assert result.n_calls == len(set(library))


@pytest.mark.parametrize("score", [Score.ok(1.0), Score.failed("no")], ids=["constant", "failed"])
def test_with_equal_scores_the_library_alone_is_still_the_only_source(tmp_path, model, quick, score):
    library = [model.decode(point[None])[0].smiles for point in model.points[:20]]
    result = optimize(
        model, maximize=["x"], budget=14, q=4, n_initial=4, effort=quick, start=library,
        sources={"library": 1}, output=tmp_path / "c.sqlite", oracles={"x": Recorder(lambda _: score)},
    )  # fmt: skip
    assert result.n_calls == 14
    assert {row.source for row in result.table} <= {"start", "library"}


def test_learns_more_than_chance(tmp_path, model, quick):
    final = {
        method: np.mean(
            [
                optimize(
                    model, maximize=["x"], budget=40, q=4, seed=seed, method=method,
                    effort=quick, sources={"latent": 1}, output=tmp_path / f"{method}{seed}",
                    oracles={"x": oracle_of(model)},
                ).trace[-1].top10
                for seed in range(2)
            ]
        )
        for method in ("bo", "random")
    }  # fmt: skip
    assert final["bo"] > final["random"] + 0.05


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_same_seed_same_molecules_wherever_it_is_interrupted(tmp_path, model, settings, method):
    def played(path, *, stop_after):
        oracle = Recorder(lambda s: Score.ok(len(s)))
        wanted = settings(method=method, budget=20)
        if stop_after:
            stopping = Recorder(lambda s: Score.ok(len(s)))
            calls = itertools.count()

            def score(molecules):
                if next(calls) == stop_after:
                    raise KeyboardInterrupt
                return stopping(molecules)

            with Campaign.create(path, model, wanted) as campaign, pytest.raises(KeyboardInterrupt):
                run(campaign, {"qed": score})
            oracle.asked += stopping.asked
        with Campaign.create(path, type(model)(), wanted) as campaign:
            run(campaign, {"qed": oracle})
        return oracle.asked

    whole = played(tmp_path / "a", stop_after=0)
    for stop_after in (3, 17) if method == "bo" else (13,):
        assert played(tmp_path / str(stop_after), stop_after=stop_after) == whole


def test_different_seeds_differ(tmp_path, model, quick):
    tables = [
        optimize(
            model, maximize=["qed"], budget=12, q=4, seed=seed, effort=quick, output=tmp_path / str(seed)
        ).table
        for seed in (0, 1)
    ]
    assert [row.smiles for row in tables[0]] != [row.smiles for row in tables[1]]


@pytest.mark.parametrize("batch", [1, 3])
def test_failures_are_recorded_and_charged_never_scored(tmp_path, model, settings, batch):
    def awkward(smiles):
        if "N" in smiles:
            return Score.failed("nitrogen")
        return Score(math.nan, "timeout") if "O" in smiles else Score.ok(len(smiles))

    with Campaign.create(tmp_path / "c", model, settings(evaluation_batch=batch)) as campaign:
        result = run(campaign, {"qed": Recorder(awkward)})
    statuses = {row.scores[0].status for row in result.table}
    assert statuses == {"ok", "failed", "timeout"}
    assert result.n_calls == 24
    assert result.n_failed == sum(row.scores[0].status != "ok" for row in result.table) > 0
    assert all(row.scores[0].is_ok for row in result.best)


@pytest.mark.parametrize(
    "hostile",
    [
        lambda _: [1.0],
        lambda _: None,
        lambda molecules: [None] * len(molecules),
        lambda molecules: [math.nan] * len(molecules),
        lambda molecules: ["garbage"] * len(molecules),
        lambda _: 1 / 0,
        lambda _: sys.exit(3),
    ],
)
def test_a_hostile_oracle_is_an_error_and_all_scores_are_kept(tmp_path, model, settings, hostile):
    wanted = settings(failure_limit=10, evaluation_batch=2)
    with Campaign.create(tmp_path / "c", model, wanted) as campaign:
        with pytest.raises(OracleError, match="10 times in a row"):
            run(campaign, {"qed": hostile})
        assert campaign.n_calls == 10
        assert {score.status for row in campaign.table() for score in row.scores if score} == {"failed"}


def test_an_oracle_that_calls_everything_invalid_does_not_run_for_ever(tmp_path, model, settings):
    with (
        Campaign.create(tmp_path / "c", model, settings(q=2)) as campaign,
        pytest.raises(OracleError, match="chargeable"),
    ):
        run(campaign, {"qed": Recorder(lambda _: Score.invalid("no"))})


def test_objectives_are_loaded_by_name(tmp_path, model, quick):
    result = optimize(
        model,
        maximize=["qed"],
        at_most={"logp": 1.5},
        minimize=["mw"],
        budget=24,
        q=4,
        effort=quick,
        output=tmp_path / "c",
    )
    assert all(row.scores[2].value <= 1.5 for row in result.best)
    assert len(result.table[0].scores) == 3
    assert all(row.feasible for row in result.table)  # a bound that is computed comes before the call
    with pytest.raises(UnknownNameError, match="did you mean 'qed'"):
        optimize(model, maximize=["qde"], effort=quick, output=tmp_path / "d")
    assert not (tmp_path / "d").exists()


def test_constraints_are_learned(tmp_path, model, quick):
    potency = {"size": descriptor_oracle("mw"), "grease": descriptor_oracle("logp")}

    def feasible(method):
        tables = [
            optimize(
                model, maximize=["size"], at_most={"grease": 0.0}, budget=36, q=4, seed=seed, method=method,
                effort=quick, output=tmp_path / f"{method}{seed}", oracles=potency,
            ).table[12:]
            for seed in (1, 2)
        ]  # fmt: skip
        return np.mean([row.feasible for table in tables for row in table])

    assert feasible("bo") > 2 * feasible("random")


def test_nothing_new_ends_the_loop_before_the_budget(tmp_path, model, quick):
    result = optimize(
        model, maximize=["qed"], budget=500, q=60, method="random", effort=quick, output=tmp_path / "c"
    )
    assert not result.spent
    assert 80 < result.n_calls <= 109


def test_a_run_ends_where_its_caller_has_enough_and_goes_on_where_not(tmp_path, model, settings):
    begun = settings(budget=30)
    with Campaign.create(tmp_path / "c", model, begun) as campaign:
        first = run(campaign, enough=lambda campaign: campaign.n_calls >= 12)
    assert 12 <= first.n_calls < 30
    assert not first.spent
    with Campaign.create(tmp_path / "c", model, begun) as campaign:
        rest = run(campaign)
    assert rest.spent
    assert rest.n_calls == 30


def test_progress_counts_calls(tmp_path, model, quick):
    with EventLog(tmp_path / "log.jsonl") as log:
        optimize(
            model,
            maximize=["qed"],
            budget=12,
            q=4,
            effort=quick,
            output=tmp_path / "c",
            progress=_Counting(log),
        )
    assert sum(event["n"] for event in read_events(tmp_path / "log.jsonl", "advance")) == 12


class _Counting:
    def __init__(self, log):
        self.log = log

    def start(self, task, total=None):
        assert (task, total) == ("optimize", 12)

    def advance(self, task, n=1, **fields):
        self.log.write("advance", n=n, task=task, **fields)

    def finish(self, task, **fields):
        assert task == "optimize"
        assert fields["calls"] == 12

    def note(self, text):
        raise AssertionError(text)


def test_the_journal_records_the_source_of_each_candidate(tmp_path, model, quick):
    result = optimize(model, maximize=["qed"], budget=30, q=5, effort=quick, output=tmp_path / "c")
    sources = {row.source for row in result.table}
    assert "prior" in sources
    assert sources & {"pcn", "slerp", "mutation", "crossover", "decoration"}
    assert all(row.parent is not None for row in result.table if row.source not in {"prior", "library"})
    with Journal(tmp_path / "c", writable=False) as journal:
        kinds = [event.kind for event in journal.events()]
    assert kinds[0] == "create"
    assert kinds.count("tell") == 30


def test_methods_are_open_to_third_parties(tmp_path, model, quick):
    def first(situation, n):
        fresh = situation.unseen(molecule.smiles for molecule in situation.model.molecules)
        return Batch(tuple(Draft(smiles, "first") for smiles in fresh[:n]))

    METHODS.add("first", first)
    result = optimize(
        model, maximize=["qed"], budget=12, q=4, method="first", effort=quick, output=tmp_path / "c"
    )
    assert {row.source for row in result.table} == {"prior", "first"}
