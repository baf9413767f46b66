"""Learning curves of a training run, one chart for each kind of figure."""

from __future__ import annotations

from fnmatch import fnmatch
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.reporting.charts import Axes, Chart, Layer
from molvae.reporting.page import Figure, Section

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PANELS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("validation loss (nats per molecule)", ("loss",)),
    ("reconstruction (nats per molecule)", ("train reconstruction", "valid reconstruction")),
    ("KL (nats per molecule)", ("train kl", "valid kl")),
    ("share of molecules", ("valid exact_reconstruction", "valid *validity", "valid *uniqueness")),
    ("mean absolute error of properties", ("valid mae_*",)),
    ("beta", ("beta",)),
    ("active units", ("valid active_units",)),
    ("property term (nats per molecule)", ("train property", "valid property")),
    ("norm of the gradient", ("train gradient_norm",)),
)
"""Panel title -> metrics it shows, by section and name in `metrics.jsonl`; a star stands for any ending."""


def panels(epochs: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """The panels of `PANELS` that these records have figures for, with the names of those."""
    seen = list(dict.fromkeys(name for record in epochs for name in record))
    found = [
        (title, [name for name in seen if any(map(partial(fnmatch, name), names))]) for title, names in PANELS
    ]
    return [(title, names) for title, names in found if names]


def flat_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """`{"valid": {"kl": 3}}` as `{"valid kl": 3}`; numbers and missing numbers only."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        inner = value.items() if isinstance(value, dict) else ()
        flat |= {f"{name} {key}": item for key, item in inner if _drawable(item)}
        if _drawable(value):
            flat[name] = value
    return flat


def _drawable(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def words(name: str) -> str:
    """The name of a metric as a legend says it.

    >>> words("valid mae_qed"), words("valid prior_validity")
    ('qed', 'prior validity')
    """
    for prefix in ("valid mae_", "valid exact_"):
        name = name.removeprefix(prefix)
    return name.replace("valid prior", "prior").replace("_", " ")


_CAPTIONS = {
    "reconstruction (nats per molecule)": "minus log likelihood of a molecule given its latent vector",
    "KL (nats per molecule)": "what the encoder says about a molecule",
    "beta": "weight of the KL term, steered to its target",
    "active units": "latent dimensions that carry something",
}


def curve_charts(epochs: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """One chart per panel of `PANELS` that these records have figures for."""
    records = [flat_record(record) for record in epochs]
    charts = []
    for title, names in panels(records):
        layers = []
        for color, name in enumerate(names):
            known = [record for record in records if record.get(name) is not None]
            x = np.array([float(record["epoch"]) for record in known])
            y = np.array([float(record[name]) for record in known])
            layers.append(Layer(x, y, words(name), color=f"c{color % 8}"))
        charts.append(Chart(layers, Axes("epoch", "", whole_x=True), title=title))
    return charts


def curves_section(epochs: Sequence[Mapping[str, Any]], critic: Mapping[str, Sequence[float]]) -> Section:
    """The charts of the epochs, and one of the critic of a latent GAN, if there is one."""
    figures = [
        Figure(chart.svg("small"), chart.title, _CAPTIONS.get(chart.title, ""), "small")
        for chart in curve_charts(epochs)
    ]
    if critic.get("step"):
        figures.append(_critic_figure(critic))
    return Section("curves", "Learning curves", figures)


def _critic_figure(curve: Mapping[str, Sequence[float]]) -> Figure:
    title = "critic of the latent GAN"
    caption = (
        "mean score of real latent vectors minus that of generated ones; it swings if training is unstable"
    )
    x, y = (np.array(curve[name], dtype=np.float64) for name in ("step", "difference"))
    chart = Chart([Layer(x, y, "difference", color="c0")], Axes("step", ""), title=title)
    return Figure(chart.svg("small"), title, caption, "small")
