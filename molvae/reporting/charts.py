"""Charts as inline SVG in the colors of the page: light, dark and print."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from markupsafe import Markup

from molvae.reporting.scales import Scale, bin_edges, bin_shares, marks, shown, span, ticks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Form = Literal["line", "steps", "dots"]
Size = Literal["small", "half", "wide"]

N_SHADES = 8
"""Classes `q0` to `q7` of the style sheet, for colors that stand for a number."""

_SMALL, _NARROW, _WIDE = (360, 220), (460, 290), (1080, 380)
_TOP, _RIGHT, _BOTTOM, _LETTER = 12.0, 14.0, 44.0, 7.0  # margins, and about the width of a digit
_MOST_DOTS = 3_000


@dataclass(frozen=True)
class Layer:
    """One series of a chart.

    Attributes:
        x: Horizontal positions, `n`.
        y: Vertical positions, `n`; non-finite points are left out.
        label: Name in the legend; empty for none.
        form: A line through the points, a staircase or dots.
        color: Class of the style sheet: c0 to c7, or soft.
        dashed: Whether the line is dashed.
        rows: Row of the molecule table behind each point, `n`; -1 where there is none.
        shades: Number from 0 to 1 that colors each dot, `n`; NaN is grey.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    label: str = ""
    form: Form = "line"
    color: str = "c0"
    dashed: bool = False
    rows: NDArray[np.int64] | None = None
    shades: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Chart:
    """Series in one plane: drawn as SVG in a page (`svg`), or into a picture file (`figures`).

    Attributes:
        layers: Drawn in order, the last on top.
        x: Name of the axis.
        y: Likewise.
        title: Title, also read by screen readers.
        whole_x: Whether x is a count.
        x_range: Fixed range.
        y_range: Fixed range.
        levels: (y, label) of dashed horizontal lines.
        band: (from, to, label) of a shaded range of x.
        diagonal: Whether to draw y = x.
    """

    layers: Sequence[Layer]
    x: str
    y: str
    title: str = ""
    whole_x: bool = False
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    levels: Sequence[tuple[float, str]] = ()
    band: tuple[float, float, str] | None = None
    diagonal: bool = False

    def svg(self, size: Size = "half") -> Markup:
        """The chart for a page; a wide one comes with a narrow one for small screens."""
        sizes = [(_WIDE, "wide-only"), (_NARROW, "narrow-only")]
        if size != "wide":
            sizes = [(_SMALL if size == "small" else _NARROW, "")]
        return Markup().join(_drawn(self, box, name) for box, name in sizes)


@dataclass
class _Frame:
    """The plot area of one size of a chart, and its drawn elements."""

    width: int
    height: int
    x: Scale
    y: Scale
    parts: list[Markup] = field(default_factory=list)

    def add(self, template: str, *values: object) -> None:
        self.parts.append(Markup(template).format(*values))  # noqa: S704 - format escapes the values


def histogram(values: NDArray[np.float64], *, x: str) -> Markup:
    """Histogram of numbers (`n`, named `x`) as shares; non-finite ones are left out."""
    known = values[np.isfinite(values)]
    if not len(known):
        return Markup()
    edges = bin_edges(known)
    shares = bin_shares(known, edges)
    top = 1.06 * (float(shares.max()) or 1.0)
    frame = _frame(_SMALL, Chart([], x, "share", x_range=(edges[0], edges[-1]), y_range=(0.0, top)))
    frame.add('<path class="{}" d="{}"/>', "c0 area", _skyline(frame, edges, shares))
    return _svg(frame, f"histogram of {x}", "")


def shade_legend(low: float, high: float, name: str) -> Markup:
    """Legend of the shades of dots: a strip from the lowest to the highest number."""
    cells = Markup().join(
        Markup('<rect class="q{}" x="{}" width="14" height="10"/>').format(k, 14 * k) for k in range(N_SHADES)
    )
    return Markup('<p class="legend">{} <svg class="strip" viewBox="0 0 112 10">{}</svg> {} ({})</p>').format(
        shown(low), cells, shown(high), name
    )


def bar(share: float, color: str = "c0", inner: float | None = None) -> Markup:
    """A bar in a table cell: its share of the width, with an inner part highlighted."""
    template = '<svg class="bar" aria-hidden="true"><rect class="{} faint" width="{:.2f}%" height="100%"/>'
    drawn = Markup(template).format(color, 100 * min(max(share, 0.0), 1.0))  # noqa: S704
    if inner is not None:
        drawn += Markup('<rect class="{}" width="{:.2f}%" height="100%"/>').format(color, 100 * inner)
    return drawn + Markup("</svg>")


def _drawn(chart: Chart, size: tuple[int, int], name: str) -> Markup:
    frame = _frame(size, chart)
    if chart.band is not None:
        low, high = (frame.x(max(min(v, frame.x.high), frame.x.low)) for v in chart.band[:2])
        frame.add(
            '<rect class="band" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>',
            *(low, frame.y.end, high - low, frame.y.start - frame.y.end),
        )
    if chart.diagonal:
        low, high = max(frame.x.low, frame.y.low), min(frame.x.high, frame.y.high)
        frame.add(
            '<path class="soft line dashed" d="M{:.1f} {:.1f}L{:.1f} {:.1f}"/>',
            *(frame.x(low), frame.y(low), frame.x(high), frame.y(high)),
        )
    for value, label in chart.levels:
        _draw_level(frame, value, label)
    for layer in chart.layers:
        (_draw_points if layer.form == "dots" else _draw_line)(frame, layer)
    legend = [(layer.label, _key(layer)) for layer in chart.layers]
    if chart.band is not None:
        legend.append((chart.band[2], "band"))
    drawn = _svg(frame, chart.title or f"{chart.y} against {chart.x}", name)
    return drawn + (Markup() if name == "wide-only" else _legend(legend))


def _frame(size: tuple[int, int], chart: Chart) -> _Frame:
    width, height = size
    levels = np.array([value for value, _ in chart.levels], dtype=np.float64)
    low_y, high_y = chart.y_range or span([*(layer.y for layer in chart.layers), levels])
    low_x, high_x = chart.x_range or span([layer.x for layer in chart.layers])
    y_ticks = ticks(low_y, high_y, 5 if height > _SMALL[1] else 3)
    left = (30.0 if chart.y else 12.0) + _LETTER * max((len(text) for text in marks(y_ticks)), default=1)
    x = Scale(low_x, high_x, left, width - _RIGHT)
    y = Scale(low_y, high_y, height - _BOTTOM, _TOP)
    frame = _Frame(width, height, x, y)
    for value, text in zip(y_ticks, marks(y_ticks), strict=True):
        frame.add(
            '<path class="grid" d="M{:.1f} {:.1f}H{:.1f}"/><text x="{:.1f}" y="{:.1f}" class="end">{}</text>',
            *(left, y(value), x.end, left - 6, y(value) + 4, text),
        )
    x_ticks = ticks(low_x, high_x, 8 if width == _WIDE[0] else 5, whole=chart.whole_x)
    for value, text in zip(x_ticks, marks(x_ticks), strict=True):
        frame.add('<text x="{:.1f}" y="{:.1f}" class="mid">{}</text>', x(value), y.start + 17, text)
    frame.add('<path class="axis" d="M{:.1f} {:.1f}H{:.1f}"/>', left, y.start, x.end)
    frame.add(
        '<text x="{:.1f}" y="{:.1f}" class="mid name">{}</text>', (left + x.end) / 2, height - 6, chart.x
    )
    middle = (y.start + y.end) / 2
    frame.add(
        '<text transform="translate(11 {:.1f}) rotate(-90)" class="mid name">{}</text>', middle, chart.y
    )
    return frame


def _draw_level(frame: _Frame, value: float, label: str) -> None:
    place = frame.y(value)
    frame.add(
        '<path class="soft line dashed" d="M{:.1f} {:.1f}H{:.1f}"/>'
        '<text x="{:.1f}" y="{:.1f}" class="end halo">{}</text>',
        *(frame.x.start, place, frame.x.end, frame.x.end, place - 5, label),
    )


def _draw_line(frame: _Frame, layer: Layer) -> None:
    keep = _needed(layer)
    x, y = layer.x[keep], layer.y[keep]
    if not len(x):
        return
    places = [(frame.x(float(a)), frame.y(float(b))) for a, b in zip(x, y, strict=True)]
    path = f"M{places[0][0]:.1f} {places[0][1]:.1f}"
    for a, b in places[1:]:
        path += f"H{a:.1f}V{b:.1f}" if layer.form == "steps" else f"L{a:.1f} {b:.1f}"
    frame.add('<path class="{} line{}" d="{}"/>', layer.color, " dashed" if layer.dashed else "", path)
    if len(places) <= 30 and layer.form == "line":  # noqa: PLR2004 - few enough to be distinguished
        for a, b in places:
            frame.add('<circle class="{} dot" cx="{:.1f}" cy="{:.1f}" r="2.4"/>', layer.color, a, b)


def _needed(layer: Layer) -> NDArray[np.int64]:
    """Points needed to draw a line: the finite ones; for a staircase only its steps and the last point."""
    known = np.flatnonzero(np.isfinite(layer.x) & np.isfinite(layer.y))
    if layer.form != "steps" or len(known) <= 2:  # noqa: PLR2004
        return known
    steps = np.flatnonzero(np.diff(layer.y[known]) != 0) + 1
    return np.asarray(known[np.unique(np.concatenate([[0], steps, [len(known) - 1]]))])


def _draw_points(frame: _Frame, layer: Layer) -> None:
    known = np.flatnonzero(np.isfinite(layer.x) & np.isfinite(layer.y))
    if len(known) > _MOST_DOTS:  # evenly thinned
        known = known[np.linspace(0, len(known) - 1, _MOST_DOTS).astype(np.int64)]
    radius = 3.0 if len(known) <= 400 else 2.2  # noqa: PLR2004
    frame.add('<g class="{} dot">', layer.color)
    for n in known.tolist():
        frame.add('<circle cx="{:.1f}" cy="{:.1f}" r="{}"', frame.x(layer.x[n]), frame.y(layer.y[n]), radius)
        if layer.shades is not None:
            frame.add(' class="{}"', _shade(float(layer.shades[n])))
        if layer.rows is not None and layer.rows[n] >= 0:
            frame.add(' data-row="{}"', int(layer.rows[n]))
        frame.add("/>")
    frame.add("</g>")


def _shade(value: float) -> str:
    return "q-" if not np.isfinite(value) else f"q{min(N_SHADES - 1, int(max(value, 0.0) * N_SHADES))}"


def _svg(frame: _Frame, title: str, name: str) -> Markup:
    return Markup('<svg class="chart {}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        name, frame.width, frame.height, title, Markup().join(frame.parts)
    )


def _key(layer: Layer) -> str:
    return f"{layer.color}{' spot' if layer.form == 'dots' else ' dashed' if layer.dashed else ''}"


def _legend(entries: Sequence[tuple[str, str]]) -> Markup:
    named = [(label, color) for label, color in entries if label]
    if len(named) < 2:  # noqa: PLR2004 - one series needs no legend: the axis names it
        return Markup()
    items = Markup(" ").join(
        Markup('<span class="key"><i class="{}"></i>{}</span>').format(color, label) for label, color in named
    )
    return Markup('<p class="legend">{}</p>').format(items)


def _skyline(frame: _Frame, edges: NDArray[np.float64], heights: NDArray[np.float64]) -> str:
    path = f"M{frame.x(float(edges[0])):.1f} {frame.y(0.0):.1f}"
    for height, end in zip(heights, edges[1:], strict=True):
        path += f"V{frame.y(float(height)):.1f}H{frame.x(float(end)):.1f}"
    return f"{path}V{frame.y(0.0):.1f}Z"
