"""`molvae report`: one HTML file about a run, a campaign, a screen or a file of molecules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from molvae.cli import options, places

if TYPE_CHECKING:
    from molvae.cli.output import Session


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("report.html"),
    show_default=True,
    metavar="FILE.html",
    help="Write the report here.",
)
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    metavar="JOURNAL",
    help="For a campaign: another one with the same objectives to compare with (--method random).",
)
@click.option(
    "--corpus",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="For a model: show it on the held-out molecules of this corpus.  [default: the one beside the run]",
)
@click.option(
    "--molecules",
    "n_molecules",
    type=click.IntRange(0),
    metavar="N",
    default=200,
    show_default=True,
    help="Molecules of the table that are drawn.",
)
@click.option(
    "--rows",
    "n_rows",
    type=click.IntRange(1),
    metavar="N",
    default=5000,
    show_default=True,
    help="Molecules of the table; of more, the best, or an even draw of a file.",
)
@options.columns()
@options.device()
@options.common()
@options.pass_session
def command(
    session: Session,
    /,
    path: Path,
    output: Path,
    baseline: Path | None,
    corpus: Path | None,
    n_molecules: int,
    n_rows: int,
    smiles_column: str | None,
    id_column: str | None,
    device: str,
) -> None:
    """Make a report of PATH: one HTML file that opens anywhere and asks the network for nothing.

    PATH is a training run (or a checkpoint), a campaign, a screen, or a file of molecules (.csv .smi .sdf
    .parquet, plain or .gz); which of them, is seen from what lies there. The report is made from records
    alone; a campaign or a run may still be going on.

    In its table molecules can be sorted, searched ('Cl qed>0.8'), copied and downloaded as CSV or SDF.
    An address like report.html#sort=-qed&search=Cl opens it so.

    \b
    Examples:
      molvae report better -o better.html
      molvae report better --baseline random -o compared.html
      molvae report run --corpus corpus -o run.html
      molvae report screened -o hits.html
      molvae report mine.csv -o mine.html
    """
    from molvae.reporting.report import kind_of, make_report, write_report

    path = places.named(path)
    kind = kind_of(path)
    session.note(f"{path}: {_ARTICLES[kind]}")
    report = make_report(
        path,
        baseline=None if baseline is None else places.journal(baseline),
        corpus=corpus,
        n_molecules=n_molecules,
        n_rows=n_rows,
        smiles_column=smiles_column,
        id_column=id_column,
        device=device,
    )
    written = write_report(report, output, kind)
    facts = {
        "report": written.path,
        "kind": kind,
        "size": f"{written.n_bytes / 1e6:.2f} MB",
        "molecules": written.n_molecules,
        "drawn": written.n_drawn,
    }
    session.report(facts)


_ARTICLES = {
    "run": "a training run",
    "checkpoint": "a checkpoint",
    "campaign": "a campaign",
    "screen": "a screen",
    "molecules": "a file of molecules",
}
