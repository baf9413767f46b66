"""`molvae predict`: what a model says of every row of a file of any size; `predict merge`: the shards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from molvae.cli import campaign_predictions, fields, options, screening
from molvae.screening.config import ScreenSettings

if TYPE_CHECKING:
    from molvae.cli.output import Session


class PredictCommand(screening.ShardedCommand):
    """A model predicts; with `--campaign` a campaign does, which is the other command."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The context of this command or of the other."""
        if any(word.partition("=")[0] == "--campaign" for word in args):
            return campaign_predictions.command.make_context(info_name, args, parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command(cls=PredictCommand, settings=ScreenSettings, without=screening.RANKING)
@click.argument("library")
@screening.checkpoint()
@options.output(rows=False, required=True, meaning="Directory of the work; shards may share it.")
@fields.option(ScreenSettings, "descriptors", metavar="A,B")
@fields.option(ScreenSettings, "standardize")
@options.columns()
@screening.running()
@screening.table_format()
@fields.config()
@options.common()
@options.pass_session
def command(session: Session, /, **given: Any) -> None:
    """Predict the properties of every row of LIBRARY (a file of molecules, or - for stdin) with a model.

    As many rows come out as went in, in the same order, with the columns they had: the model's properties
    with standard deviations, descriptors if asked for, and, if the checkpoint is calibrated, how usual the
    molecule is to the model ('domain_p_value': at .05 and below it is outside the applicability domain). A
    row that is no molecule, or one with tokens the model does not know, keeps its place and has the reason.

    It runs like 'molvae screen': in parts that stay done, in shards, in constant memory; after a stop (exit
    75) the same command goes on. A few molecules are quicker with 'molvae encode --predict'.

    'molvae predict --campaign DIR FILE' scores ideas of your own with what a campaign has learned.

    \b
    Examples:
      molvae predict library.smi --checkpoint checkpoints/zinc250k -o predicted
      molvae predict big.parquet --checkpoint run --format parquet \\
          --shard 3/100 -o predicted
      molvae predict merge predicted

    \b
    The directory holds job.json, parts/ and, in the end, result/:
    rows.csv, rejected.csv (the rows that are no molecules), funnel.json.
    """
    screening.run_every_row(session, **given)
