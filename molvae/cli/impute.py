"""`molvae impute`: fill the empty cells of a table of assays, rank compounds, suggest measurements."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from molvae.cli import options
from molvae.cli.output import Session, table_text
from molvae.data.records import Column
from molvae.persistence import locations
from molvae.text import jsonable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from molvae.data.assay_table import AssayTable
    from molvae.latent.panel import AssayPanel
    from molvae.latent.prediction import PropertyPrediction

_SHOWN = 20  # assays printed


@click.command()
@click.argument("table")
@options.path(
    "--checkpoint",
    text="Model whose latent vectors describe the molecules.",
    metavar="PATH",
    default=Path("zinc250k"),
    show_default=True,
)
@options.directory("Directory of the result.", required=True)
@click.option("--rank", metavar="ASSAY", help="Also rank the compounds not yet measured in ASSAY.")
@click.option("--lowest", is_flag=True, help="With --rank: low values are better.")
@options.integer("--top", text="With --rank: number of compounds.", default=50)
@options.integer(
    "--next",
    "n_next",
    text="Also list the N most informative empty cells to measure; with --rank, the N compounds with the "
    "largest expected improvement in ASSAY.",
)
@options.columns()
@options.seed()
@options.device()
@options.common()
def impute_command(
    session: Session,
    table: str,
    checkpoint: Path,
    output: Path,
    rank: str | None,
    lowest: bool,
    top: int,
    n_next: int | None,
    columns: options.Columns,
    seed: int,
    device: str,
) -> None:
    """Fill the empty cells of TABLE: SMILES, and columns of numbers (or of 0 and 1).

    Every column of numbers is an assay. Empty cells are predicted from the compound's results in other
    assays, its structure and its latent vector, with a standard deviation; a column of 0 and 1 gets
    probabilities. An empty cell is missing, never 0. The quality is measured on held-out cells: do not trust
    a column whose R2 is not above 0.

    \b
    Examples:
      molvae impute assays.csv -o filled
      molvae impute assays.csv -o filled --rank hERG --lowest --top 50
      molvae impute assays.csv -o filled --next 96 --seed 7

    \b
    DIR has
      imputed.csv   the filled table, and ASSAY_sd for each cell that was empty
      assays.csv    prediction quality on held-out cells, by assay
      ranking.csv   with --rank: compounds not yet measured, best first
      next.csv      with --next: cells to measure
      panel/        the fitted models and the table, for molvae.AssayPanel.load
    """
    source = locations.model_directory(checkpoint)

    from molvae.data.assay_table import AssayTable
    from molvae.latent.panel import AssayPanel

    given = AssayTable.read(table, **columns)
    with session.progress() as progress:
        panel = AssayPanel(str(source), seed=seed, device=device).fit(given, progress=progress)
    for note in panel.notes_:
        session.note(note)
    if rank is not None:
        panel.column(rank)  # an unknown assay is an error before anything is written
    panel.save(output / "panel")
    found = panel.predict()
    _write_filled(session, output / "imputed.csv", given, found)
    figures = [jsonable(asdict(row)) for row in panel.figures_]
    header = list(figures[0])
    _write(session, output / "assays.csv", header, (list(row.values()) for row in figures))
    listed = ["smiles", "id", "assay", "predicted", "sd"]
    if rank is not None:
        mean = np.where(found.variance > 0, found.mean, np.nan)[:, [panel.column(rank)]]
        best = _ranked(panel, given, found, -mean if lowest else mean, (rank,), top)
        _write(session, output / "ranking.csv", listed, (row[:-1] for row in best))
    if n_next is not None and rank is not None:
        worth = panel.expected_improvement(rank, lowest=lowest)[:, None]
        best = _ranked(panel, given, found, worth, (rank,), n_next)
        _write(session, output / "next.csv", [*listed, "expected_improvement"], best)
    elif n_next is not None:
        best = _ranked(panel, given, found, panel.gains(), found.names, n_next)
        _write(session, output / "next.csv", [*listed, "variance_explained"], best)
    facts = {
        "compounds": len(panel.smiles_),
        "assays": figures,
        "measured": int((found.variance == 0).sum()),
        "imputed": int((found.variance > 0).sum()),
        "output": output,
    }
    rows = [[round(v, 3) if isinstance(v, float) else v for v in row.values()] for row in figures[:_SHOWN]]
    more = f"\nand {len(figures) - _SHOWN} more in {output / 'assays.csv'}" if figures[_SHOWN:] else ""
    session.report(facts, f"{table_text(header, rows)}{more}\n{facts['imputed']:,} cells -> {output}")


def _ranked(
    panel: AssayPanel,
    given: AssayTable,
    found: PropertyPrediction,
    worth: np.ndarray,
    names: Sequence[str],
    n: int,
) -> Iterator[list[Any]]:
    """The `n` best of the cells that `worth` ranks, with predictions; a repeated molecule counts once."""
    seen: set[tuple[int, int]] = set()
    for cell in np.argsort(-worth.ravel(), kind="stable"):
        i, j = divmod(int(cell), len(names))
        if len(seen) == n or not np.isfinite(worth[i, j]):
            return
        if (key := (int(panel.rows_[i]), j)) not in seen:
            seen.add(key)
            column = panel.column(names[j])
            predicted = found.mean[i, column], np.sqrt(found.variance[i, column])
            yield [given.smiles[i], given.identifiers[i], names[j], *predicted, worth[i, j]]


def _write_filled(session: Session, target: Path, given: AssayTable, found: PropertyPrediction) -> None:
    deviation = np.where(found.variance > 0, np.sqrt(found.variance), np.nan)
    header = ["smiles", "id", *(f"{name}{end}" for name in found.names for end in ("", "_sd"))]
    cells = np.stack([found.mean, deviation], axis=2).reshape(len(given), -1)
    rows = (
        [smiles, name, *numbers]
        for smiles, name, numbers in zip(given.smiles, given.identifiers, cells.tolist(), strict=True)
    )
    _write(session, target, header, rows)


def _write(session: Session, target: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    text = {"smiles", "id", "assay", "kind"}
    columns = [Column(name, "text" if name in text else "number") for name in header]
    with session.rows(target, columns) as writer:
        for row in rows:
            writer.write(list(row))
