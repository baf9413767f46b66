"""Sections of a model report: samples, reconstructions, property parity, latent map."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from molvae.chemistry.descriptors import describe, describe_many
from molvae.chemistry.fingerprints import tanimoto
from molvae.chemistry.molecule import Invalid, is_valid
from molvae.evaluation.prediction import r_squared
from molvae.reporting.charts import Chart, Layer, bar, shade_legend
from molvae.reporting.drawings import MoleculeTable, TableColumn, molecule_table
from molvae.reporting.page import Block, Figure, Grid, Section, Tile, Tiles
from molvae.reporting.scales import percent, shown, span
from molvae.reporting.shown_model import Plane

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from molvae.reporting.drawings import Gallery
    from molvae.reporting.shown_model import Shown

_TILES = 18
_PAIRS = 12
_DESCRIBED = ("qed", "logp", "sa", "mw")


def model_table(found: Shown, gallery: Gallery, *, n_molecules: int) -> MoleculeTable:
    """The molecules with their reconstructions."""
    columns = [
        TableColumn("smiles", [molecule.smiles for molecule in found.molecules], "smiles"),
        TableColumn("identifier", found.identifiers),
    ]
    for k, name in enumerate(found.model.property_names):
        values = (found.truth, found.predicted, found.deviation)
        truth, predicted, deviation = (array[:, k].tolist() for array in values)
        hint = "by the model, from the posterior mean"
        columns += [
            TableColumn(name, truth, "number", hint=found.truth_is),
            TableColumn(f"predicted {name}", predicted, "number", hint=hint),
            TableColumn(f"deviation {name}", deviation, "number", shown=False, hint="predicted by the model"),
        ]
    decoded = [item.smiles if is_valid(item) else "" for item in found.decoded]
    columns += [
        TableColumn("exact", found.exact, "integer", hint="whether it is reconstructed exactly"),
        TableColumn("similarity", _alike(found), "number", hint="of the reconstruction to the molecule"),
        TableColumn("decoded", decoded, "smiles", shown=False),
    ]
    return molecule_table(columns, gallery, name="molecules", n_molecules=n_molecules)


def _alike(found: Shown) -> list[float | None]:
    return [
        float(tanimoto(molecule, [decoded])[0]) if is_valid(decoded) else None
        for molecule, decoded in zip(found.molecules, found.decoded)
    ]


def samples_section(found: Shown, gallery: Gallery) -> Section:
    """Samples of the prior: the valid ones as a grid, and reasons of invalid ones."""
    valid = [item for item in found.samples if is_valid(item)]
    unique = len({item.smiles for item in valid})
    blocks: list[Block] = []
    tiles = []
    for molecule in valid[:_TILES]:
        words = [f"{n} {shown(v)}" for n, v in zip(_DESCRIBED, describe(molecule, _DESCRIBED).tolist())]
        lines = (", ".join(words[:2]), ", ".join(words[2:]))
        tiles.append(Tile(gallery.draw(molecule), molecule.smiles, lines))
    if tiles:
        blocks.append(Tiles(tiles))
    why = Counter(
        item.reason.partition(" at character")[0] for item in found.samples if isinstance(item, Invalid)
    )
    if why:
        most = why.most_common(1)[0][1]
        rows = [(reason, count, bar(count / most, "c1")) for reason, count in why.most_common(8)]
        blocks.append(Grid(("why a draw is invalid", "draws", ""), rows))
    note = (
        f"{len(found.samples):,} draws of the prior ({found.model.prior.name}), seed 0: "
        f"{percent(found.sample_validity)} valid, {percent(unique / max(len(valid), 1))} of these different. "
        "The first ones:"
    )
    return Section("samples", "Samples", blocks, note)


def reconstruction_section(found: Shown, gallery: Gallery) -> Section:
    """Molecules and their reconstructions, including failures."""
    n = found.asked
    exact, alike = found.exact[:n], _alike(found)[:n]
    if not n:
        return Section("reconstruction", "Reconstruction", [])
    right = [k for k in range(n) if exact[k]]
    wrong = [k for k in range(n) if not exact[k]]
    half = _PAIRS // 2
    n_wrong = min(len(wrong), max(half, _PAIRS - len(right)))
    picked = sorted([*wrong[:n_wrong], *right[: _PAIRS - n_wrong]])
    tiles = []
    for k in picked:
        decoded = found.decoded[k]
        outcome = "exact" if exact[k] else "invalid" if not is_valid(decoded) else ""
        outcome = outcome or f"similarity {shown(alike[k])}"
        tiles.append(
            Tile(
                gallery.draw(found.molecules[k]),
                found.molecules[k].smiles,
                (found.identifiers[k] or f"molecule {k + 1}",),
                gallery.draw(decoded),
                f"decoded: {outcome}",
                decoded.smiles if is_valid(decoded) else "",
                good=exact[k],
            )
        )
    valid = sum(map(is_valid, found.decoded[:n]))
    known = [value for value in alike if value is not None]
    mean = float(np.mean(known)) if known else float("nan")
    note = (
        f"{n:,} molecules encoded to their posterior means and decoded greedily: "
        f"{percent(len(right) / n)} reconstructed exactly, {percent(valid / n)} are valid, mean similarity "
        f"{shown(mean)}. Examples of both, not in proportion:"
    )
    return Section("reconstruction", "Reconstruction", [Tiles(tiles, form="pairs")], note)


def parity_section(found: Shown, numbers: Mapping[str, int]) -> Section:
    """Predictions of the heads against known values."""
    at = _rows(found, numbers)
    figures = []
    for column, name in enumerate(found.model.property_names):
        x, y = found.truth[:, column], found.predicted[:, column]
        known = np.isfinite(x) & np.isfinite(y)
        if known.sum() < 3:  # noqa: PLR2004 - too few to plot
            continue
        ends = span([x[known], y[known]])
        layer = Layer(x[known], y[known], form="dots", rows=at[known])
        error = np.abs(x[known] - y[known]).mean()
        inside = float((np.abs(x - y)[known] <= 1.645 * found.deviation[known, column]).mean())
        caption = (
            f"MAE {shown(float(error))}, R² {shown(r_squared(x[known], y[known]))}; {percent(inside)} inside "
            f"the model's own 90 % interval; n {int(known.sum()):,}"
        )
        names = (f"{name} ({found.truth_is})", "predicted", f"parity of {name}")
        chart = Chart([layer], *names, x_range=ends, y_range=ends, diagonal=True)
        figures.append(Figure(chart.svg("small"), name, caption, "small"))
    return Section("parity", "Property parity", figures, f"On {found.where}.")


def map_section(found: Shown, numbers: Mapping[str, int]) -> Section:
    """Latent vectors on their first two principal axes, colored by each property."""
    if len(found.molecules) < 3:  # noqa: PLR2004 - too few for a plane
        return Section("map", "Latent map", [])
    plane = Plane(found.mu)
    places = plane.place(found.mu)
    at = _rows(found, numbers)
    axes = (f"first axis, {percent(plane.share[0])}", f"second axis, {percent(plane.share[1])}")
    columns = [
        (name, found.predicted[:, k], "predicted") for k, name in enumerate(found.model.property_names)
    ]
    for k, name in enumerate(found.model.property_names):
        if np.isfinite(found.truth[:, k]).mean() > 0.5:  # noqa: PLR2004 - mostly known
            columns[k] = (name, found.truth[:, k], found.truth_is)
    if not columns:
        columns = [("weight", describe_many(found.molecules, ["mw"])[:, 0], "computed")]
    figures = []
    for name, values, what in columns:
        known = values[np.isfinite(values)]
        if not len(known):
            continue
        low, high = (float(v) for v in np.percentile(known, [2, 98]))
        shades = (values - low) / (high - low if high > low else 1.0)
        layer = Layer(places[:, 0], places[:, 1], form="dots", rows=at, shades=np.clip(shades, 0, 1))
        drawn = Chart([layer], *axes, f"latent map by {name}").svg("small")
        drawn += shade_legend(low, high, f"{name}, {what}")
        figures.append(Figure(drawn, f"by {name}", size="small"))
    note = f"Posterior means of {found.where}, on two principal axes, each with its share of the variance."
    return Section("map", "Latent map", figures, note)


def _rows(found: Shown, numbers: Mapping[str, int]) -> NDArray[np.int64]:
    return np.array([numbers.get(molecule.smiles, -1) for molecule in found.molecules], dtype=np.int64)
