"""Charts and drawings: marks inside their range, formatted numbers, and RDKit's paths."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from molvae.chemistry.depiction import grid_svg
from molvae.chemistry.molecule import parse
from molvae.reporting.charts import Chart, Layer, histogram
from molvae.reporting.drawings import PANEL, Gallery, compact
from molvae.reporting.scales import shown, ticks

finite = st.floats(-1e9, 1e9, allow_nan=False)


@given(finite, st.floats(1e-6, 1e9))
def test_ticks_lie_inside_and_are_few_and_even(low, wide):
    marks = ticks(low, low + wide)
    assert 1 <= len(marks) <= 12
    slack = 1e-6 * wide + 1e-9 * abs(low)
    assert all(low - slack <= mark <= low + wide + slack for mark in marks)


@given(finite)
def test_numbers_are_shown_near_what_they_are(value):
    read = float(shown(value).replace(",", ""))
    near = max(0.0051 * abs(value), 0.51 if abs(value) >= 1000 else 0.0)  # three digits, or whole numbers
    assert abs(read - value) <= near


def test_a_chart_draws_what_is_finite_and_names_rows():
    y = np.array([1.0, np.nan, 3.0])
    rows = np.array([5, 6, -1])
    drawn = str(Chart([Layer(np.arange(3.0), y, "a <b>", "dots", rows=rows)], "x", "y").svg())
    assert drawn.count("<circle") == 2
    assert re.findall(r'data-row="(\d+)"', drawn) == ["5"]
    assert str(Chart([], "calls <i>", "").svg()).count("<i>") == 0
    stairs = Layer(np.arange(1000.0), np.repeat([1.0, 2.0], 500), form="steps")
    assert len(Chart([stairs], "", "").svg()) < 3000, "a staircase needs its steps only"
    assert histogram(np.array([np.nan]), x="nothing") == ""
    assert "<path" in histogram(np.array([2.0, 2.0]), x="all the same")


def test_a_compact_drawing_goes_through_the_same_points():
    molecule = parse("C[C@H](N)C(=O)Nc1ccc(S(=O)(=O)C(F)(F)Cl)cc1Br")
    document = grid_svg([molecule], columns=1, panel=PANEL)
    ours = compact(document)
    theirs = [
        (round(10 * float(x)), round(10 * float(y)))
        for path in re.findall(r"<path [^>]*?d='([^']*)'", document)
        for x, y in re.findall(r"(-?[\d.]+)[ ,](-?[\d.]+)", path)
    ]
    assert sorted(point for path in ours.values() for point in absolute(path)) == sorted(theirs)
    assert {"s N", "f O", "f S", "f F", "f Cl", "f Br", "s"} <= {name for name, _ in ours}
    assert sum(map(len, ours.values())) < len(document) / 4


def absolute(path):
    """All points of compact path data."""
    here = (0, 0)
    for command, text in re.findall(r"([MlqczM])([^MlqczM]*)", path):
        numbers = [int(n) for n in re.findall(r"-?\d+", text)]
        base = (0, 0) if command == "M" else here
        for x, y in zip(numbers[::2], numbers[1::2]):
            here = (base[0] + x, base[1] + y)
            yield here


def test_the_same_molecule_is_drawn_once():
    gallery = Gallery()
    assert [gallery.draw(text) for text in ("OCC", "CCO", "no molecule", "CCN")] == [0, 0, -1, 1]
    assert len(gallery) == 2
