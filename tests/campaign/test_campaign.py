"""Ask and tell: late, partial, repeated or contradictory results, across restarts; and the budget."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from molvae.campaign.campaign import Campaign
from molvae.campaign.observations import Observation, StartMolecule
from molvae.errors import InputError, JournalError, UnknownNameError, UsageError
from molvae.oracles.base import Score


def worth(smiles):
    return len(smiles) + smiles.count("N") / 10


def tell(campaign, candidates, value=worth):
    return campaign.tell(
        [Observation(c.smiles, (Score.ok(value(c.smiles)),), c.identifier) for c in candidates]
    )


@pytest.fixture
def campaign(tmp_path, model, settings):
    with Campaign.create(tmp_path / "c.sqlite", model, settings()) as campaign:
        yield campaign


class TestAsk:
    def test_hands_out_new_molecules_only(self, campaign):
        seen = []
        while candidates := campaign.ask():
            seen += [candidate.smiles for candidate in candidates]
            tell(campaign, candidates)
        assert len(seen) == len(set(seen)) == 24
        assert campaign.n_calls == 24
        assert campaign.remaining == 0

    def test_never_hands_out_more_than_the_budget(self, campaign):
        assert [len(campaign.ask(10)) for _ in range(4)] == [10, 10, 4, 0]
        assert len(campaign.pending) == 24
        assert campaign.n_calls == 0

    def test_respects_pending_candidates(self, campaign):
        tell(campaign, campaign.ask(8))
        first, second = campaign.ask(4), campaign.ask(4)
        assert not {c.smiles for c in first} & {c.smiles for c in second}
        assert campaign.pending == [*first, *second]
        tell(campaign, second)
        assert campaign.pending == first

    def test_identifiers_count(self, campaign):
        assert [c.identifier for c in campaign.ask(3)] == ["c00000", "c00001", "c00002"]

    def test_needs_a_model_and_a_positive_number(self, campaign, tmp_path):
        with pytest.raises(UsageError, match="at least 1"):
            campaign.ask(0)
        campaign.close()
        with (
            Campaign.open(tmp_path / "c.sqlite") as reader,
            pytest.raises(UsageError, match="without a model"),
        ):
            reader.ask()

    def test_goes_on_without_any_number(self, campaign):
        candidates = campaign.ask(8)
        campaign.tell([Observation(c.smiles, (Score.failed("no licence"),)) for c in candidates])
        assert campaign.n_calls == 8
        assert len(campaign.ask(4)) == 4

    def test_ends_when_the_space_is_exhausted(self, tmp_path, model, settings):
        with Campaign.create(
            tmp_path / "d.sqlite", model, settings(budget=500, n_initial=500, q=50)
        ) as campaign:
            total = 0
            while candidates := campaign.ask():
                total += len(candidates)
                tell(campaign, candidates)
            assert 80 < total <= 109


class TestTell:
    def test_charges_unique_evaluated_molecules(self, campaign):
        a, b, c = campaign.ask(3)
        first = campaign.tell(
            [Observation(a.smiles, (Score.ok(1.0),)), Observation(b.smiles, (Score.failed("x"),))]
        )
        assert (first.accepted, first.charged) == (2, 2)
        again = campaign.tell([Observation(a.smiles, (Score.ok(1.0),))])
        assert (again.accepted, again.repeated, again.charged) == (0, 1, 0)
        unscored = campaign.tell([Observation(c.smiles, (Score.skipped("budget"),))])
        assert unscored.charged == 0
        assert campaign.pending == [c]
        assert campaign.tell([Observation(c.smiles, (Score.invalid("odd"),))]).charged == 0
        assert campaign.pending == []

    def test_failures_are_statuses_not_numbers(self, campaign):
        (a,) = campaign.ask(1)
        campaign.tell([Observation(a.smiles, (Score.failed("crashed"),))])
        (row,) = campaign.table()
        assert row.scores[0].status == "failed"
        assert math.isnan(row.utility)
        assert campaign.best() == []

    def test_a_number_replaces_a_failure_and_is_not_charged_again(self, campaign):
        (a,) = campaign.ask(1)
        campaign.tell([Observation(a.smiles, (Score.failed("crashed"),))])
        campaign.tell([Observation(a.smiles, (Score.ok(2.0),))])
        campaign.tell([Observation(a.smiles, (Score.failed("late"),))])
        assert campaign.best()[0].utility == 2.0
        assert campaign.n_calls == 1

    def test_contradictions_are_refused_whole(self, campaign):
        a, b = campaign.ask(2)
        tell(campaign, [a])
        events = len(campaign._journal)
        with pytest.raises(JournalError, match="is on record as"):
            campaign.tell([Observation(b.smiles, (Score.ok(1.0),)), Observation(a.smiles, (Score.ok(-1.0),))])
        with pytest.raises(JournalError, match="is on record as"):
            campaign.tell([Observation(b.smiles, (Score.ok(1.0),)), Observation(b.smiles, (Score.ok(2.0),))])
        assert len(campaign._journal) == events
        assert campaign.pending == [b]

    @pytest.mark.parametrize(
        ("observation", "message"),
        [
            (Observation("C(", (Score.ok(1.0),)), "not a molecule"),
            (Observation("CCO", (Score.ok(1.0), None)), "expected 1: qed"),
            (Observation("CCO", (Score(math.inf, "ok"),)), "finite"),
            (Observation("CCO", (Score.ok(1.0),), "c00000"), "CCO is another compound"),
            (Observation("CCO", (Score.ok(1.0),), "c00099"), "not the identifier"),
        ],
    )
    def test_nonsense_is_refused(self, campaign, observation, message):
        campaign.ask(1)
        with pytest.raises(UsageError, match=message):
            campaign.tell([observation])

    def test_molecules_it_did_not_ask_for_are_used_and_free(self, campaign):
        receipt = campaign.tell([Observation("OCC(O)CO", (Score.ok(99.0),))])
        assert (receipt.accepted, receipt.charged) == (1, 0)
        assert campaign.best()[0].source == "known"

    def test_smiles_may_be_written_differently(self, campaign):
        campaign.tell([Observation("CCO", (Score.ok(1.0),))])
        assert campaign.tell([Observation("OCC", (Score.ok(1.0),))]).repeated == 1

    def test_scores_may_come_one_objective_at_a_time(self, tmp_path, model, settings):
        wanted = settings(maximize=("qed", "logp"))
        with Campaign.create(tmp_path / "two.sqlite", model, wanted) as campaign:
            (a,) = campaign.ask(1)
            assert campaign.tell([Observation(a.smiles, (None, Score.ok(1.0)))]).charged == 1
            assert campaign.pending == [a]
            assert campaign.tell([Observation(a.smiles, (Score.ok(0.5), None))]).charged == 0
            assert campaign.pending == []
            assert [score.value for score in campaign.table()[0].scores] == [0.5, 1.0]


STATUSES = st.sampled_from(
    [Score.ok(1.5), Score.failed("a"), Score(math.nan, "timeout"), Score.skipped("s"), None]
)


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.integers(0, 3), STATUSES), max_size=8), st.randoms())
def test_the_order_of_tells_does_not_matter(tmp_path_factory, model, settings, reports, random):
    def final(order):
        path = tmp_path_factory.mktemp("order") / "c.sqlite"
        with Campaign.create(path, model, settings()) as campaign:
            asked = campaign.ask(4)
            for index, score in order:
                campaign.tell([Observation(asked[index].smiles, (score,))])
            scores = {row.smiles: str(row.scores) for row in campaign.table()}
            return scores, campaign.n_calls, campaign.pending

    shuffled = list(reports)
    random.shuffle(shuffled)
    assert final(reports) == final(shuffled)


class TestResume:
    def test_a_reopened_campaign_asks_what_it_would_have_asked(self, tmp_path, model, settings):
        def play(path, *, restart):
            campaign = Campaign.create(path, model, settings())
            asked = []
            for _ in range(5):
                candidates = campaign.ask()
                asked += candidates
                tell(campaign, candidates)
                if restart:
                    campaign.close()
                    campaign = Campaign.open(path, type(model)())
            campaign.close()
            return asked

        assert play(tmp_path / "a.sqlite", restart=False) == play(tmp_path / "b.sqlite", restart=True)

    def test_everything_is_there_again(self, campaign, tmp_path, model):
        candidates = campaign.ask(8)
        tell(campaign, candidates[:5])
        before = campaign.table(), campaign.pending, campaign.n_calls, campaign.trace()
        campaign.close()
        with Campaign.open(tmp_path / "c.sqlite", model) as again:
            assert str((again.table(), again.pending, again.n_calls, again.trace())) == str(before)

    def test_the_same_call_resumes_and_may_raise_the_budget(self, campaign, tmp_path, model, settings):
        campaign.ask(4)
        campaign.close()
        with Campaign.create(tmp_path / "c.sqlite", model, settings(budget=30)) as again:
            assert len(again.pending) == 4
            assert again.settings.budget == 30
        with Campaign.open(tmp_path / "c.sqlite") as again:
            assert again.settings.budget == 30
        with pytest.raises(UsageError, match="can only grow"):
            Campaign.create(tmp_path / "c.sqlite", model, settings(budget=29))

    @pytest.mark.parametrize("change", [{"seed": 8}, {"maximize": ("logp",)}, {"method": "random"}])
    def test_other_settings_are_refused(self, campaign, tmp_path, model, settings, change):
        campaign.close()
        with pytest.raises(UsageError, match="was made with"):
            Campaign.create(tmp_path / "c.sqlite", model, settings(**change))

    def test_a_default_that_changes_leaves_a_campaign_as_it_began(self, tmp_path, model, settings):
        """A later version may have other defaults than the journal."""
        path = tmp_path / "c.sqlite"
        Campaign.create(
            path, model, left_out(settings(q=3, seed=7, max_heavy_atoms=50), "seed", "max_heavy_atoms")
        ).close()
        with Campaign.create(path, model, settings(q=3)) as campaign:
            assert (campaign.settings.seed, campaign.settings.max_heavy_atoms) == (7, 50)
        with pytest.raises(UsageError, match="seed was 7, now 0"):
            Campaign.create(path, model, settings(q=3, seed=0))
        with pytest.raises(UsageError, match="n_initial was 8, now 9"):
            Campaign.create(path, model, left_out(settings(n_initial=9), "n_initial"))

    def test_another_start_is_refused(self, campaign, tmp_path, model, settings):
        campaign.close()
        with pytest.raises(UsageError, match="other start molecules"):
            Campaign.create(tmp_path / "c.sqlite", model, settings(), start=["CCO"])

    def test_opening_what_is_not_there(self, tmp_path):
        with pytest.raises(JournalError, match="no campaign"):
            Campaign.open(tmp_path / "nothing.sqlite")
        assert list(tmp_path.iterdir()) == []

    def test_unknown_method_creates_nothing(self, tmp_path, model, settings):
        with pytest.raises(UnknownNameError, match="did you mean 'turbo'"):
            Campaign.create(tmp_path / "c.sqlite", model, settings(method="trubo"))
        assert list(tmp_path.iterdir()) == []


def left_out(settings, *names):
    """The same settings, as if these values were defaults."""
    copied = settings.model_copy()
    object.__setattr__(copied, "__pydantic_fields_set__", settings.model_fields_set - set(names))
    return copied


class TestStart:
    def test_start_molecules_come_first(self, tmp_path, model, settings):
        start = ["OCC", "CCO", "c1ccccc1C", "not a molecule"]
        with Campaign.create(tmp_path / "c.sqlite", model, settings(), start=start) as campaign:
            asked = campaign.ask(5)
            assert [c.smiles for c in asked[:2]] == ["CCO", "Cc1ccccc1"]
            assert [c.source for c in asked] == ["start"] * 2 + ["prior"] * 3
            assert campaign.history.facts["refused"][0][0] == "molecule 4"

    def test_known_scores_are_free_and_count_as_the_initial_design(self, tmp_path, model, settings):
        start = [StartMolecule(m.smiles, (worth(m.smiles),)) for m in model.molecules[:10]]
        with Campaign.create(tmp_path / "c.sqlite", model, settings(), start=start) as campaign:
            assert campaign.n_calls == 0
            assert len(campaign.table()) == 10
            asked = campaign.ask(4)
            assert not {c.smiles for c in asked} & {m.smiles for m in start}
            assert not {c.source for c in asked} & {"start", "library"}

    def test_a_library_is_drawn_from_at_random_and_then_looked_through(self, tmp_path, model, settings):
        library = [m.smiles for m in model.molecules[:60]]
        for method in ("random", "bo"):
            with Campaign.create(
                tmp_path / method, model, settings(method=method), start=library
            ) as campaign:
                first = campaign.ask(8)
                tell(campaign, first)
                assert [c.smiles for c in first] != library[:8]
                assert {c.source for c in first} == {"start"}
                sources = {c.source for c in campaign.ask(8)}
                assert sources == {"library"} if method == "random" else sources

    def test_only_invalid_molecules_is_an_error(self, tmp_path, model, settings):
        with pytest.raises(InputError, match="none of the 2 start molecules"):
            Campaign.create(tmp_path / "c.sqlite", model, settings(), start=["C(", "xx"])
        with pytest.raises(UsageError, match="2 scores"):
            Campaign.create(
                tmp_path / "d.sqlite", model, settings(), start=[StartMolecule("CCO", (1.0, 2.0))]
            )


def test_best_table_and_trace_agree(campaign):
    for _ in range(3):
        tell(campaign, campaign.ask())
    best = campaign.best(3)
    values = sorted((row.utility for row in campaign.table()), reverse=True)
    assert [row.utility for row in best] == values[:3]
    trace = campaign.trace()
    assert [point.call for point in trace] == list(range(12))
    assert trace[-1].best == values[0]
    assert trace[-1].top10 == pytest.approx(np.mean(values[:10]))
    assert all(a.best <= b.best for a, b in itertools.pairwise(trace))


def test_the_journal_says_which_surrogate_chose_what(campaign, tmp_path):
    tell(campaign, campaign.ask(8))
    tell(campaign, campaign.ask(8))
    rows = campaign.table()
    assert [row.surrogate for row in rows[:8]] == [None] * 8
    assert {row.surrogate for row in rows[8:]} == {"plain", "mixed"}
    campaign.ask(4)
    credit = campaign.history.state["ledger"]["credit"]
    assert sum(credit["picks"]) == pytest.approx(8, rel=0.1)
    assert len(credit["recent"]) == 8
    campaign.close()
    with Campaign.open(tmp_path / "c.sqlite") as again:
        assert [row.surrogate for row in again.table()] == [row.surrogate for row in campaign.table()]


@pytest.mark.parametrize(("n_calls", "q"), [(0, 4), (200, 4), (499, 9), (2500, 50), (9999, 50)])
def test_batches_grow_with_the_calls_spent(settings, n_calls, q):
    assert settings(q=4).batch_size(n_calls) == q
    assert settings(q=4, q_most=20).batch_size(n_calls) == min(q, 20)
    assert settings(q=4, q_most=1).batch_size(n_calls) == 4
