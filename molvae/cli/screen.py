"""`molvae screen`: any number of molecules through a model; `molvae screen merge`: all shards as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import click

from molvae.cli import fields, objectives, options, places, screening
from molvae.screening.config import ScreenSettings

if TYPE_CHECKING:
    from pathlib import Path

    from molvae.cli.output import Session


@click.command(cls=screening.ShardedCommand, settings=ScreenSettings)
@click.argument("library")
@screening.checkpoint()
@options.output(rows=False, required=True, meaning="Directory of the screen; shards may share it.")
@objectives.objective_options()
@objectives.trust_option()
@fields.option(ScreenSettings, "top", metavar="K")
@click.option("--all", "keep_all", is_flag=True, default=None, help="Keep all hits, not only the best.")
@fields.option(ScreenSettings, "descriptors", metavar="A,B")
@fields.option(ScreenSettings, "filters", metavar="A,B")
@fields.option(ScreenSettings, "reference", metavar="PATH")
@fields.option(ScreenSettings, "domain", metavar="A,B")
@fields.option(ScreenSettings, "standardize")
@fields.option(ScreenSettings, "failure_limit", metavar="N")
@click.option(
    "--retry-failed", is_flag=True, help="Score again the molecules that an oracle gave no number for."
)
@options.columns()
@screening.running()
@screening.table_format()
@fields.config()
@options.common()
@options.pass_session
def command(
    session: Session,
    /,
    library: str,
    checkpoint: Path,
    output: Path,
    shard: str,
    workers: int,
    engine: Literal["local", "ray"],
    max_minutes: float | None,
    suffix: str | None,
    device: str,
    retry_failed: bool,
    config: Path | None,
    assignments: tuple[str, ...],
    maximize: tuple[str, ...],
    minimize: tuple[str, ...],
    at_most: tuple[tuple[str, float], ...],
    at_least: tuple[tuple[str, float], ...],
    keep: tuple[str, ...],
    trust: bool,
    **given: Any,
) -> None:
    """Screen LIBRARY (.smi .csv .tsv .sdf, plain or .gz, .parquet, - for stdin) with a model.

    Each row is read, parsed, standardized, filtered, compared with what is known (--reference), encoded; the
    model predicts its properties if it lies in the applicability domain; bounds make the hits and goals rank
    them. A NAME is a descriptor (qed, logp, sa, ...), any oracle, or predicted_X for a property X the model
    predicts. Memory does not grow with the library, and every row is accounted for.

    The library is cut into parts, and a part that is done stays done: after a stop (exit 75) or a crash the
    same command goes on. Shards divide the work; 'molvae screen merge DIR...' puts them together. The result
    is the same, byte for byte, for any number of shards and workers.

    \b
    Examples:
      molvae screen library.smi --checkpoint checkpoints/zinc250k \\
          --maximize qed --at-most sa=3 --at-least predicted_logp=1 -o screened
      molvae screen big.csv.gz --checkpoint run --all --descriptors mw,tpsa -o all
      molvae screen big.parquet --checkpoint run --maximize docking.py:score \\
          --filters pains --reference corpus --shard 3/100 -o screened
      molvae screen merge screened

    \b
    The directory holds job.json, parts/ and, in the end, result/:
    best.csv, hits.csv (if all are kept), rejected.csv, funnel.json.
    """
    chosen = {**given, "library": library, "checkpoint": places.checkpoint(checkpoint)}
    wanted = objectives.as_settings(maximize, minimize, at_most, at_least, keep)
    chosen["objectives"] = wanted or None
    settings = fields.build(ScreenSettings, chosen, config=config, assignments=assignments)
    screening.run(
        session,
        settings,
        output,
        shard=shard,
        workers=workers,
        engine=engine,
        max_minutes=max_minutes,
        device=device,
        suffix=suffix,
        retry_failed=retry_failed,
        named=objectives.named(wanted, settings.objectives, assignments),
        trust=trust,
    )
