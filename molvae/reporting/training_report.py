"""The report of a training run or a checkpoint."""

from __future__ import annotations

import json
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.config import flat, read_toml
from molvae.data.corpus import Corpus
from molvae.errors import InputError
from molvae.latent.codec import MolVAE
from molvae.persistence.files import DAMAGED, reading, sha256_of
from molvae.persistence.locations import METRICS, MODEL, SETTINGS
from molvae.persistence.manifest import MANIFEST
from molvae.progress import read_events
from molvae.reporting.charts import Chart, Layer
from molvae.reporting.drawings import Gallery, row_numbers
from molvae.reporting.page import Card, Facts, Figure, Grid, Report, Section, Words
from molvae.reporting.scales import moment, percent, shown
from molvae.reporting.shown_model import Shown, shown_on, shown_on_samples
from molvae.reporting.training_molecules import (
    map_section,
    model_table,
    parity_section,
    reconstruction_section,
    samples_section,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from molvae.reporting.page import Block

_PERCENT = ("exact_reconstruction", "validity", "uniqueness")
_N_SAMPLES = 200
_MOST_CARDS = 8


def training_report(path: Path, *, corpus: Path | None, n_molecules: int, n_rows: int, device: str) -> Report:
    """The report of a training run, possibly in progress, with molecules of its model.

    The molecules are held-out ones of the corpus, by default that of the run if found; else the model's
    samples.

    Raises:
        InputError: The run has neither an epoch nor a model yet.
        CheckpointError: The model or the corpus is damaged.
    """
    metrics = path / METRICS
    epochs = read_events(metrics, "epoch") if metrics.is_file() else []
    place = path / MODEL if (path / MODEL).is_dir() else path
    model = MolVAE.load(place, device=device) if (place / MANIFEST).is_file() else None
    if model is None and not epochs:
        raise InputError(f"{path} has no finished epoch and no model yet", hint="Wait for the first epoch.")
    is_run = metrics.is_file() or place != path
    gallery = Gallery()
    found = None if model is None else _shown(model, path, corpus, n_rows)
    table = None if found is None else model_table(found, gallery, n_molecules=n_molecules)
    numbers = {} if table is None else row_numbers(table)
    with reading(metrics):
        sections = [curves_section(epochs, {} if model is None else model.facts().get("critic", {}))]
        cards = _cards(epochs, model, found)
        first, last = (moment(epochs[end]["time"]) if epochs else "" for end in (0, -1))
    if found is not None:
        sections += [
            samples_section(found, gallery),
            reconstruction_section(found, gallery),
            parity_section(found, numbers),
            map_section(found, numbers),
        ]
    sections.append(_settings_section(path, model))
    return Report(
        kind="training run" if is_run else "checkpoint",
        title=f"{'Training of' if is_run else 'Model'} {path.resolve().name}",
        subtitle=_subtitle(model, found),
        when=f"{first} to {last}" if epochs else "",
        cards=cards,
        sections=sections,
        table=table,
        gallery=gallery,
    )


def _shown(model: MolVAE, path: Path, corpus: Path | None, n_rows: int) -> Shown:
    """The model on held-out molecules if available, else on its own samples."""
    place = corpus if corpus is not None else _corpus_beside(path)
    samples = model.sample(_N_SAMPLES, seed=0)
    if place is None:
        return shown_on_samples(model, samples)
    return shown_on(model, Corpus.open(place), samples, n_rows)


def _corpus_beside(run: Path) -> Path | None:
    """The corpus of a run, if it is beside the run and unchanged."""
    owner = run / "corpus.json"
    try:
        facts = json.loads(owner.read_text(encoding="utf-8"))
        place = run.resolve().parent / Path(facts["corpus"]).name
        same = (place / MANIFEST).is_file() and sha256_of(place / MANIFEST) == facts["manifest_sha256"]
    except DAMAGED:
        return None
    return place if same else None


def _subtitle(model: MolVAE | None, found: Shown | None) -> str:
    if model is None or found is None:
        return "no model has been saved yet"
    facts = model.facts()
    trained = facts.get("n_training_molecules")
    words = [facts["encoder"], f"z {model.latent_size}", facts["decoder"]]
    words.append(f"{model.n_parameters:,} parameters")
    words += [] if trained is None else [f"trained on {trained:,} molecules"]
    return ", ".join(words)


def _cards(epochs: list[dict[str, Any]], model: MolVAE | None, found: Shown | None) -> list[Card]:
    """Metrics of the best epoch or of the checkpoint's card, and those measured here."""
    best = min(epochs, key=lambda record: float(record.get("loss") or "inf")) if epochs else {}
    figures = best.get("valid") or ({} if model is None else model.facts().get("metrics", {}))
    cards = []
    if epochs:
        cards.append(Card("epochs", f"{len(epochs):,}", f"best: {best.get('epoch')}"))
    for name, label, note in (
        ("exact_reconstruction", "exact reconstruction", "validation, from the encoder's mean"),
        ("reconstruction", "reconstruction", "nats"),
        ("kl", "KL", "nats"),
        ("normal_validity", "validity of N(0, I)", ""),
        ("active_units", "active units", ""),
    ):
        if isinstance(value := figures.get(name), int | float):
            cards.append(Card(label, percent(value) if name.endswith(_PERCENT) else shown(value), note))
    if found is not None:
        cards.append(
            Card("valid samples", percent(found.sample_validity), f"of {len(found.samples):,}, here")
        )
    for name, value in figures.items():
        if name.startswith("mae_") and isinstance(value, int | float):
            cards.append(Card(f"MAE {name.removeprefix('mae_')}", shown(value), "validation"))
    return cards[:_MOST_CARDS]


def _settings_section(path: Path, model: MolVAE | None) -> Section:
    blocks: list[Block] = []
    if model is not None:
        facts = {name: value for name, value in model.facts().items() if not isinstance(value, dict)}
        blocks.append(Facts(facts, "The model", folded=False))
        if model.facts().get("metrics"):
            rows = [(name.replace("_", " "), value) for name, value in model.facts()["metrics"].items()]
            caption = "As recorded when the model was saved; terms of the loss in nats per molecule."
            blocks.append(Grid(("figure", "value"), rows, "Recorded on its card", caption))
    if (path / SETTINGS).is_file():
        blocks.append(Facts(read_toml(path / SETTINGS), "Settings of the run"))
    if not blocks:
        blocks.append(Words("No settings were found."))
    return Section("settings", "Model and settings", blocks)


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
"""Panel title -> metrics, by section and name in `metrics.jsonl`; a star matches any ending."""


def _flat_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """`{"valid": {"kl": 3}}` as `{"valid kl": 3}`; numbers and null only."""
    return {
        name: value
        for name, value in flat(record, " ").items()
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool))
    }


def words(name: str) -> str:
    """The name of a metric in a legend.

    >>> words("valid mae_qed"), words("valid prior_validity")
    ('qed', 'prior validity')
    """
    for prefix in ("valid mae_", "valid exact_"):
        name = name.removeprefix(prefix)
    return name.replace("valid prior", "prior").replace("_", " ")


_CAPTIONS = {
    "reconstruction (nats per molecule)": "minus log likelihood of a molecule given its latent vector",
    "KL (nats per molecule)": "information the encoder gives about a molecule",
    "beta": "weight of the KL term, steered to its target",
    "active units": "latent dimensions that carry information",
}


def curve_charts(epochs: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """One chart per panel of `PANELS` for which these records have metrics."""
    records = [_flat_record(record) for record in epochs]
    seen = dict.fromkeys(name for record in records for name in record)
    charts = []
    for title, patterns in PANELS:
        layers = []
        names = [name for name in seen if any(fnmatch(name, pattern) for pattern in patterns)]
        for color, name in enumerate(names):
            known = [record for record in records if record.get(name) is not None]
            x = np.array([float(record["epoch"]) for record in known])
            y = np.array([float(record[name]) for record in known])
            layers.append(Layer(x, y, words(name), color=f"c{color % 8}"))
        if layers:
            charts.append(Chart(layers, "epoch", "", title, whole_x=True))
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
    chart = Chart([Layer(x, y, "difference", color="c0")], "step", "", title)
    return Figure(chart.svg("small"), title, caption, "small")
