"""`molvae fetch`: a known data set, from the network or a local mirror."""

from __future__ import annotations

from pathlib import Path

import click

from molvae.cli import options
from molvae.cli.output import Session, table_text


@click.command()
@click.argument("name", required=False)
@options.output(rows=False, meaning="Directory the file goes to; default: here.")
@click.option(
    "--mirror",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="MOLVAE_DATA",
    show_envvar=True,
    help="Look in this local directory first.",
)
@options.common()
@options.pass_session
def command(session: Session, name: str | None, output: Path | None, mirror: Path | None) -> None:
    """Download the data set NAME, or list what there is.

    What arrives is checked by its sha256 where one is published. Without a network, the message says what to
    download by hand and where to put it.

    \b
    Examples:
      molvae fetch                      what is known
      molvae fetch zinc250k -o data     249,455 drug-like molecules
      molvae fetch starter              the small set that comes with molvae
    """
    from molvae.data.catalog import CATALOG, STARTER, fetch

    if name is None:
        rows = [(STARTER, "MIT", "About 10,000 drug-like molecules; comes with molvae.")]
        rows += [(dataset.name, dataset.license, dataset.about) for dataset in CATALOG.values()]
        listing = [dict(zip(("name", "license", "about"), row, strict=True)) for row in rows]
        session.report({"datasets": listing}, table_text(("name", "license", "what it is"), rows))
        return
    with session.progress() as progress:
        path = fetch(name, output or Path(), mirror=mirror, progress=progress)
    session.report({"path": path}, str(path))
