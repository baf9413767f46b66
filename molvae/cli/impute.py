"""`molvae impute`: fill the empty cells of a table of assays, rank compounds, say what to measure next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from molvae.cli import options, places
from molvae.cli.output import Session, table_text
from molvae.data.writers import Column

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from molvae.data.assay_table import AssayTable
    from molvae.latent.panel import AssayPanel
    from molvae.latent.prediction import PropertyPrediction

_FIGURES = ("assay", "kind", "values", "held_out", "r2", "r2_alone", "spearman", "mae", "within_90")
_SHOWN = 20  # assays printed


@click.command()
@click.argument("table")
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    default=Path("zinc250k"),
    show_default=True,
    help="Model whose latent vectors describe the molecules.",
)
@options.output(rows=False, required=True, meaning="Directory of the result.")
@click.option(
    "--rank", metavar="ASSAY", help="Also list the compounds not yet measured in ASSAY, the best first."
)
@click.option("--lowest", is_flag=True, help="With --rank: low values are good.")
@click.option(
    "--top",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    metavar="N",
    help="With --rank: how many.",
)
@click.option(
    "--next",
    "n_next",
    type=click.IntRange(1),
    metavar="N",
    help="Also list the N empty cells whose measurement would tell most about the panel; with --rank, the N "
    "compounds with the largest expected improvement in ASSAY.",
)
@options.columns()
@options.seed()
@options.device()
@options.common()
@options.pass_session
def command(
    session: Session,
    table: str,
    checkpoint: Path,
    output: Path,
    rank: str | None,
    lowest: bool,
    top: int,
    n_next: int | None,
    smiles_column: str | None,
    id_column: str | None,
    seed: int,
    device: str,
) -> None:
    """Fill TABLE: SMILES, and columns of numbers (or of 0 and 1) with empty cells where nothing was measured.

    Every column of numbers is an assay. What is known of a compound in other assays, its structure and its
    latent vector together predict what is not known, with a standard deviation; a column of 0 and 1 gets
    probabilities. An empty cell is missing, never 0. Cells are held out to say how good this is: trust no
    column whose R2 is not above 0.

    \b
    Examples:
      molvae impute assays.csv -o filled
      molvae impute assays.csv -o filled --rank hERG --lowest --top 50
      molvae impute assays.csv -o filled --next 96 --seed 7

    \b
    DIR holds
      imputed.csv   the table, filled: for each assay ASSAY and ASSAY_sd (empty where it was measured)
      assays.csv    how well held-out cells were predicted, assay by assay
      ranking.csv   with --rank: compounds not yet measured, the best first
      next.csv      with --next: cells worth measuring
      panel/        what was learned, for molvae.AssayPanel.load; it holds the table, too
    """
    source = places.checkpoint(checkpoint)

    from molvae.data.assay_table import AssayTable
    from molvae.latent.panel import AssayPanel

    given = AssayTable.read(table, smiles_column=smiles_column, id_column=id_column)
    with session.progress() as progress:
        panel = AssayPanel(str(source), seed=seed, device=device).fit(given, progress=progress)
    for note in panel.notes_:
        session.note(note)
    if rank is not None:
        panel.column(rank)
    panel.save(output / "panel")
    found = panel.predict()
    _write_filled(session, output / "imputed.csv", given, found)
    figures = [_row(figure) for figure in panel.figures_]
    _write(session, output / "assays.csv", _FIGURES, figures)
    if rank is not None:
        _write(session, output / "ranking.csv", *_ranking(panel, given, found, rank, lowest=lowest, top=top))
    if n_next is not None:
        _write(session, output / "next.csv", *_next(panel, given, found, rank, lowest=lowest, n=n_next))
    shown = [
        tuple(value if value is None or not isinstance(value, float) else round(value, 3) for value in row)
        for row in figures
    ]
    more = f"\nand {len(shown) - _SHOWN} more in {output / 'assays.csv'}" if len(shown) > _SHOWN else ""
    told = {
        "compounds": len(panel.smiles_),
        "assays": [dict(zip(_FIGURES, row, strict=True)) for row in figures],
        "measured": int((found.variance == 0).sum()),
        "imputed": int((found.variance > 0).sum()),
        "output": output,
    }
    session.report(
        told, f"{table_text(_FIGURES, shown[:_SHOWN])}{more}\n{told['imputed']:,} cells -> {output}"
    )


def _row(figure: Any) -> tuple[Any, ...]:
    names = ("name", "kind", "n", "held_out", "r2", "r2_alone", "spearman", "mae", "within_90")
    return tuple(None if (value := getattr(figure, name)) != value else value for name in names)


def _write_filled(session: Session, target: Path, given: AssayTable, found: PropertyPrediction) -> None:
    deviation = np.where(found.variance > 0, np.sqrt(found.variance), np.nan)
    header = ["smiles", "id", *(f"{name}{end}" for name in found.names for end in ("", "_sd"))]
    cells = np.stack([found.mean, deviation], axis=2).reshape(len(given), -1)
    rows = ([smiles, name, *map(_cell, numbers)] for smiles, name, numbers in _zipped(given, cells))
    _write(session, target, header, rows)


def _ranking(
    panel: AssayPanel, given: AssayTable, found: PropertyPrediction, assay: str, *, lowest: bool, top: int
) -> tuple[Sequence[str], list[list[Any]]]:
    column = panel.column(assay)
    mean = np.where(found.variance[:, column] > 0, found.mean[:, column], np.nan)
    order = _best(mean if lowest else -mean, panel.rows_, top)
    deviation = np.sqrt(found.variance[:, column])
    rows = [[given.smiles[i], given.identifiers[i], float(mean[i]), float(deviation[i])] for i in order]
    return ("smiles", "id", assay, f"{assay}_sd"), rows


def _next(
    panel: AssayPanel, given: AssayTable, found: PropertyPrediction, rank: str | None, *, lowest: bool, n: int
) -> tuple[Sequence[str], list[list[Any]]]:
    if rank is None:
        worth, meaning = panel.gains().mean, "variance_explained"
    else:
        worth, meaning = panel.expected_improvement(rank, lowest=lowest)[:, None], "expected_improvement"
    names = found.names if rank is None else (rank,)
    molecules = np.repeat(panel.rows_, len(names)) * len(names) + np.tile(np.arange(len(names)), len(given))
    rows = []
    for cell in _best(-worth.ravel(), molecules, n):
        i, name = cell // len(names), names[cell % len(names)]
        column = panel.column(name)
        mean, deviation = found.mean[i, column], np.sqrt(found.variance[i, column])
        numbers = (float(mean), float(deviation), float(worth.ravel()[cell]))
        rows.append([given.smiles[i], given.identifiers[i], name, *numbers])
    return ("smiles", "id", "assay", "predicted", "sd", meaning), rows


def _best(cost: Any, identity: Any, n: int) -> list[int]:
    """The `n` cheapest that have a cost, none of them twice."""
    order = [int(i) for i in np.argsort(cost, kind="stable") if np.isfinite(cost[i])]
    first = {int(identity[i]): i for i in reversed(order)}
    return sorted(first.values(), key=lambda i: (float(cost[i]), i))[:n]


def _zipped(given: AssayTable, cells: Any) -> Iterable[tuple[str, str, Any]]:
    return zip(given.smiles, given.identifiers, cells, strict=True)


def _cell(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _write(session: Session, target: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    text = {"smiles", "id", "assay", "kind"}
    columns = [Column(name, "text" if name in text else "number") for name in header]
    with session.rows(target, columns) as writer:
        for row in rows:
            writer.write(list(row))
