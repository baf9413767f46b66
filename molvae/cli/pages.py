"""`molvae report` and `molvae explore`: pages for the browser."""

from __future__ import annotations

import contextlib
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from molvae.cli import inputs, options
from molvae.persistence import locations

if TYPE_CHECKING:
    from molvae.chemistry.molecule import Molecule
    from molvae.cli.output import Session
    from molvae.latent.codec import MolVAE

_ARTICLES = {
    "run": "a training run",
    "checkpoint": "a checkpoint",
    "campaign": "a campaign",
    "screen": "a screen",
    "molecules": "a file of molecules",
}


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@options.path(
    "-o",
    "--output",
    text="Output file.",
    metavar="FILE.html",
    dirs=False,
    default=Path("report.html"),
    show_default=True,
)
@options.path(
    "--baseline",
    text="For a campaign: another one with the same objectives for comparison (--method random).",
    metavar="JOURNAL",
)
@options.path(
    "--corpus",
    text="For a model: corpus whose held-out molecules are shown.  [default: the corpus of the run]",
    metavar="DIR",
    files=False,
)
@options.integer("--molecules", "n_molecules", text="Structures drawn in the table.", default=200, least=0)
@options.integer(
    "--rows", "n_rows", text="Rows of the table: the best, or a uniform sample of a file.", default=5000
)
@options.columns()
@options.device()
@options.common()
def report_command(
    session: Session, /, path: Path, output: Path, columns: options.Columns, **given: Any
) -> None:
    """Make an HTML report of PATH: one file that works offline.

    PATH is a training run (or a checkpoint), a campaign, a screen, or a file of molecules (.csv .smi .sdf
    .parquet, plain or .gz). The report uses existing records only; a campaign or a run may still be running.

    Its table of molecules can be sorted, searched ('Cl qed>0.8'), copied and downloaded as CSV or SDF.
    A URL like report.html#sort=-qed&search=Cl opens it in that state.

    \b
    Examples:
      molvae report better -o better.html
      molvae report better --baseline random -o compared.html
      molvae report run --corpus corpus -o run.html
      molvae report screened -o hits.html
      molvae report mine.csv -o mine.html
    """
    from molvae.reporting.report import kind_of, make_report, write_report

    path = locations.named(path)
    kind = kind_of(path)
    session.note(f"{path}: {_ARTICLES[kind]}")
    report = make_report(path, **columns, **given)
    size = write_report(report, output)
    facts = {
        "report": output,
        "kind": kind,
        "size": f"{size / 1e6:.2f} MB",
        "molecules": 0 if report.table is None else len(report.table.rows),
        "drawn": len(report.gallery),
    }
    session.report(facts)


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option(
    "--molecules",
    metavar="FILE",
    help="Known molecules for the map.  [default: the starter set that comes with molvae]",
)
@options.integer("--map-size", text="Molecules on the map, a random sample of these.", default=1000, least=3)
@options.integer(
    "--port",
    text="Port to listen on.  [default: any free port]",
    default=0,
    least=0,
    most=65535,
    metavar="PORT",
    show_default=False,
)
@click.option("--no-browser", is_flag=True, help="Print the address only.")
@options.columns()
@options.device()
@options.common()
def explore_command(
    session: Session,
    checkpoint: Path,
    molecules: str | None,
    map_size: int,
    port: int,
    no_browser: bool,
    columns: options.Columns,
    device: str,
) -> None:
    """Open a page to browse the latent space of the model CHECKPOINT.

    Type a SMILES to see its reconstruction, predicted properties, neighbors by radius, the path to another
    molecule, and its place on a map of known molecules. The page is served by this process, on this machine
    only (127.0.0.1), at an unguessable address. Ctrl-C stops it.

    \b
    Examples:
      molvae explore checkpoints/zinc250k
      molvae explore run --molecules mine.csv
      molvae explore run --no-browser --port 8050      # then: ssh -L 8050:...
    """
    checkpoint = locations.model_directory(checkpoint)  # check the path before loading libraries

    from molvae.latent.codec import MolVAE
    from molvae.reporting.explorer import Explorer
    from molvae.reporting.explorer_server import ExplorerServer, serve

    model = MolVAE.load(checkpoint, device=device)
    known = _known(model, session, molecules, map_size, columns)
    name = checkpoint.parent.name if checkpoint.name == locations.MODEL else checkpoint.name
    server = ExplorerServer(Explorer(model, name, known), port)
    if session.as_json:
        session.report({"url": server.url})
    else:
        session.note(f"{server.url}\nCtrl-C stops it.")
    if not no_browser:
        webbrowser.open(server.url)
    with contextlib.suppress(KeyboardInterrupt):  # the normal way to stop
        serve(server)


def _known(
    model: MolVAE, session: Session, given: str | None, n: int, columns: options.Columns
) -> list[Molecule]:
    """The molecules of the map, by default of the starter set."""
    from molvae.data.catalog import starter_path
    from molvae.errors import InputError
    from molvae.reporting.explorer import known_molecules

    source = given or str(starter_path())
    rows = inputs.Arguments([source], columns).rows(session)
    found = known_molecules(model, [row.text for row in rows if not row.reason], n)
    if not found:
        raise InputError(f"{source} has no molecule for the map")
    return found
