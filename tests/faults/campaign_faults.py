"""Faults of campaigns: kill -9 and signals at random times of a search, and results in any order."""

from __future__ import annotations

import math
import os
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fault import hidden, killed_after, require, require_no_orphans, scratch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

sys.path.insert(0, str(Path(__file__).parent.parent / "campaign"))

from fake_model import FakeModel
from play import optimize

from molvae.campaign.campaign import Campaign
from molvae.campaign.config import CampaignSettings
from molvae.campaign.observations import Observation
from molvae.campaign.storage import Journal
from molvae.errors import JournalError, MolvaeError
from molvae.oracles.base import Score
from molvae.oracles.config import objectives
from molvae.oracles.plugins import load_oracle

if TYPE_CHECKING:
    from random import Random

BUDGET = 24
PROGRAM = Path(__file__).parent / "hostile_oracle.py"
_QUICK = 0.12


def _oracle_text(folder: Path) -> str:
    words = [sys.executable, "-I", "-S", str(PROGRAM), "good", f"{folder}-oracle"]
    return f"cmd[workers=2]:{shlex.join(words)}"


def _search(folder: Path, name: str, method: str, seed: int, *, budget: int = BUDGET) -> None:
    """A deterministic search with a program as oracle, which records its calls."""
    text = _oracle_text(folder)
    inner: Any = load_oracle(text)
    log = os.open(folder / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    class Logged:
        name = text

        def __call__(self, molecules: Any) -> list[Score]:
            scores: list[Score] = inner(molecules)
            os.write(log, "".join(f"{molecule.smiles}\n" for molecule in molecules).encode())
            return scores

    try:
        optimize(
            FakeModel(), maximize=["length"], budget=budget, q=4, n_initial=8, seed=seed, method=method,
            output=folder / name, oracles={"length": Logged()}, effort=_QUICK,
        )  # fmt: skip
    finally:
        inner.close()
        os.close(log)


def _recorded(path: Path) -> dict[str, float]:
    with Campaign.open(path, writable=False) as campaign:
        rows = [row for row in campaign.table() if row.scores[0] is not None]
        require(campaign.n_calls == sum(row.call is not None for row in rows), "calls and scores differ")
        return {row.smiles: row.scores[0].value for row in rows if row.scores[0] is not None}


def killed_search(rng: Random, folder: Path) -> str:
    """kill -9 at random times of a search with a program as oracle; then the search is finished."""
    method, seed = rng.choice(["random", "random", "random", "bo"]), rng.randrange(1000)
    path, log = folder / "journal", folder / "journal.log"
    recorded: dict[str, float] = {}
    killed = 0
    for _ in range(rng.randrange(1, 4)):
        ended = killed_after(
            lambda: _search(folder, "journal", method, seed), rng.uniform(0.0, 0.4), ready=log
        )
        killed += ended == -signal.SIGKILL
        require(ended in {0, -signal.SIGKILL}, f"the search ended with {ended}")
        if path.exists():
            try:
                now = _recorded(path)
            except JournalError as error:
                require("holds no campaign" in str(error) or "does not begin" in str(error), str(error))
                now = {}
            lost = recorded.keys() - now.keys()
            require(not lost, f"{len(lost)} scores are lost", "lost_score")
            recorded = now
        require_no_orphans(f"{folder}-oracle")
    _search(folder, "journal", method, seed)
    final = _recorded(path)
    require(recorded.items() <= final.items(), "a score has changed", "lost_score")
    require(len(final) == BUDGET, f"{len(final)} of {BUDGET} molecules are scored", "lost_score")
    asked = log.read_text().splitlines()
    require(len(asked) <= BUDGET + killed, f"{len(asked)} were evaluated", "doubled_score")
    require(set(asked) >= set(final), "a score was never evaluated", "doubled_score")
    with Journal(path, writable=False) as journal:
        told = [
            row["smiles"] for e in journal.events() if e.kind == "tell" for row in e.payload["observations"]
        ]
    require(len(told) == len(set(told)), "a molecule was told twice", "doubled_score")
    require(not hidden(folder), f"left behind: {hidden(folder)}")
    require_no_orphans(f"{folder}-oracle")
    return f"killed {killed} times"


def interrupted_search(rng: Random, folder: Path) -> str:
    """SIGINT or SIGTERM, once or twice, at a random time of a command with a program as oracle."""
    number = rng.choice([signal.SIGINT, signal.SIGTERM])
    log = folder / "journal.log"
    child = os.fork()
    if child == 0:
        _command(lambda: _search(folder, "journal", "random", 3, budget=200))
    deadline = time.monotonic() + 120
    while not (log.exists() and log.stat().st_size) and time.monotonic() < deadline:
        require(os.waitpid(child, os.WNOHANG)[0] == 0, "the command ended before it was interrupted")
        time.sleep(0.002)
    time.sleep(rng.uniform(0.0, 0.3))
    twice = rng.random() < 0.3
    for _ in range(2 if twice else 1):
        os.kill(child, number)
        time.sleep(rng.choice([0.0, 0.01]))
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    wanted = {128 + number, 0} | ({-number} if twice else set())
    require(ended in wanted, f"signal {number}: exit code {ended}")
    require_no_orphans(f"{folder}-oracle")
    finished = _recorded(folder / "journal")
    asked = log.read_text().splitlines()
    require(set(asked[:-1]) <= set(finished), "a finished score is not on record", "lost_score")
    return f"exit code {ended}"


def _command(action: Any) -> None:
    """Run an action like the command line, in a forked process, and exit."""
    code = 70
    try:
        import click

        from molvae.cli import main

        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - until the process ends
        command = click.command()(action)
        main.cli.get_command = lambda *_: command  # type: ignore[method-assign]
        main.main(["info"])
    except SystemExit as error:
        code = int(error.code or 0)
    finally:
        os._exit(code)


_STATUS = st.sampled_from(
    [Score.ok(1.5), Score.ok(2.5), Score.failed("no pose"), Score.timed_out("late"), Score.skipped("s"), None]
)
_RANK = {"skipped": 0, "failed": 1, "timeout": 2, "invalid": 3, "ok": 4}


class Telling(RuleBasedStateMachine):
    """Ask and tell in any order, partially or repeatedly, across restarts; compared with a simple model."""

    def __init__(self) -> None:
        super().__init__()
        self.path = scratch() / "journal"
        self.campaign = Campaign.create(self.path, FakeModel(), self.settings)
        self.asked: list[str] = []
        self.known: dict[str, Score] = {}
        self.charged: set[str] = set()

    @property
    def settings(self) -> CampaignSettings:
        wanted = objectives(maximize=["x"])
        return CampaignSettings(
            objectives=wanted, budget=12, q=3, n_initial=12, method="random", effort=_QUICK
        )

    @rule(n=st.integers(1, 4))
    def ask(self, n: int) -> None:
        waiting = sum(smiles not in self.charged for smiles in self.asked if smiles not in self.known)
        waiting += sum(s.status == "skipped" for s in self.known.values())
        candidates = self.campaign.ask(n)
        assert len(candidates) <= n
        for candidate in candidates:
            assert candidate.smiles not in self.asked
            assert candidate.smiles not in self.known
            self.asked.append(candidate.smiles)
        assert len(self.charged) + len(self.campaign.pending) <= 12 or not candidates

    @rule(rows=st.lists(st.tuples(st.integers(0, 15), _STATUS), min_size=1, max_size=4))
    def tell(self, rows: list[tuple[int, Score | None]]) -> None:
        places = [*self.asked, "CCCCCCCCCCCCCC", "NCCCCCCCCCCCCN"]
        told = [(places[index % len(places)], score) for index, score in rows]
        expected, conflict = dict(self.known), False
        for smiles, score in told:
            old = expected.get(smiles)
            if score is None or score.status == "skipped":
                continue
            if old is None or _RANK[score.status] > _RANK[old.status]:
                expected[smiles] = score
            elif old.status == "ok" and score.status == "ok" and old.value != score.value:
                conflict = True
        before = self.campaign.n_calls
        try:
            self.campaign.tell([Observation(smiles, (score,)) for smiles, score in told])
        except JournalError:
            assert conflict, "refused without a conflict"
            assert self.campaign.n_calls == before
            return
        assert not conflict, "a conflict was taken"
        self.known = expected
        self.charged |= {s for s, score in expected.items() if s in self.asked and score.status in _EVALUATED}

    @rule()
    def restart(self) -> None:
        self.campaign.close()
        self.campaign = Campaign.open(self.path, FakeModel())

    @invariant()
    def is_what_was_told(self) -> None:
        rows = {row.smiles: row.scores[0] for row in self.campaign.table() if row.scores[0] is not None}
        assert {s: (score.status, _value(score)) for s, score in rows.items()} == {
            s: (score.status, _value(score)) for s, score in self.known.items()
        }
        assert self.campaign.n_calls == len(self.charged)

    def teardown(self) -> None:
        self.campaign.close()


_EVALUATED = ("ok", "failed", "timeout")


def _value(score: Score) -> float | None:
    return None if math.isnan(score.value) else score.value


def telling(rng: Random, folder: Path) -> str:
    """The result of asks, tells and restarts does not depend on their order."""
    del folder
    profile = settings(
        max_examples=1, stateful_step_count=12, deadline=None, database=None, print_blob=False,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    import hypothesis

    try:
        hypothesis.seed(rng.randrange(2**32))(Telling)
        run_state_machine_as_test(Telling, settings=profile)
    except (AssertionError, MolvaeError) as error:
        require(False, str(error), "lost_score")
    return "as told"
