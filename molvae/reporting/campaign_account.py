"""Sections of a campaign report: sources of molecules, surrogates, failures."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.campaign.runner import move_reports
from molvae.campaign.search.credit import Credit
from molvae.campaign.utility import hits
from molvae.reporting.charts import Chart, Layer, bar
from molvae.reporting.page import Block, Figure, Grid, Section, Words
from molvae.reporting.scales import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.campaign.history import History
    from molvae.campaign.table import Row
    from molvae.reporting.campaign_standing import Standing

_MOST_REASONS = 20
_MOST_LINES = 7


def calls_section(standing: Standing, history: History) -> Section:
    """Sources of molecules with their hit rates, and the surrogates' credit."""
    blocks: list[Block] = []
    reports = move_reports(standing.rows, history.state)
    if reports:
        most = max(report.scored for report in reports) or 1
        rows = [
            (
                report.move,
                report.scored,
                report.hits,
                bar(report.scored / most, inner=report.hits / most),
                percent(report.hit_rate),
                standing.sign * report.best,
                report.attempts or None,
                report.new or None,
                percent(report.share) if report.attempts else "-",
            )
            for report in reports
        ]
        best = f"best {standing.measure}"
        header = ("source", "calls", "hits", "", "hit rate", best, "attempts", "new", "share")
        caption = (
            "A hit was among the ten best when scored. Attempts: molecules a source tried to make in the "
            "inner search; new: how many of these were acceptable and unseen; share: of the attempts of the "
            "last batch."
        )
        blocks.append(Grid(header, rows, "Sources", caption))
    if timeline := _timeline(standing.called):
        blocks.append(timeline)
    if grid := _surrogates(standing, history):
        blocks.append(grid)
    return Section("calls", "Calls by source", blocks)


def _timeline(called: Sequence[Row]) -> Figure | None:
    counts = Counter(row.source for row in called)
    if len(counts) < 2:  # noqa: PLR2004 - one source needs no chart
        return None
    calls = np.arange(1, len(called) + 1, dtype=np.float64)
    layers = []
    for k, (name, _) in enumerate(counts.most_common(_MOST_LINES)):
        mine = np.cumsum([row.source == name for row in called]).astype(np.float64)
        layers.append(Layer(calls, mine, name, "steps", f"c{k}"))
    chart = Chart(layers, "oracle calls", "calls of the source", "calls by source", whole_x=True)
    return Figure(chart.svg("wide"), "Calls of each source so far", size="wide")


def _surrogates(standing: Standing, history: History) -> Grid | None:
    """Picks and hits of each surrogate, and its current weight from the method's state."""
    chosen: dict[str, list[tuple[bool, float]]] = {}
    for row, hit in zip(standing.called, hits([row.utility for row in standing.called]), strict=True):
        if row.surrogate is not None:
            chosen.setdefault(row.surrogate, []).append((hit, row.utility))
    settings = history.settings.search.surrogate
    members = [member.name for member in settings.members]
    credit = _credit(history, len(members))
    if not chosen and credit is None:
        return None
    shares = {} if credit is None else dict(zip(members, credit.weights().tolist()))
    skills = {} if credit is None or not credit.recent else dict(zip(members, credit.skills().tolist()))
    rows: list[tuple[Any, ...]] = []
    for name in dict.fromkeys([*members, *chosen]):
        mine = chosen.get(name, [])
        worth = [utility for _, utility in mine if np.isfinite(utility)]
        n_hits = sum(hit for hit, _ in mine)
        rate = percent(n_hits / len(mine) if mine else None)
        best = standing.sign * max(worth) if worth else None
        share = percent(shares.get(name))
        rows.append((name, len(mine), n_hits, rate, best, skills.get(name), share))
    measure = f"best {standing.measure}"
    header = ("surrogate", "calls", "hits", "hit rate", measure, "rank correlation", "share now")
    caption = (
        "Rank correlation: of its predictions with the newest scores, shrunk while they are few. Share now: "
        "of the next batch."
    )
    return Grid(header, rows, "Surrogates", caption)


def _credit(history: History, n_members: int) -> Credit | None:
    ledger = history.state.get("ledger")
    credit = Credit.from_json(ledger["credit"]) if ledger else None
    return credit if credit is not None and len(credit.picks) == n_members else None


def failures_section(standing: Standing, history: History) -> Section:
    """Failed scores with reasons, violated bounds, and refused start molecules."""
    blocks: list[Block] = []
    reasons: Counter[tuple[str, str, str]] = Counter()
    for row in standing.rows:
        for objective, score in zip(history.settings.objectives, row.scores, strict=True):
            if score is not None and not score.is_measured and score.status != "cancelled":
                reasons[objective.name, score.status, score.detail or "no reason given"] += 1
    if reasons:
        most = max(reasons.values())
        rows = [(*key, n, bar(n / most, "c1")) for key, n in reasons.most_common(_MOST_REASONS)]
        blocks.append(Grid(("objective", "status", "why", "molecules", ""), rows, "Scores without a value"))
    broken = _broken(standing)
    if broken:
        blocks.append(Grid(("bound", "scored", "outside", "", "share outside"), broken, "Bounds"))
    refused = history.facts.get("refused", [])
    if refused:
        blocks.append(
            Grid(("row", "reason"), refused[:_MOST_REASONS], f"{len(refused):,} start molecules refused")
        )
    n_awaited = len(history.pending)
    if n_awaited:
        blocks.append(Words(f"{n_awaited:,} candidates are awaiting scores."))
    if not reasons and not refused:
        blocks.insert(0, Words("Nothing failed: every call gave a number."))
    return Section("failures", "What failed", blocks)


def _broken(standing: Standing) -> list[tuple[Any, ...]]:
    values = standing.matrix(standing.rows)
    rows = []
    for index, objective in enumerate(standing.settings.objectives):
        if objective.bound is None:
            continue
        known = values[np.isfinite(values[:, index]), index]
        over = known > objective.bound if objective.direction == "at_most" else known < objective.bound
        share = float(over.mean()) if len(known) else 0.0
        rows.append((standing.titles[index], len(known), int(over.sum()), bar(share, "c1"), percent(share)))
    return rows
