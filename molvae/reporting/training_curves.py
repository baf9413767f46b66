"""Learning curves of a training run as charts of a page, one for each kind of figure it logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.reporting.charts import Axes, Layer, chart
from molvae.reporting.epochs import flat_record, panels, words
from molvae.reporting.page import Figure, Section

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TOLD = {
    "reconstruction (nats per molecule)": "minus log likelihood of a molecule given its latent vector",
    "KL (nats per molecule)": "what the encoder says about a molecule",
    "beta": "weight of the KL term, steered to its target",
    "active units": "latent dimensions that carry something",
}


def curves_section(epochs: Sequence[Mapping[str, Any]], critic: Mapping[str, Sequence[float]]) -> Section:
    """One chart per panel of `epochs.PANELS`, and one of the critic of a latent GAN, if there is one."""
    records = [flat_record(record) for record in epochs]
    figures = []
    for title, names in panels(records):
        layers = []
        for color, name in enumerate(names):
            known = [record for record in records if record.get(name) is not None]
            x = np.array([float(record["epoch"]) for record in known])
            y = np.array([float(record[name]) for record in known])
            layers.append(Layer(x, y, words(name), color=f"c{color % 8}"))
        drawn = chart(layers, Axes("epoch", "", whole_x=True), size="small", title=title)
        figures.append(Figure(drawn, title, _TOLD.get(title, ""), "small"))
    if critic.get("step"):
        figures.append(_critic_figure(critic))
    return Section("curves", "Learning curves", figures)


def _critic_figure(curve: Mapping[str, Sequence[float]]) -> Figure:
    title = "critic of the latent GAN"
    told = "mean score of real latent vectors minus that of made ones; it swings where training is not stable"
    x, y = (np.array(curve[name], dtype=np.float64) for name in ("step", "difference"))
    drawn = chart([Layer(x, y, "difference", color="c0")], Axes("step", ""), size="small", title=title)
    return Figure(drawn, title, told, "small")
