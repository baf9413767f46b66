"""`molvae explore`: a page on this machine to wander in a model's latent space."""

from __future__ import annotations

import contextlib
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from molvae.cli import inputs, options, places

if TYPE_CHECKING:
    from molvae.chemistry.molecule import Molecule
    from molvae.cli.output import Session
    from molvae.latent.codec import MolVAE


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option(
    "--molecules",
    metavar="FILE",
    help="Known molecules the map is drawn from; default: the starter set that comes with molvae.",
)
@click.option(
    "--map-size",
    type=click.IntRange(3),
    default=1000,
    show_default=True,
    metavar="N",
    help="Molecules on the map, drawn at random from those.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="PORT",
    help="Where to listen.  [default: any free port]",
)
@click.option("--no-browser", is_flag=True, help="Say the address, and leave the browser to you.")
@options.columns()
@options.device()
@options.common()
@options.pass_session
def command(
    session: Session,
    checkpoint: Path,
    molecules: str | None,
    map_size: int,
    port: int,
    no_browser: bool,
    smiles_column: str | None,
    id_column: str | None,
    device: str,
) -> None:
    """Open a page to wander in the latent space of the model CHECKPOINT.

    Type a SMILES: see what the model makes of it, its predicted properties, its neighbors by radius, the way
    to another molecule, and where all that lies on a map of known molecules. The page is served by this
    process, on this machine only (127.0.0.1), at an address nobody can guess. Ctrl-C ends it.

    \b
    Examples:
      molvae explore checkpoints/zinc250k
      molvae explore run --molecules mine.csv
      molvae explore run --no-browser --port 8050      # then: ssh -L 8050:...
    """
    checkpoint = places.checkpoint(checkpoint)  # a wrong path is told before libraries are loaded

    from molvae.latent.codec import MolVAE
    from molvae.reporting.explorer import Explorer
    from molvae.reporting.explorer_server import ExplorerServer, serve

    model = MolVAE.load(checkpoint, device=device)
    known = _known(model, session, molecules, map_size, smiles_column, id_column)
    name = checkpoint.parent.name if checkpoint.name == places.MODEL else checkpoint.name
    server = ExplorerServer(Explorer(model, name, known, n_samples=map_size), port)
    if session.as_json:
        session.report({"url": server.url})
    else:
        session.note(f"{server.url}\nCtrl-C ends it.")
    if not no_browser:
        webbrowser.open(server.url)
    with contextlib.suppress(KeyboardInterrupt):  # how it is meant to end
        serve(server)


def _known(
    model: MolVAE,
    session: Session,
    given: str | None,
    n: int,
    smiles_column: str | None,
    id_column: str | None,
) -> list[Molecule]:
    """The molecules of the map; none, if none were given and the starter set is not installed."""
    from molvae.data.catalog import starter_path
    from molvae.errors import InputError
    from molvae.reporting.explorer import known_molecules

    try:
        source = given or str(starter_path())
    except InputError:
        session.note("the starter set is not installed: the map is drawn from samples of the model")
        return []
    rows = inputs.given([source], session, smiles_column=smiles_column, id_column=id_column)
    found = known_molecules(model, [row.text for row in rows if not row.reason], n)
    if not found:
        raise InputError(f"{source} has no molecule for the map")
    return found
