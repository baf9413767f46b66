"""What `screen`, `predict` and `embed` share: a library is led through a model, in shards that are merged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from molvae.cli import fields, options, places
from molvae.cli.output import table_text
from molvae.cli.stopping import stopping
from molvae.errors import InputError, OracleError
from molvae.screening.config import ScreenSettings

if TYPE_CHECKING:
    from collections.abc import Collection

    from molvae.cli.output import Session
    from molvae.screening.funnel import Funnel
    from molvae.screening.merging import Merged
    from molvae.screening.parts import Hit

_SHOWN = 10  # of the best
_MOST_REASONS = 8
_WIDEST_NAME = 30  # characters

RANKING = ("objectives", "top", "keep_all", "every_row")
"""Settings that mean nothing where every row is kept."""

FORMATS = ("csv", "csv.gz", "parquet", "smi", "sdf", "jsonl")


class ShardedCommand(fields.SettingsCommand):
    """A command that is run in shards; `merge` as its first word means the other command."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The context of this command or of `merge`."""
        if args[:1] == ["merge"]:
            return merge_command.make_context(f"{info_name} merge", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


def checkpoint() -> options.Decorator:
    """`--checkpoint`."""
    return click.option(
        "--checkpoint",
        type=click.Path(path_type=Path),
        required=True,
        metavar="PATH",
        help="The model: a checkpoint, or the run that made it.",
    )


def running() -> options.Decorator:
    """How the work is shared: `--shard`, `--workers`, `--engine`, `--max-minutes`, `--device`."""
    return options.stacked(
        click.option(
            "--shard",
            default="0/1",
            show_default=True,
            metavar="I/N",
            help="Only this share of the library, from 0/N to (N-1)/N; merge them all when they are done.",
        ),
        click.option(
            "--workers",
            type=click.IntRange(-1, 1024),
            metavar="N",
            default=-1,
            show_default=True,
            help="Processes: -1 one per core, 0 none but this; the result is the same.",
        ),
        click.option(
            "--engine",
            type=click.Choice(["local", "ray"]),
            default="local",
            show_default=True,
            help="Processes here, or actors of a Ray cluster (RAY_ADDRESS; else one is started here).",
        ),
        click.option(
            "--max-minutes",
            type=options.Finite(0, min_open=True),
            metavar="X",
            help="Stop in time (exit 75); resume later.",
        ),
        options.device(),
    )


def table_format() -> options.Decorator:
    """`--format`."""
    return click.option(
        "--format",
        "suffix",
        type=click.Choice(FORMATS),
        help="Format of the tables of the result.  [default: csv; parquet if they hold vectors]",
    )


def run(
    session: Session,
    settings: ScreenSettings,
    output: Path,
    *,
    shard: str,
    workers: int,
    engine: Literal["local", "ray"],
    max_minutes: float | None,
    device: str,
    suffix: str | None,
    retry_failed: bool = False,
    named: Collection[str] = (),
    trust: bool = False,
) -> None:
    """Run one shard; merge and tell the result if it is the only one."""
    from molvae.data.partition import Shard
    from molvae.screening.merging import merge
    from molvae.screening.pipeline import screen

    share = Shard.read(shard)
    output = places.room_for(output, "screen")
    with stopping(max_minutes, resumable=True) as stop, session.progress() as progress:
        outcome = screen(
            settings,
            output,
            shard=share,
            workers=workers,
            device=device,
            engine=engine,
            retry_failed=retry_failed,
            named=named,
            trust=trust,
            progress=progress,
            stop=stop,
        )
    if share.count > 1:
        name = click.get_current_context().command_path
        session.note(f"shard {shard} is done; when all are: {name} merge {output}")
        facts = {"shard": shard, "parts_done_before": outcome.n_skipped, **outcome.funnel.facts()}
        session.report(facts, _account(outcome.funnel))
        return
    _tell(session, merge([output], suffix=_dotted(suffix)))


def run_every_row(
    session: Session,
    *,
    library: str,
    checkpoint: Path,
    output: Path,
    config: Path | None,
    assignments: tuple[str, ...],
    device: str,
    suffix: str | None = None,
    **given: Any,
) -> None:
    """As `run`, with all rows of the library in the result; `given` are the other options and settings."""
    running = {name: given.pop(name) for name in ("shard", "workers", "engine", "max_minutes")}
    chosen = {**given, "library": library, "checkpoint": places.checkpoint(checkpoint), "every_row": True}
    settings = fields.build(ScreenSettings, chosen, config=config, assignments=assignments)
    run(session, settings, output, suffix=suffix, device=device, **running)


@click.command()
@click.argument("directories", nargs=-1, required=True, type=click.Path(path_type=Path, file_okay=False))
@options.output(rows=False, meaning="Directory of the result; default: result in the first DIRECTORY.")
@table_format()
@options.common()
@options.pass_session
def merge_command(
    session: Session, directories: tuple[Path, ...], output: Path | None, suffix: str | None
) -> None:
    """Merge what the shards of a screen have written in DIRECTORIES into one result.

    Every part is verified (sha256) and every row accounted for. Missing parts are named: run their shards
    again.

    \b
    Examples:
      molvae screen merge screened
      molvae screen merge node1 node2 node3 -o result
    """
    from molvae.screening.merging import merge

    _tell(session, merge(directories, output=output, suffix=_dotted(suffix)))


def _dotted(suffix: str | None) -> str | None:
    return None if suffix is None else f".{suffix}"


def _tell(session: Session, merged: Merged) -> None:
    names = merged.job.numbers()
    wanted = [wish.name for wish in merged.job.settings.objectives]
    facts = {
        **merged.funnel.facts(),
        "unscored": merged.funnel.unscored,
        "result": merged.path,
        "best": [
            {"smiles": hit.smiles, "utility": utility, "identifier": hit.identifier, "line": hit.line}
            | {name: hit.numbers[names.index(name)] for name in wanted}
            for utility, hit in merged.best[:_SHOWN]
        ],
    }
    text = _account(merged.funnel)
    if merged.best:
        wanted = list(dict.fromkeys(wanted))
        rows = [
            [rank, *(hit.numbers[names.index(name)] for name in wanted), *_called(hit), hit.smiles]
            for rank, (_, hit) in enumerate(merged.best[:_SHOWN], start=1)
        ]
        text += "\n" + table_text(["rank", *wanted, "line", "name", "SMILES"], rows)
    session.report(facts, f"{text}\nresult  {merged.path}")
    unscored = merged.funnel.unscored
    again = "'molvae screen' with --retry-failed asks for them again."
    if unscored and merged.funnel.in_domain == unscored:
        raise OracleError(
            f"none of the {unscored:,} molecules that were to be scored has a number; rejected.csv says why",
            hint=f"Repair the oracle: {again}",
        )
    if unscored:
        session.note(f"{unscored:,} molecules have no score (rejected.csv says why): {again}")
    if merged.funnel.valid == 0:
        raise InputError(
            f"none of the {merged.funnel.read:,} rows holds a molecule",
            hint=f"{merged.path / 'rejected.csv'} says why.",
        )


def _called(hit: Hit) -> tuple[int, str]:
    """Line and name of a hit, the name not too wide for a table."""
    name = hit.identifier
    return hit.line, name if len(name) <= _WIDEST_NAME else f"{name[:_WIDEST_NAME]}…"


def standing(path: Path) -> tuple[dict[str, Any], str]:
    """How far a screen is, as facts and in words: the account of its result, or of the parts done so far."""
    from molvae.reporting.screen_records import read_screen

    found = read_screen(path, 0)
    settings = None if found.job is None else found.job.settings
    facts = {
        "kind": "screen",
        "path": path,
        "library": None if settings is None else settings.library,
        "merged": found.unmerged is None,
        "parts_done": found.unmerged,
        "kept_rows": found.n_kept,
        **found.funnel.facts(),
    }
    where = "merged" if found.unmerged is None else f"{found.unmerged:,} parts are done, and not merged yet"
    return facts, f"screen  {path}: {where}\n{_account(found.funnel)}\n"


def _account(funnel: Funnel) -> str:
    lines = [str(funnel), funnel.balance]
    reasons = sorted(funnel.by_reason.items(), key=lambda item: -item[1])
    if reasons:
        rows = [(f"{count:,}", reason) for reason, count in reasons[:_MOST_REASONS]]
        lines += ["", table_text(("dropped", "why"), rows).rstrip()]
    return "\n".join(lines)
