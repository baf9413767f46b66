"""The report of a file of molecules: validity, properties, filters, scaffolds, drawings."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.chemistry.descriptors import describe_many, meaning
from molvae.chemistry.filters import filter_reasons
from molvae.chemistry.molecule import is_valid, parse
from molvae.chemistry.substructure import murcko_scaffold
from molvae.data.readers import open_table
from molvae.data.records import Row, read_number
from molvae.errors import InputError
from molvae.reporting.charts import bar, histogram
from molvae.reporting.drawings import Gallery, TableColumn, molecule_table
from molvae.reporting.page import Block, Card, Figure, Grid, Report, Section, Tile, Tiles
from molvae.reporting.scales import moment, percent, shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from molvae.chemistry.molecule import Molecule
    from molvae.data.readers import Table

    Columns = dict[str, NDArray[np.float64] | list[str]]

DESCRIPTORS = ("qed", "sa", "logp", "mw", "tpsa", "hbd", "hba", "rotatable_bonds", "rings", "fraction_sp3")
"""Descriptors computed for every molecule."""
FILTERS = ("lipinski", "veber", "pains", "brenk")
"""Filters applied to every molecule."""

_GRID = 18
_MOST_REASONS = 12
_SCAFFOLDS = 6
_MOST_COLUMNS = 30  # of the file's own


@dataclass(frozen=True)
class Read:
    """A uniform sample of the rows of a file.

    Attributes:
        table: The file.
        rows: Those with a valid molecule, and their molecules.
        bad: (line, identifier, text, reason) of the others.
        n_total: Rows of the file.
    """

    table: Table
    rows: Sequence[tuple[Row, Molecule]]
    bad: Sequence[tuple[int, str, str, str]]
    n_total: int


def molecules_report(
    path: Path, *, n_molecules: int, n_rows: int, smiles_column: str | None, id_column: str | None
) -> Report:
    """The report of a file of molecules; of a longer file, `n_rows` are sampled.

    Raises:
        InputError: It cannot be read, or has no valid molecule.
    """
    read = read_molecules(path, n_rows, smiles_column=smiles_column, id_column=id_column)
    molecules = [molecule for _, molecule in read.rows]
    values = describe_many(molecules, DESCRIPTORS)
    reasons = [filter_reasons(molecule, FILTERS) for molecule in molecules]
    gallery, note = Gallery(), read.table.note
    own = _own_columns(read)
    columns = [
        TableColumn("smiles", [molecule.smiles for molecule in molecules], "smiles"),
        TableColumn("identifier", [row.identifier for row, _ in read.rows]),
        *(
            TableColumn(name, list(cells), "text" if isinstance(cells, list) else "number")
            for name, cells in own.items()
        ),
        *(
            TableColumn(_free(name, own), values[:, k].tolist(), "number", hint=meaning(name))
            for k, name in enumerate(DESCRIPTORS)
        ),
        TableColumn("filters", ["; ".join(why) for why in reasons], hint="filter alerts"),
        TableColumn("line", [row.line for row, _ in read.rows], "integer", shown=False),
    ]
    table = molecule_table(
        columns, gallery, name=path.name.split(".")[0] or "molecules", n_molecules=n_molecules
    )
    sections = [
        _grid_section(read, values, gallery),
        _properties_section(own, values),
        _filters_section(molecules, reasons),
        _scaffolds_section(molecules, gallery),
        _bad_section(read),
    ]
    return Report(
        kind="molecules",
        title=path.name,
        subtitle=f"{note[:1].upper()}{note[1:]}",
        when=f"file of {moment(path.stat().st_mtime)}",
        cards=_cards(read, values, reasons),
        sections=sections,
        table=table,
        gallery=gallery,
    )


def read_molecules(path: Path, n: int, *, smiles_column: str | None, id_column: str | None) -> Read:
    """Up to `n` rows of a file, sampled uniformly (algorithm R, Vitter 1985; seed 0).

    Raises:
        InputError: The file cannot be read, or none of the sampled rows has a valid molecule.
    """
    table = open_table(path, smiles_column=smiles_column, id_column=id_column)
    generator = np.random.default_rng(0)
    kept: list[Any] = []
    total = 0
    for row in table.rows():
        total += 1
        if len(kept) < n:
            kept.append(row)
        elif (place := int(generator.integers(total))) < n:
            kept[place] = row
    kept.sort(key=lambda row: row.line)
    rows: list[tuple[Row, Molecule]] = []
    bad: list[tuple[int, str, str, str]] = []
    for row in kept:
        molecule = parse(row.text) if isinstance(row, Row) else None
        if molecule is not None and is_valid(molecule):
            rows.append((row, molecule))
        else:
            name, reason = ("", row.reason) if molecule is None else (row.identifier, molecule.reason)
            bad.append((row.line, name, row.text[:200], reason))
    if not rows:
        why = f"Line {bad[0][0]}: {bad[0][-1]}." if bad else None
        raise InputError(f"none of the {total:,} rows of {path} holds a molecule", hint=why)
    return Read(table, rows, bad, total)


def _own_columns(read: Read) -> Columns:
    """The file's own columns: numbers where most cells are numbers, else texts."""
    taken = {read.table.smiles_column, read.table.id_column, "smiles", "identifier"}
    columns: Columns = {}
    for name in [name for name in read.table.columns if name not in taken][:_MOST_COLUMNS]:
        cells = [row.fields.get(name, "") for row, _ in read.rows]
        numbers = np.array([read_number(cell) for cell in cells], dtype=np.float64)
        filled = sum(bool(cell) for cell in cells)
        columns[name] = numbers if filled and np.isfinite(numbers).sum() >= filled / 2 else cells
    return columns


def _free(name: str, taken: dict[str, Any]) -> str:
    """A name for a computed column, distinct from the file's columns."""
    lowered = {key.lower() for key in taken}
    return f"{name} (computed)" if name in lowered else name


def _cards(read: Read, values: NDArray[np.float64], reasons: Sequence[Sequence[str]]) -> list[Card]:
    looked = len(read.rows) + len(read.bad)
    unique = len({molecule.smiles for _, molecule in read.rows})
    clean = sum(not reason_text for reason_text in reasons)
    medians = np.nanmedian(values, axis=0)
    return [
        Card("rows", f"{read.n_total:,}", "" if looked == read.n_total else f"a sample of {looked:,}"),
        Card("valid", percent(len(read.rows) / looked), f"{len(read.bad):,} invalid"),
        Card("different", percent(unique / len(read.rows)), f"{unique:,} molecules"),
        Card("pass all filters", percent(clean / len(read.rows)), ", ".join(FILTERS)),
        Card("QED", shown(float(medians[DESCRIPTORS.index("qed")])), "median"),
        Card("weight", shown(float(medians[DESCRIPTORS.index("mw")])), "median, g/mol"),
    ]


def _grid_section(read: Read, values: NDArray[np.float64], gallery: Gallery) -> Section:
    shown_names = ("qed", "logp", "mw")
    at = [DESCRIPTORS.index(name) for name in shown_names]
    tiles = []
    for n, (row, molecule) in enumerate(read.rows[:_GRID]):
        numbers = ", ".join(f"{label} {shown(float(values[n, i]))}" for label, i in zip(shown_names, at))
        tiles.append(
            Tile(gallery.draw(molecule), molecule.smiles, (row.identifier or f"line {row.line}", numbers))
        )
    return Section("molecules-first", "First molecules", [Tiles(tiles)])


def _properties_section(own: Columns, values: NDArray[np.float64]) -> Section:
    figures: list[Block] = [
        Figure(histogram(cells, x=name), name, "a column of the file", "small")
        for name, cells in own.items()
        if not isinstance(cells, list) and np.isfinite(cells).any()
    ]
    for column, name in enumerate(DESCRIPTORS):
        if np.isfinite(values[:, column]).any():
            figures.append(Figure(histogram(values[:, column], x=name), name, meaning(name), "small"))
    return Section("properties", "Properties", figures)


def _filters_section(molecules: Sequence[Molecule], reasons: Sequence[Sequence[str]]) -> Section:
    n = len(molecules)
    counts = []
    for name in FILTERS:
        passed = sum(not any(reason_text.startswith(f"{name}: ") for reason_text in row) for row in reasons)
        counts.append((name, passed, bar(passed / n, "c2", inner=passed / n), percent(passed / n)))
    why = Counter(_kind(reason_text) for row in reasons for reason_text in dict.fromkeys(row))
    blocks: list[Block] = [Grid(("filter", "pass", "", "share"), counts)]
    if why:
        most = why.most_common(1)[0][1]
        rows = [(*key, count, bar(count / most, "c1")) for key, count in why.most_common(_MOST_REASONS)]
        blocks.append(Grid(("filter", "why", "molecules", ""), rows, "The most frequent alerts"))
    return Section("filters", "Filters", blocks)


def _kind(reason_text: str) -> tuple[str, str]:
    """A reason without the molecule's own value, such as 512 in `molecular weight 512 over 500`."""
    name, _, reason = reason_text.partition(": ")
    if name in {"lipinski", "veber"}:
        words = reason.rsplit(" over ", 1)
        return name, f"{words[0].rsplit(' ', 1)[0]} over {words[1]}" if len(words) > 1 else reason
    return name, reason


def _scaffolds_section(molecules: Sequence[Molecule], gallery: Gallery) -> Section:
    counts = Counter(murcko_scaffold(molecule) for molecule in molecules)
    common = [(smiles, count) for smiles, count in counts.most_common(_SCAFFOLDS + 1) if smiles][:_SCAFFOLDS]
    if not common or common[0][1] < 2:  # noqa: PLR2004 - no scaffold occurs twice
        return Section("scaffolds", "Scaffolds", [])
    tiles = [
        Tile(gallery.draw(smiles), smiles, (f"{count:,} molecules", percent(count / len(molecules))))
        for smiles, count in common
    ]
    note = f"{len(counts):,} different Bemis-Murcko scaffolds; the most frequent ones."
    return Section("scaffolds", "Scaffolds", [Tiles(tiles)], note)


def _bad_section(read: Read) -> Section:
    if not read.bad:
        return Section("rejected", "Not molecules", [])
    rows = read.bad[:20]
    caption = f"The first {len(rows)} of {len(read.bad):,}." if len(read.bad) > len(rows) else ""
    return Section(
        "rejected", "Not molecules", [Grid(("line", "identifier", "text", "reason"), rows, caption=caption)]
    )
