"""The stages of a screen, for the rows of one part; runs in worker processes."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from molvae.chemistry.admission import Refused, Rules, admit
from molvae.chemistry.descriptors import DESCRIPTORS
from molvae.chemistry.facts import REMEMBERED, facts_of, forget
from molvae.chemistry.filters import FILTERS
from molvae.data.records import BadRow, Row
from molvae.errors import OracleError, StoppedEarly
from molvae.latent.encoding import why_unreadable
from molvae.models.devices import limited_threads
from molvae.oracles.base import n_workers
from molvae.oracles.heads import PREDICTED, Heads
from molvae.oracles.plugins import computed_oracle, load_oracle
from molvae.screening.config import P_VALUE, ScreenSettings
from molvae.screening.domain import DOMAINS, Calibrated
from molvae.screening.funnel import BAD, Entry, Funnel, Screened
from molvae.screening.novelty import Known
from molvae.screening.ranking import Range, first_of_each, leaders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from molvae.latent.codec import MolVAE
    from molvae.oracles.base import Oracle, Score
    from molvae.oracles.config import Objective
    from molvae.screening.parts import ScoreLog

    Array = NDArray[np.float32]

_STEP = 256  # rows between two calls of `stop`
_TOGETHER = REMEMBERED // 2  # molecules scored by all oracles in turn while their facts are cached
_LONGEST = 200  # characters of a bad row that are kept
_LARGEST = 200  # heavy atoms of a molecule
_MOST_REASONS = 50  # different reasons counted one by one in a part


class Screener:
    """What the stages need: the model, filters, oracles, and the file of known molecules, if there is one.

    Raises:
        UsageError: An unknown name in the settings, or a property the model does not predict.
    """

    def __init__(self, settings: ScreenSettings, model: MolVAE, known: Path | None) -> None:
        self.settings, self.model = settings, model
        self.rules = rules_of(settings, model)
        self.known = None if known is None else Known(known)
        self.domain = [DOMAINS.get(name)(model) for name in settings.domain_checks]
        self.calibrated = Calibrated(model) if settings.wants_p_value and model.domain is not None else None
        # the cheapest first: predictions, then bounds, then goals
        self.objectives = sorted(
            settings.objectives, key=lambda o: (not o.name.startswith(PREDICTED), o.is_goal)
        )
        heads = Heads(model)
        self.oracles: dict[str, Oracle] = {}
        for name in (objective.name for objective in self.objectives):
            if name.startswith(PREDICTED):
                heads.oracle(name)  # an unknown head is an error
            else:  # `screen` has checked its origin
                self.oracles[name] = computed_oracle(name, heads) or load_oracle(name, trust=True)
        for name in settings.descriptors:
            DESCRIPTORS.get(name)
        for name in settings.filters:
            FILTERS.get(name)

    def screen(
        self, rows: Iterable[Row | BadRow], log: ScoreLog, *, stop: Callable[[], bool] | None = None
    ) -> Screened:
        """Run all stages for the rows of a part.

        The result depends on these rows alone: they form the batches of the network, which uses one thread.
        The log has the scores of an interrupted run, and records new ones.

        Raises:
            StoppedEarly: `stop` returned True.
        """
        forget()
        run = _Run(self, log, stop)
        with run.timed("read"):
            given = list(rows)
        run.read = len(given)
        entries = run.drop_known(run.admit(given))
        if self.settings.needs_network or self.calibrated is not None:
            entries = run.check_domain(*run.encode(entries))
        return run.result(run.score(entries))


def rules_of(settings: ScreenSettings, model: MolVAE) -> Rules:
    """Standardization and filters before the model."""
    level = model.settings.standardize if settings.standardize == "model" else settings.standardize
    return Rules(level, model.settings.keep_stereo, _LARGEST, settings.filters)


class _Run:
    """The stages for one part; counts its rows."""

    def __init__(self, screener: Screener, log: ScoreLog, stop: Callable[[], bool] | None) -> None:
        self.screener, self.settings, self.log, self.stop = screener, screener.settings, log, stop
        self.read = 0
        self.dropped: Counter[str] = Counter()
        self.by_reason: Counter[str] = Counter()
        self.rejected: list[tuple[int, str, str, str, str]] = []
        self.dropped_rows: list[Entry] = []
        self.failed: Counter[str] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        started = time.process_time()
        yield
        self.seconds[stage] += time.process_time() - started

    def check_stop(self) -> None:
        if self.stop is not None and self.stop():
            raise StoppedEarly("stopped early", hint="The same command resumes.")

    def drop(self, entry: Entry, stage: str, reason: str, kind: str | None = None) -> None:
        """Account for a dropped row; `kind` is the reason without the numbers of this row."""
        entry.reason = reason
        if self.settings.every_row:
            self.dropped_rows.append(entry)
        row = entry.row
        self.dropped[stage] += 1
        label = f"{stage}: {kind or (reason.splitlines() or ['unknown'])[0]}"
        known = label in self.by_reason or len(self.by_reason) < _MOST_REASONS
        self.by_reason[label if known else f"{stage}: other"] += 1
        if stage in BAD:
            name = row.identifier if isinstance(row, Row) else ""
            self.rejected.append((row.line, name, _shown(row), stage, reason))

    def admit(self, rows: list[Row | BadRow]) -> list[Entry]:
        entries = []
        with self.timed("chemistry"):
            for n, row in enumerate(rows):
                if n % _STEP == 0:
                    self.check_stop()
                if isinstance(row, BadRow):
                    self.drop(Entry(row, None), "read", row.reason)
                    continue
                admitted = admit(row.text, self.screener.rules, is_molblock=row.is_molblock)
                if isinstance(admitted, Refused):
                    self.drop(Entry(row, None), admitted.stage, admitted.reason)
                else:
                    entries.append(Entry(row, admitted))
        return entries

    def drop_known(self, entries: list[Entry]) -> list[Entry]:
        known = self.screener.known
        if known is None or not entries:
            return entries
        with self.timed("novelty"):
            found = known.contains([entry.valid.smiles for entry in entries])
            return self._keep(
                entries, ["in the reference" if is_known else "" for is_known in found], "known"
            )

    def encode(self, entries: list[Entry]) -> tuple[list[Entry], Array, Array]:
        """Entries the model can encode, with predictions; posterior means and deviations, `n x d` each."""
        self.check_stop()
        model = self.screener.model
        with self.timed("network"), limited_threads(1):
            mu, sigma = model.posterior([entry.valid for entry in entries])
            prediction = model.predict_latent(mu)
        means, deviations = prediction.mean.tolist(), np.sqrt(prediction.variance).tolist()
        for entry, mean, deviation in zip(entries, means, deviations, strict=True):
            for name, value, spread in zip(prediction.names, mean, deviation, strict=True):
                entry.values[f"{PREDICTED}{name}"] = value
                entry.values[f"{PREDICTED}{name}_sd"] = spread
        fine = np.asarray(np.isfinite(mu).all(axis=1))
        reasons = [
            "" if ok else why_unreadable(model.tokenizer, entry.valid)
            for ok, entry in zip(fine, entries, strict=True)
        ]
        entries, mu, sigma = self._keep(entries, reasons, "encode"), mu[fine], sigma[fine]
        if self.settings.vectors:
            for entry, z in zip(entries, mu, strict=True):
                entry.z = z
        return entries, mu, sigma

    def check_domain(self, entries: list[Entry], mu: Array, sigma: Array) -> list[Entry]:
        if self.screener.calibrated is not None:
            with self.timed("domain"), limited_threads(1):
                scores = self.screener.calibrated.scores([entry.valid for entry in entries], mu, sigma)
            for entry, p_value in zip(entries, scores.p_value.tolist(), strict=True):
                entry.values[P_VALUE] = p_value
        for check in self.screener.domain:
            self.check_stop()
            with self.timed("domain"), limited_threads(1):
                reasons = check.outside([entry.valid for entry in entries], mu, sigma)
            entries = self._keep(entries, reasons, "domain")
            kept = np.array([not reason for reason in reasons], dtype=np.bool_)
            mu, sigma = mu[kept], sigma[kept]
        return entries

    def score(self, entries: list[Entry]) -> list[Entry]:
        """Entries with all scores and within all bounds."""
        hits: list[Entry] = []
        with self.timed("objective"):
            for start in range(0, len(entries), _TOGETHER):
                group = entries[start : start + _TOGETHER]
                for objective in self.screener.objectives:
                    self.check_stop()
                    group = self._apply(objective, group)
                hits += group
        return hits

    def result(self, hits: list[Entry]) -> Screened:
        with self.timed("rank"):
            values = [[o.sign * entry.values[o.name] for o in self.settings.goals] for entry in hits]
            goals = np.array(values, dtype=np.float64).reshape(len(hits), len(self.settings.goals))
            if self.settings.goals:
                first = first_of_each([entry.valid.smiles for entry in hits])
                for position in first[leaders(goals[first], self.settings.top)].tolist():
                    hits[position].leads = True
            kept = hits if self.settings.keeps_all else [entry for entry in hits if entry.leads]
            if self.settings.every_row:
                kept = sorted([*hits, *self.dropped_rows], key=lambda entry: entry.row.line)
        with self.timed("descriptors"):
            for entry in kept if self.settings.descriptors else ():
                if entry.molecule is None:
                    continue
                facts = facts_of(entry.molecule)
                for name in self.settings.descriptors:
                    if name not in entry.values:
                        entry.values[name] = facts.descriptor(name)
        funnel = Funnel(self.read, len(hits), dict(self.dropped), dict(self.by_reason))
        return Screened(funnel, kept, Range.of(goals), self.rejected, dict(self.seconds))

    def _apply(self, objective: Objective, entries: list[Entry]) -> list[Entry]:
        """Entries with a score within the bound, if there is one."""
        name = objective.name
        oracle = self.screener.oracles.get(name)
        if oracle is not None:
            new = [entry for entry in entries if name not in entry.values]
            for entry, score in self._scores(oracle, name, new):
                if score.is_ok:
                    entry.values[name] = score.value
                else:
                    self.drop(entry, "score", f"{name}: {score.status}: {score.detail}")
        words = f"{name} not {objective.direction.replace('_', ' ')} {objective.bound}"
        kept = []
        for entry in entries:
            value = entry.values.get(name)
            if value is None:  # it has been dropped
                continue
            if objective.admits(value):
                kept.append(entry)
            else:
                self.drop(entry, "objective", f"{words}: {value:.6g}", words)
        return kept

    def _scores(self, oracle: Oracle, name: str, entries: list[Entry]) -> Iterator[tuple[Entry, Score]]:
        """The score of each entry; stops after `failure_limit` failures in a row."""
        limit = self.settings.failure_limit
        most = len(entries) if limit is None else max(limit, n_workers(oracle))
        waiting = iter(entries)
        for group in self.log.scores(oracle, name, [e.valid for e in entries], max(most, 1)):
            for (_, score), entry in zip(group, waiting):  # the group is exhausted first
                failed = score.status in {"failed", "timeout"}
                self.failed[name] = self.failed[name] + 1 if failed else 0
                if limit is not None and self.failed[name] >= limit:
                    raise OracleError(
                        f"the oracle '{name}' failed {limit} times in a row: {score.detail}",
                        hint="Finished parts are kept. Fix the oracle and run the same command again.",
                    )
                yield entry, score
            self.check_stop()

    def _keep(self, entries: list[Entry], reasons: list[str], stage: str) -> list[Entry]:
        """Entries without a reason to drop them; drops the others."""
        for entry, reason in zip(entries, reasons, strict=True):
            if reason:
                self.drop(entry, stage, reason)
        return [entry for entry, reason in zip(entries, reasons, strict=True) if not reason]


def _shown(row: Row | BadRow) -> str:
    if isinstance(row, Row) and row.is_molblock:  # too long for a cell: use its name
        return row.identifier or "(molblock)"
    return row.text[:_LONGEST]
