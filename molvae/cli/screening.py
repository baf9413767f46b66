"""Options and steps shared by `screen`, `predict` and `embed`: shards of a library, merging."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from molvae.cli import fields, options
from molvae.cli.output import table_text
from molvae.cli.process import stopping
from molvae.errors import InputError, OracleError
from molvae.persistence import locations
from molvae.screening.config import ScreenSettings

if TYPE_CHECKING:
    from molvae.cli.output import Session
    from molvae.screening.funnel import Funnel
    from molvae.screening.merging import Merged
    from molvae.screening.parts import Hit

_SHOWN = 10  # of the best
_MOST_REASONS = 8
_WIDEST_NAME = 30  # characters

RANKING = ("objectives", "top", "keep_all", "every_row")
"""Settings without effect if every row is kept."""

FORMATS = ("csv", "csv.gz", "parquet", "smi", "sdf", "jsonl")


def library(meaning: str) -> options.Decorator:
    """LIBRARY, `--checkpoint`, `-o` (with the help `meaning`), `--standardize`, and columns."""
    text = "The model: a checkpoint, or the run that made it."
    return options.stacked(
        click.argument("library"),
        options.path("--checkpoint", text=text, metavar="PATH", required=True),
        options.directory(meaning, required=True),
        fields.option(ScreenSettings, "standardize"),
        fields.option(ScreenSettings, "smiles_column", metavar="NAME"),
        fields.option(ScreenSettings, "id_column", metavar="NAME"),
    )


def running() -> options.Decorator:
    """Distribution of the work: `--shard`, `--workers`, `--engine`, `--max-minutes`, `--device`."""
    shard = "Share of the library, from 0/N to (N-1)/N."
    engine = "Local processes, or actors of a Ray cluster."
    kinds = click.Choice(["local", "ray"])
    text = "Stop after X minutes (exit 75)."
    return options.stacked(
        click.option("--shard", default="0/1", show_default=True, metavar="I/N", help=shard),
        options.workers(),
        click.option("--engine", type=kinds, default="local", show_default=True, help=engine),
        options.number("--max-minutes", text=text, low=0, open_ends=True),
        options.device(),
    )


def table_format() -> options.Decorator:
    """`--format`."""
    text = "Format of the result tables.  [default: csv; parquet for vectors]"

    def dotted(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
        return None if value is None else f".{value}"

    return click.option("--format", "suffix", type=click.Choice(FORMATS), callback=dotted, help=text)


def settings_of(given: fields.Given[ScreenSettings], **more: Any) -> ScreenSettings:
    """The settings, with the model directory that --checkpoint means."""
    return given.build(checkpoint=locations.model_directory(given.options["checkpoint"]), **more)


def run(
    session: Session,
    settings: ScreenSettings,
    *,
    output: Path,
    shard: str,
    max_minutes: float | None,
    suffix: str | None = None,
    **running: Any,
) -> None:
    """Run one shard (`I/N`); merge and report the result if it is the only one.

    `running` are further arguments of `molvae.screening.pipeline.screen`.
    """
    from molvae.data.partition import Shard
    from molvae.screening.merging import merge
    from molvae.screening.pipeline import screen

    share = Shard.read(shard)
    output = locations.output_directory(output, "screen")
    with stopping(max_minutes, resumable=True) as stop, session.progress() as progress:
        outcome = screen(settings, output, shard=share, progress=progress, stop=stop, **running)
    if share.count > 1:
        name = click.get_current_context().command_path
        session.note(f"shard {shard} is done; when all are: {name} merge {output}")
        facts = {"shard": shard, "parts_done_before": outcome.n_skipped, **outcome.funnel.facts()}
        session.report(facts, _account(outcome.funnel))
        return
    _report(session, merge([output], suffix=suffix))


@click.command()
@click.argument("directories", nargs=-1, required=True, type=click.Path(path_type=Path, file_okay=False))
@options.directory("Directory of the result.  [default: result in the first DIRECTORY]")
@table_format()
@options.common()
def merge_command(
    session: Session, directories: tuple[Path, ...], output: Path | None, suffix: str | None
) -> None:
    """Merge the shards of a screen in DIRECTORIES into one result.

    Every part is verified (sha256) and every row accounted for. Missing parts are listed: run their shards
    again.

    \b
    Examples:
      molvae screen merge screened
      molvae screen merge node1 node2 node3 -o result
    """
    from molvae.screening.merging import merge

    _report(session, merge(directories, output=output, suffix=suffix))


def _report(session: Session, merged: Merged) -> None:
    names = merged.job.numbers()
    wanted = {o.name: names.index(o.name) for o in merged.job.settings.objectives}
    facts = {
        **merged.funnel.facts(),
        "unscored": merged.funnel.unscored,
        "result": merged.path,
        "best": [
            {"smiles": hit.smiles, "utility": utility, "identifier": hit.identifier, "line": hit.line}
            | {name: hit.numbers[index] for name, index in wanted.items()}
            for utility, hit in merged.best[:_SHOWN]
        ],
    }
    text = _account(merged.funnel)
    if merged.best:
        rows = [
            [rank, *(hit.numbers[index] for index in wanted.values()), *_called(hit), hit.smiles]
            for rank, (_, hit) in enumerate(merged.best[:_SHOWN], start=1)
        ]
        text += "\n" + table_text(["rank", *wanted, "line", "name", "SMILES"], rows)
    session.report(facts, f"{text}\nresult  {merged.path}")
    unscored = merged.funnel.unscored
    again = "'molvae screen' with --retry-failed scores them again."
    if unscored and merged.funnel.in_domain == unscored:
        raise OracleError(
            f"none of the {unscored:,} molecules could be scored; see rejected.csv",
            hint=f"Fix the oracle: {again}",
        )
    if unscored:
        session.note(f"{unscored:,} molecules have no score (see rejected.csv): {again}")
    if merged.funnel.valid == 0:
        raise InputError(
            f"none of the {merged.funnel.read:,} rows has a valid molecule",
            hint=f"See {merged.path / 'rejected.csv'}.",
        )


def _called(hit: Hit) -> tuple[int, str]:
    """Line and name of a hit, the name cut for a table."""
    name = hit.identifier
    return hit.line, name if len(name) <= _WIDEST_NAME else f"{name[:_WIDEST_NAME]}…"


def standing(path: Path) -> tuple[dict[str, Any], str]:
    """Progress of a screen, as facts and text: the account of its result, or of the finished parts."""
    from molvae.reporting.screening_report import read_screen

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
    where = "merged" if found.unmerged is None else f"{found.unmerged:,} parts are done, not merged yet"
    return facts, f"screen  {path}: {where}\n{_account(found.funnel)}\n"


def _account(funnel: Funnel) -> str:
    lines = [str(funnel), funnel.balance]
    rows = [(f"{count:,}", reason) for reason, count in Counter(funnel.by_reason).most_common(_MOST_REASONS)]
    if rows:
        lines += ["", table_text(("dropped", "why"), rows).rstrip()]
    return "\n".join(lines)
