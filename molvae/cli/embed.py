"""`molvae embed`: latent vectors of a file of any size, as Parquet; `embed merge`: the shards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from molvae.cli import fields, options, screening
from molvae.screening.config import ScreenSettings

if TYPE_CHECKING:
    from molvae.cli.output import Session


@click.command(cls=screening.ShardedCommand, settings=ScreenSettings, without=screening.RANKING)
@click.argument("library")
@screening.checkpoint()
@options.output(rows=False, required=True, meaning="Directory of the work; shards may share it.")
@click.option(
    "--predict", is_flag=True, help="Add the properties the model predicts, with standard deviations."
)
@fields.option(ScreenSettings, "standardize")
@options.columns()
@screening.running()
@fields.config()
@options.common()
@options.pass_session
def command(session: Session, /, **given: Any) -> None:
    """Turn every row of LIBRARY (a file of molecules, or - for stdin) into a latent vector.

    As many rows come out as went in, in the same order, with the columns they had and a column 'z': the
    posterior mean, a list of float32 of fixed size, which Arrow, pandas, Polars and Spark read as an array. A
    row that is no molecule keeps its place: it has the reason, and no vector.

    It runs like 'molvae screen': in parts that stay done, in shards, in constant memory; after a stop (exit
    75) the same command goes on. A few molecules, or a CSV with one column per dimension: 'molvae encode'.

    \b
    Examples:
      molvae embed library.smi --checkpoint checkpoints/zinc250k -o embedded
      molvae embed big.parquet --checkpoint run --shard 3/100 -o embedded
      molvae embed merge embedded

    \b
    The directory holds job.json, parts/ and, in the end, result/:
    rows.parquet, rejected.csv (the rows that are no molecules), funnel.json.
    """
    screening.run_every_row(session, **given, vectors=True, domain_score=False)
