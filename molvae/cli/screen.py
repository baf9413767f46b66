"""`molvae screen`: any number of molecules through a model; `molvae screen merge`: all shards as one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from molvae.cli import objectives, options, places
from molvae.cli.output import table_text
from molvae.cli.stopping import stopping
from molvae.errors import InputError
from molvae.screening.config import ScreenSettings

if TYPE_CHECKING:
    from molvae.cli.output import Session
    from molvae.screening.funnel import Funnel
    from molvae.screening.merging import Merged

_SHOWN = 10  # of the best
_MOST_REASONS = 8

FORMATS = ("csv", "csv.gz", "parquet", "smi", "sdf", "jsonl")


def _table_format() -> options.Decorator:
    return click.option(
        "--format",
        "suffix",
        type=click.Choice(FORMATS),
        default="csv",
        show_default=True,
        help="Format of the tables of the result.",
    )


class _Screen(options.SettingsCommand):
    """`merge` as the first word means the other command."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The context of this command or of `merge`."""
        if args[:1] == ["merge"]:
            return merge_command.make_context(f"{info_name} merge", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command(cls=_Screen, settings=ScreenSettings)
@click.argument("library")
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    required=True,
    metavar="PATH",
    help="The model: a checkpoint, or the run that made it.",
)
@options.output(rows=False, required=True, meaning="Directory of the screen; shards may share it.")
@objectives.objective_options()
@options.setting(ScreenSettings, "top", metavar="K")
@click.option("--all", "keep_all", is_flag=True, default=None, help="Keep all hits, not only the best.")
@options.setting(ScreenSettings, "descriptors", metavar="A,B")
@options.setting(ScreenSettings, "filters", metavar="A,B")
@options.setting(ScreenSettings, "reference", metavar="PATH")
@options.setting(ScreenSettings, "domain", metavar="A,B")
@options.setting(ScreenSettings, "standardize")
@options.columns()
@click.option(
    "--shard",
    default="0/1",
    show_default=True,
    metavar="I/N",
    help="Only this share of the library, from 0/N to (N-1)/N; merge them all when they are done.",
)
@click.option(
    "--workers",
    type=click.IntRange(-1),
    default=-1,
    show_default=True,
    help="Processes: -1 one per core, 0 none but this; the result is the same.",
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Processes here, or actors of a Ray cluster (RAY_ADDRESS; else one is started here).",
)
@click.option(
    "--max-minutes", type=click.FloatRange(0, min_open=True), help="Stop in time (exit 75); resume later."
)
@_table_format()
@options.device()
@options.config()
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
    suffix: str,
    device: str,
    config: Path | None,
    assignments: tuple[str, ...],
    maximize: tuple[str, ...],
    minimize: tuple[str, ...],
    at_most: tuple[tuple[str, float], ...],
    at_least: tuple[tuple[str, float], ...],
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
          --maximize qed --at-most sa=3 --at-least predicted_logP=1 -o screened
      molvae screen big.csv.gz --checkpoint run --all --descriptors mw,tpsa -o all
      molvae screen big.parquet --checkpoint run --maximize docking.py:score \\
          --filters pains --reference corpus --shard 3/100 -o screened
      molvae screen merge screened

    \b
    The directory holds job.json, parts/ and, in the end, result/:
    best.csv, hits.csv (if all are kept), rejected.csv, funnel.json.
    """
    from molvae.data.partition import Shard
    from molvae.screening.merging import merge
    from molvae.screening.pipeline import screen

    share = Shard.read(shard)
    chosen = {**given, "library": library, "checkpoint": places.checkpoint(checkpoint)}
    chosen["objectives"] = objectives.as_settings(maximize, minimize, at_most, at_least) or None
    settings = options.build(ScreenSettings, chosen, config=config, assignments=assignments)
    with stopping(max_minutes, resumable=True) as stop, session.progress() as progress:
        outcome = screen(
            settings,
            output,
            shard=share,
            workers=workers,
            device=device,
            engine=engine,
            progress=progress,
            stop=stop,
        )
    if share.count > 1:
        session.note(f"shard {shard} is done; when all are: molvae screen merge {output}")
        facts = {"shard": shard, "parts_done_before": outcome.n_skipped, **outcome.funnel.facts()}
        session.report(facts, _account(outcome.funnel))
        return
    _tell(session, merge([output], suffix=f".{suffix}"))


@click.command()
@click.argument("directories", nargs=-1, required=True, type=click.Path(path_type=Path, file_okay=False))
@options.output(rows=False, meaning="Directory of the result; default: result in the first DIRECTORY.")
@_table_format()
@options.common()
@options.pass_session
def merge_command(session: Session, directories: tuple[Path, ...], output: Path | None, suffix: str) -> None:
    """Merge what the shards of a screen have written in DIRECTORIES into one result.

    Every part is verified (sha256) and every row accounted for. Missing parts are named: run their shards
    again.

    \b
    Examples:
      molvae screen merge screened
      molvae screen merge node1 node2 node3 -o result
    """
    from molvae.screening.merging import merge

    _tell(session, merge(directories, output=output, suffix=f".{suffix}"))


def _tell(session: Session, merged: Merged) -> None:
    names = merged.job.numbers()
    wanted = [wish.name for wish in merged.job.settings.objectives]
    facts = {
        **merged.funnel.facts(),
        "result": merged.path,
        "best": [
            {"smiles": hit.smiles, "utility": utility, "identifier": hit.identifier, "line": hit.line}
            | {name: hit.numbers[names.index(name)] for name in wanted}
            for utility, hit in merged.best[:_SHOWN]
        ],
    }
    text = _account(merged.funnel)
    if merged.best:
        rows = [
            [rank, *(hit.numbers[names.index(name)] for name in dict.fromkeys(wanted)), hit.line, hit.smiles]
            for rank, (_, hit) in enumerate(merged.best[:_SHOWN], start=1)
        ]
        text += "\n" + table_text(["rank", *dict.fromkeys(wanted), "line", "SMILES"], rows)
    session.report(facts, f"{text}\nresult  {merged.path}")
    if merged.funnel.valid == 0:
        raise InputError(
            f"none of the {merged.funnel.read:,} rows holds a molecule",
            hint=f"{merged.path / 'rejected.csv'} says why.",
        )


def _account(funnel: Funnel) -> str:
    lines = [str(funnel), funnel.balance]
    reasons = sorted(funnel.by_reason.items(), key=lambda item: -item[1])
    if reasons:
        rows = [(f"{count:,}", reason) for reason, count in reasons[:_MOST_REASONS]]
        lines += ["", table_text(("dropped", "why"), rows).rstrip()]
    return "\n".join(lines)
