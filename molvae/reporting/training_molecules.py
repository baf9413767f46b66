"""A model shown on molecules: samples, reconstructions, parity of its heads, a map of its latent space."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.chemistry.descriptors import DESCRIPTORS, describe, describe_many
from molvae.chemistry.molecule import Invalid, Molecule, is_valid
from molvae.chemistry.similarity import tanimoto
from molvae.latent.projection import Plane
from molvae.reporting.charts import Axes, Guides, Layer, bar, chart, shade_legend
from molvae.reporting.molecule_table import MoleculeTable, TableColumn, molecule_table
from molvae.reporting.page import Block, Figure, Grid, Section, Tile, Tiles
from molvae.reporting.scales import percent, shown, span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from molvae.data.corpus import Corpus
    from molvae.latent.codec import MolVAE
    from molvae.reporting.drawings import Gallery

    Array = NDArray[np.float64]

WELL_KNOWN = (
    ("paracetamol", "CC(=O)Nc1ccc(O)cc1"),
    ("ibuprofen", "CC(C)Cc1ccc(C(C)C(=O)O)cc1"),
    ("caffeine", "Cn1c(=O)c2c(ncn2C)n(C)c1=O"),
    ("lidocaine", "CCN(CC)CC(=O)Nc1c(C)cccc1C"),
    ("celecoxib", "Cc1ccc(-c2cc(C(F)(F)F)nn2-c2ccc(S(N)(=O)=O)cc2)cc1"),
    ("donepezil", "COc1cc2c(cc1OC)C(=O)C(CC1CCN(Cc3ccccc3)CC1)C2"),
    ("diazepam", "CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc21"),
    ("imatinib", "Cc1ccc(NC(=O)c2ccc(CN3CCN(C)CC3)cc2)cc1Nc1nccc(-c2cccnc2)n1"),
)
"""What a model without a corpus at hand is asked to reconstruct."""

_MOST = 1000  # molecules a report looks at: encoding and decoding cost time
_TILES = 18
_PAIRS = 12
_ALSO_CALLED = {"sas": "sa"}  # what common data sets call a descriptor
_DESCRIBED = ("qed", "logp", "sa", "mw")


@dataclass(frozen=True)
class Shown:
    """A model and the molecules it is shown on.

    Attributes:
        model: The model.
        where: What the molecules are, in words.
        molecules: n molecules it can encode.
        identifiers: Their names, `n`.
        mu: Their posterior means, `n x d`.
        decoded: What it writes from these, `n`.
        truth: Known properties, `n x p`, NaN where missing.
        truth_is: What the known properties are, in words.
        predicted: What the heads say, `n x p`.
        deviation: Standard deviations of these, `n x p`.
        samples: Draws of the prior.
        asked: Number of the molecules, from the front, whose reconstruction is shown.
    """

    model: MolVAE
    where: str
    molecules: Sequence[Molecule]
    identifiers: Sequence[str]
    mu: NDArray[np.float32]
    decoded: Sequence[Molecule | Invalid]
    truth: Array
    truth_is: str
    predicted: Array
    deviation: Array
    samples: Sequence[Molecule | Invalid]
    asked: int

    @property
    def sample_validity(self) -> float:
        """Share of the draws that are molecules."""
        return sum(map(is_valid, self.samples)) / max(len(self.samples), 1)

    @property
    def exact(self) -> list[bool]:
        """Whether each molecule comes back as itself, `n`."""
        return [is_valid(d) and d.smiles == m.smiles for m, d in zip(self.molecules, self.decoded)]


def shown_on(model: MolVAE, corpus: Corpus, samples: Sequence[Molecule | Invalid], n_rows: int) -> Shown:
    """The model on held-out molecules of a corpus: its test part, else its validation part."""
    part, name = corpus.rows("test"), "test"
    if not len(part):
        part, name = corpus.rows("valid"), "validation"
    n = min(len(part), n_rows, _MOST)
    rows = np.sort(np.random.default_rng(0).permutation(part)[:n])
    labels = np.full((n, len(model.property_names)), np.nan)
    for column, head in enumerate(model.property_names):
        if head in corpus.property_names:
            labels[:, column] = corpus.labels[rows, corpus.property_names.index(head)]
    where = f"{n:,} of {len(part):,} molecules of the {name} part of {corpus.path.name}"
    texts, names = corpus.smiles(rows), corpus.identifiers(rows)
    return _encoded(model, texts, names, labels, where, "label", samples, n)


def shown_on_samples(model: MolVAE, samples: Sequence[Molecule | Invalid]) -> Shown:
    """The model on well-known drugs and its own samples; truth is computed where a head is a descriptor."""
    unique = list(dict.fromkeys(item.smiles for item in samples if is_valid(item)))
    texts = [smiles for _, smiles in WELL_KNOWN] + unique
    names = [name for name, _ in WELL_KNOWN] + [f"sample {n}" for n in range(1, len(unique) + 1)]
    labels = np.full((len(texts), len(model.property_names)), np.nan)
    prepared = model.prepare(texts)
    for column, head in enumerate(model.property_names):
        descriptor = _ALSO_CALLED.get(head.lower(), head.lower())
        if descriptor in DESCRIPTORS:
            labels[:, column] = describe_many(prepared, [descriptor])[:, 0]
    where = f"{len(WELL_KNOWN)} well-known drugs and {len(unique):,} samples of the model"
    return _encoded(model, texts, names, labels, where, "computed", samples, len(WELL_KNOWN))


def _encoded(
    model: MolVAE,
    texts: Sequence[str],
    names: Sequence[str],
    labels: Array,
    where: str,
    truth_is: str,
    samples: Sequence[Molecule | Invalid],
    asked: int,
) -> Shown:
    prepared = model.prepare(texts)
    mu = model.encode(prepared)
    fine = np.flatnonzero(np.isfinite(mu).all(axis=1))
    known = [item for item in (prepared[n] for n in fine.tolist()) if is_valid(item)]
    prediction = model.predict_latent(mu[fine])
    return Shown(
        model=model,
        where=where,
        molecules=known,
        identifiers=[names[n] for n in fine.tolist()],
        mu=mu[fine],
        decoded=model.decode(mu[fine]),
        truth=labels[fine],
        truth_is=truth_is,
        predicted=prediction.mean,
        deviation=np.sqrt(prediction.variance),
        samples=samples,
        asked=int((fine < asked).sum()),
    )


def model_table(found: Shown, gallery: Gallery, *, n_molecules: int) -> MoleculeTable:
    """Every molecule the model was shown on, with what came back."""
    names = found.model.property_names
    columns = [TableColumn("smiles", "smiles"), TableColumn("identifier")]
    for name in names:
        columns += [
            TableColumn(name, "number", hint=found.truth_is),
            TableColumn(f"predicted {name}", "number", hint="by the model, from the posterior mean"),
            TableColumn(f"deviation {name}", "number", shown=False, hint="the model's own"),
        ]
    columns += [
        TableColumn("exact", "integer", hint="whether it comes back as itself"),
        TableColumn("similarity", "number", hint="of what comes back to the molecule"),
        TableColumn("decoded", "smiles", shown=False),
    ]
    alike = _alike(found)
    rows = []
    for n, molecule in enumerate(found.molecules):
        row: list[Any] = [molecule.smiles, found.identifiers[n]]
        for column in range(len(names)):
            row += [found.truth[n, column], found.predicted[n, column], found.deviation[n, column]]
        decoded = found.decoded[n]
        row += [found.exact[n], alike[n], decoded.smiles if is_valid(decoded) else ""]
        rows.append(row)
    return molecule_table(columns, rows, gallery, name="molecules", n_molecules=n_molecules)


def _alike(found: Shown) -> list[float | None]:
    return [
        float(tanimoto(molecule, [decoded])[0]) if is_valid(decoded) else None
        for molecule, decoded in zip(found.molecules, found.decoded)
    ]


def samples_section(found: Shown, gallery: Gallery) -> Section:
    """Draws of the prior, valid ones as a grid, and why the others are none."""
    valid = [item for item in found.samples if is_valid(item)]
    unique = len({item.smiles for item in valid})
    blocks: list[Block] = []
    tiles = []
    for molecule in valid[:_TILES]:
        values = describe(molecule, _DESCRIBED)
        words = ", ".join(f"{name} {shown(float(value))}" for name, value in zip(_DESCRIBED[:2], values))
        more = ", ".join(f"{name} {shown(float(value))}" for name, value in zip(_DESCRIBED[2:], values[2:]))
        tiles.append(Tile(gallery.draw(molecule), molecule.smiles, (words, more)))
    if tiles:
        blocks.append(Tiles(tiles))
    why = Counter(
        item.reason.partition(" at character")[0] for item in found.samples if isinstance(item, Invalid)
    )
    if why:
        most = why.most_common(1)[0][1]
        rows = [(reason, count, bar(count / most, "c1")) for reason, count in why.most_common(8)]
        blocks.append(Grid(("why a draw is no molecule", "draws", ""), rows))
    note = (
        f"{len(found.samples):,} draws of the prior ({found.model.prior.name}), seed 0: "
        f"{percent(found.sample_validity)} valid, {percent(unique / max(len(valid), 1))} of these different. "
        "The first ones:"
    )
    return Section("samples", "Samples", blocks, note)


def reconstruction_section(found: Shown, gallery: Gallery) -> Section:
    """Molecules and what comes back, the failures among them included."""
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
        told = "comes back as itself" if exact[k] else "no molecule" if not is_valid(decoded) else ""
        told = told or f"similarity {shown(alike[k])}"
        tiles.append(
            Tile(
                gallery.draw(found.molecules[k]),
                found.molecules[k].smiles,
                (found.identifiers[k] or f"molecule {k + 1}",),
                gallery.draw(decoded),
                f"decoded: {told}",
                decoded.smiles if is_valid(decoded) else "",
                good=exact[k],
            )
        )
    valid = sum(map(is_valid, found.decoded[:n]))
    known = [value for value in alike if value is not None]
    mean = float(np.mean(known)) if known else float("nan")
    note = (
        f"{n:,} molecules encoded to their posterior means and decoded greedily: "
        f"{percent(len(right) / n)} come back as themselves, {percent(valid / n)} are valid, mean similarity "
        f"{shown(mean)}. Both kinds are shown, failures not in proportion:"
    )
    return Section("reconstruction", "Reconstruction", [Tiles(tiles, form="pairs")], note)


def parity_section(found: Shown, numbers: Mapping[str, int]) -> Section:
    """What the heads predict against what is known."""
    at = _rows(found, numbers)
    figures = []
    for column, name in enumerate(found.model.property_names):
        x, y = found.truth[:, column], found.predicted[:, column]
        known = np.isfinite(x) & np.isfinite(y)
        if known.sum() < 3:  # noqa: PLR2004 - no cloud
            continue
        low, high = span([x[known], y[known]])
        axes = Axes(f"{name} ({found.truth_is})", "predicted", x_range=(low, high), y_range=(low, high))
        layer = Layer(x[known], y[known], form="dots", rows=at[known])
        error = np.abs(x[known] - y[known]).mean()
        spread = ((x[known] - x[known].mean()) ** 2).sum()
        r_squared = 1 - ((x[known] - y[known]) ** 2).sum() / spread if spread > 0 else float("nan")
        inside = float((np.abs(x - y)[known] <= 1.645 * found.deviation[known, column]).mean())
        caption = (
            f"MAE {shown(float(error))}, R² {shown(float(r_squared))}; {percent(inside)} inside the model's "
            f"own 90 % interval; n {int(known.sum()):,}"
        )
        drawn = chart([layer], axes, guides=Guides(diagonal=True), size="small", title=f"parity of {name}")
        figures.append(Figure(drawn, name, caption, "small"))
    return Section("parity", "Property parity", figures, f"On {found.where}.")


def map_section(found: Shown, numbers: Mapping[str, int]) -> Section:
    """The plane of latent space in which the molecules differ most, colored by each property."""
    if len(found.molecules) < 3:  # noqa: PLR2004 - no plane
        return Section("map", "Latent map", [])
    plane = Plane.fit(found.mu)
    places = plane.place(found.mu)
    at = _rows(found, numbers)
    axes = Axes(f"first axis, {percent(plane.share[0])}", f"second axis, {percent(plane.share[1])}")
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
        drawn = chart([layer], axes, size="small", title=f"latent map by {name}") + shade_legend(
            low, high, f"{name}, {what}"
        )
        figures.append(Figure(drawn, f"by {name}", size="small"))
    note = f"Posterior means of {found.where}, on two principal axes, each with its share of the variance."
    return Section("map", "Latent map", figures, note)


def _rows(found: Shown, numbers: Mapping[str, int]) -> NDArray[np.int64]:
    return np.array([numbers.get(molecule.smiles, -1) for molecule in found.molecules], dtype=np.int64)
