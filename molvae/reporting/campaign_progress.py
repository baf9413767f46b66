"""Progress of a campaign: best and top-10 against calls, against a baseline, and the Pareto front."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from molvae.campaign.campaign import Campaign
from molvae.campaign.utility import feasible, front, running_top, top_auc, utilities
from molvae.errors import UsageError
from molvae.reporting.campaign_standing import Standing
from molvae.reporting.charts import Chart, Layer
from molvae.reporting.page import Card, Figure, Section
from molvae.reporting.scales import percent, shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from molvae.campaign.config import CampaignSettings
    from molvae.reporting.charts import Size

    Array = NDArray[np.float64]

_TOP = 10
_GIVEN = ("start", "known", "library")
_MOST_PAIRS = 6
_LARGEST_FRONT = 4000  # rows compared with one another


@dataclass(frozen=True)
class Curve:
    """Progress after each call, in the campaign's measure.

    Attributes:
        method: Search method of the campaign.
        each: Value of each call's molecule, `n`; NaN when it failed or is not feasible.
        best: Best so far, `n`.
        top: Mean of the ten best so far, `n`.
        auc: Area under `top`, as a share of the budget.
    """

    method: str
    each: Array
    best: Array
    top: Array
    auc: float


def curves(standing: Standing, baseline: Path | None) -> tuple[Curve, Curve | None]:
    """Curves of a campaign and of the one in the journal `baseline`, on the same scale.

    Raises:
        UsageError: The objectives of the baseline differ.
    """
    other = None if baseline is None else _opened(baseline, standing.settings)
    both = [standing] if other is None else [standing, other]
    worth = [np.array([row.utility for row in one.called]) for one in both]
    if other is not None and not standing.single:  # goals are scaled by their ranges in both together
        parts = [standing.matrix(standing.called), other.matrix(other.called), standing.matrix(standing.rows)]
        joint = utilities(np.concatenate(parts), standing.settings.objectives)
        worth = np.split(joint, np.cumsum([len(part) for part in parts]))[:2]
    own, *base = (_curve(one.settings.method, part, standing) for one, part in zip(both, worth, strict=True))
    return own, base[0] if base else None


def _curve(method: str, worth: Array, standing: Standing) -> Curve:
    sign, budget = standing.sign, standing.settings.budget
    best, top = (np.array(line) for line in running_top(worth.tolist(), _TOP))
    auc = top_auc(worth.tolist(), budget=budget, frequency=1) if len(worth) else float("nan")
    if sign < 0:  # the mean of the curve: no area from zero, which would be a good value here
        known = top[np.isfinite(top)]
        auc = float(known.mean()) if len(known) else float("nan")
    return Curve(method, sign * worth, sign * best, sign * top, sign * auc)


def _opened(journal: Path, settings: CampaignSettings) -> Standing:
    with Campaign.open(journal, writable=False) as campaign:
        found, rows = campaign.settings, campaign.table()
    if found.objectives != settings.objectives:
        others = ", ".join(Standing(found, ()).titles)
        raise UsageError(
            f"the baseline {journal} has other objectives: {others}",
            hint="A baseline is a campaign with the same objectives, for example with --method random.",
        )
    return Standing(found, rows)


def progress_cards(standing: Standing, own: Curve, base: Curve | None, seconds: float) -> list[Card]:
    """The key figures."""
    n, level = len(standing.called), _start_level(standing)
    n_failed = sum(any(s is not None and not s.is_measured for s in row.scores) for row in standing.called)
    best, top = "", ""
    if level is not None:
        best, top = f"{shown(level[0])} among {level[2]}", f"{shown(level[1])} at the start"
    cards = [
        Card("calls", f"{n:,}", f"of {standing.settings.budget:,}"),
        Card(f"best {standing.measure}", shown(_last(own.best)), best),
        Card("mean of top 10", shown(_last(own.top)), top),
        Card("AUC top 10", shown(own.auc), "area under the curve / budget" if standing.sign > 0 else "mean"),
    ]
    if base is not None:
        cards.append(Card(f"{base.method} AUC", shown(base.auc), f"top 10 {shown(_last(base.top))}"))
    share = percent(n_failed / n) + " of the calls" if n else ""
    cards.append(Card("with a failure", f"{n_failed:,}", share))
    return [*cards, Card("search", f"{shown(seconds / max(n, 1))} s", "per call, oracle not counted")]


def progress_section(
    standing: Standing, own: Curve, base: Curve | None, numbers: Mapping[str, int]
) -> Section:
    """Best and top-10 so far against calls; several goals also one by one."""
    if not standing.called:
        return Section("progress", "Progress", [])
    first, *others = progress_charts(standing, own, base, numbers)
    title = f"{standing.measure} against oracle calls"
    caption = _explained(standing, own, base)
    size: Size = "half" if len(standing.settings.objectives) < 3 else "small"  # noqa: PLR2004
    figures = [Figure(chart.svg(size), chart.title, size=size) for chart in others]
    return Section("progress", "Progress", [Figure(first.svg("wide"), title, caption, "wide"), *figures])


def progress_charts(
    standing: Standing, own: Curve, base: Curve | None, numbers: Mapping[str, int]
) -> list[Chart]:
    """Best and top-10 so far against calls; several objectives also one by one.

    The campaign has at least one call; dots refer to rows of the molecule table, whose numbers are by SMILES.
    """
    calls = np.arange(1, len(own.each) + 1, dtype=np.float64)
    layers = _dots(standing, calls, own.each, numbers)
    if base is not None:
        at = np.arange(1, len(base.top) + 1, dtype=np.float64)
        inside = at <= max(standing.settings.budget, len(calls))
        name = f"{base.method}: top 10"
        layers.append(Layer(at[inside], base.top[inside], name, "steps", "c7", dashed=True))
    layers.append(Layer(calls, own.top, "mean of top 10", "steps", "c1"))
    layers.append(Layer(calls, own.best, "best so far", "steps", "c0"))
    level = _start_level(standing) if base is None else None
    n_start = sum(row.source == "start" for row in standing.called)
    progress = Chart(
        layers,
        "oracle calls",
        standing.measure,
        "progress",
        whole_x=True,
        x_range=(0.0, len(calls) + 0.5),
        levels=[] if level is None else [(level[1], f"top 10 of {level[2]}")],
        band=(0.5, n_start + 0.5, "start set") if n_start else None,
    )
    several = len(standing.settings.objectives) > 1
    return [progress, *(_each_objective(standing, calls, numbers) if several else [])]


def _explained(standing: Standing, own: Curve, base: Curve | None) -> str:
    area = f"Area under the top-10 curve {shown(own.auc)}"
    area += f", baseline {shown(base.auc)}." if base is not None else "."
    if not standing.single:
        area = "Utility is the geometric mean of the goals, each scaled by its range. " + area
    return f"{area} Every dot is one call within all bounds; hover over it to see the molecule."


def _dots(standing: Standing, calls: Array, each: Array, numbers: Mapping[str, int]) -> list[Layer]:
    rows = np.array([numbers.get(row.smiles, -1) for row in standing.called], dtype=np.int64)
    given = np.array([row.source in _GIVEN for row in standing.called], dtype=bool)
    layers = []
    for chosen, label, color in ((given, "given", "c7"), (~given, "found", "c2")):
        if np.isfinite(each[chosen]).any():
            layers.append(Layer(calls[chosen], each[chosen], label, "dots", color, rows=rows[chosen]))
    return layers


def _each_objective(standing: Standing, calls: Array, numbers: Mapping[str, int]) -> list[Chart]:
    values = standing.matrix(standing.called)
    allowed = feasible(values, standing.settings.objectives)
    charts = []
    for index, objective in enumerate(standing.settings.objectives):
        column = values[:, index]
        if not np.isfinite(column).any():
            continue
        layers = _dots(standing, calls, column, numbers)
        levels = []
        if objective.bound is not None:
            levels = [(objective.bound, f"{objective.direction.replace('_', ' ')} {objective.bound:g}")]
        elif objective.is_goal:
            best, _ = running_top(np.where(allowed, objective.sign * column, np.nan).tolist(), _TOP)
            layers.append(Layer(calls, objective.sign * np.array(best), "best within bounds", "steps", "c0"))
        names = ("oracle calls", standing.labels[index], standing.short_titles[index])
        charts.append(Chart(layers, *names, whole_x=True, x_range=(0.0, len(calls) + 0.5), levels=levels))
    return charts


def front_section(standing: Standing, numbers: Mapping[str, int]) -> Section:
    """Pairwise plots of the goals with their Pareto front."""
    charts, note = front_charts(standing, numbers)
    size: Size = "wide" if len(charts) == 1 else "half"
    figures = [Figure(chart.svg(size), chart.title, size=size) for chart in charts]
    return Section("front", "Pareto front", figures, note)


def front_charts(standing: Standing, numbers: Mapping[str, int]) -> tuple[list[Chart], str]:
    """A chart of each pair of goals with their Pareto front, and a caption; nothing for a single goal."""
    objectives = standing.settings.objectives
    scored = [row for row in standing.rows if row.feasible][:_LARGEST_FRONT]
    if len(standing.goal_indices) < 2 or not scored:  # noqa: PLR2004
        return [], ""
    values = standing.matrix(scored)
    on_front = front(values, objectives)
    at = np.array([numbers.get(row.smiles, -1) for row in scored], dtype=np.int64)
    given = np.array([row.source in _GIVEN for row in scored], dtype=bool)
    charts = []
    pairs = list(combinations(standing.goal_indices, 2))[:_MOST_PAIRS]
    for i, j in pairs:
        layers = [
            Layer(values[chosen, i], values[chosen, j], label, "dots", color, rows=at[chosen])
            for chosen, label, color in (
                (given & ~on_front, "given", "c7"),
                (~given & ~on_front, "found", "c2"),
            )
            if chosen.any()
        ]
        order = np.flatnonzero(on_front)[np.argsort(values[on_front, i], kind="stable")]
        on = Layer(values[order, i], values[order, j], "Pareto front", "dots", "c1", rows=at[order])
        if len(pairs) == 1:  # with more goals the front is not a line
            layers.append(replace(on, form="line", label="", rows=None))
        title = f"{standing.labels[i]} and {standing.labels[j]}"
        charts.append(Chart([*layers, on], standing.short_titles[i], standing.short_titles[j], title))
    note = f"{on_front.sum():,} of {len(scored):,} molecules within all bounds are Pareto-optimal."
    return charts, note


def _start_level(standing: Standing) -> tuple[float, float, str] | None:
    """Best and top-10 mean of the initial molecules, and their description; None if unknown."""
    given = [row for row in standing.rows if row.source in {"start", "known"}]
    first = standing.called[: standing.settings.n_initial]
    best = sorted((row.utility for row in given or first if np.isfinite(row.utility)), reverse=True)[:_TOP]
    if not best:
        return None
    named = "the start" if given else "the first draws"
    return standing.sign * best[0], standing.sign * float(np.mean(best)), named


def _last(values: Array) -> float:
    return float(values[-1]) if len(values) else float("nan")
