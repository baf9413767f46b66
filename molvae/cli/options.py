"""Options that commands share: output, columns, seed, device, talk."""

from __future__ import annotations

import functools
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from molvae.cli.output import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

pass_session = click.make_pass_decorator(Session, ensure=True)


class Finite(click.FloatRange):
    """A number in a range, neither infinite nor NaN."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """As for any range."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value[:20]!r} is not a finite number.", param, ctx)
        return number


def stacked(*decorators: Decorator) -> Decorator:
    """Several decorators as one, the first outermost."""

    def apply(function: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


def common(*, quiet: Sequence[str] = ("-q", "--quiet")) -> Decorator:
    """`-v`, `-q` and `--json`; a command that needs `-q` for itself leaves `--quiet` alone.

    They act on the session before anything else is read, so that errors in other options heed them too.
    """

    def verbose(ctx: click.Context, param: click.Parameter, value: int) -> None:
        del param
        if value:
            ctx.ensure_object(Session).verbosity = value

    def silent(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        del param
        if value:
            ctx.ensure_object(Session).verbosity = -1

    def as_json(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        del param
        if value:
            ctx.ensure_object(Session).as_json = True

    hidden: dict[str, Any] = {"expose_value": False, "is_eager": True}
    return stacked(
        click.option("--json", is_flag=True, callback=as_json, help="Results and errors as JSON.", **hidden),
        click.option(
            "-v", "--verbose", count=True, callback=verbose, help="Say more; repeat for tracebacks.", **hidden
        ),
        click.option(*quiet, is_flag=True, callback=silent, help="Say nothing but errors.", **hidden),
    )


def seed(default: int | None = 0) -> Decorator:
    """`--seed`: same seed, same result."""
    return click.option(
        "--seed",
        type=click.IntRange(0),
        metavar="N",
        default=default,
        show_default=default is not None,
        help="Same seed, same result.",
    )


def device() -> Decorator:
    """`--device`, and `--threads` for the CPU."""
    return stacked(
        click.option(
            "--device",
            type=click.Choice(["auto", "cpu", "cuda", "mps"]),
            default="auto",
            show_default=True,
            help="Where the network runs.",
        ),
        threads(),
    )


def threads() -> Decorator:
    """`--threads`, in force while the command runs; the command does not see it.

    One by default: matrices are small, waiting threads burn cores, and other numbers round differently.
    """
    option = click.option(
        "--threads",
        type=click.IntRange(0, 1024),
        default=0,
        metavar="N",
        help="CPU threads; more pay on an idle machine.  [default: OMP_NUM_THREADS if set, else 1]",
    )

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def limited(*args: Any, threads: int, **kwargs: Any) -> Any:
            from molvae.models.devices import limited_threads

            if threads == 0 and "OMP_NUM_THREADS" in os.environ:
                return function(*args, **kwargs)
            with limited_threads(threads or 1):
                return function(*args, **kwargs)

        return option(limited)

    return decorate


def output(
    *, required: bool = False, rows: bool = True, page: bool = False, meaning: str | None = None
) -> Decorator:
    """`-o`: a file by its suffix for rows (or a `page`), a directory otherwise."""
    text = meaning or "Write here (.csv .csv.gz .parquet .smi .sdf .jsonl); default: stdout as CSV."
    return click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path, dir_okay=not rows, file_okay=rows),
        required=required,
        callback=(known_suffix_or_page if page else known_suffix) if rows else None,
        metavar="FILE" if rows else "DIR",
        help=text,
    )


def known_suffix(_context: click.Context, _parameter: click.Parameter, value: Path | None) -> Path | None:
    """The file for rows; a suffix that names no format is told before any work is done."""
    if value is not None and str(value) != "-":
        from molvae.data.writers import suffix_of

        suffix_of(value)
    return value


def known_suffix_or_page(
    context: click.Context, parameter: click.Parameter, value: Path | None
) -> Path | None:
    """As `known_suffix`, for rows that can be a page (`is_page`) too."""
    return value if value is not None and is_page(value) else known_suffix(context, parameter, value)


def is_page(target: Path) -> bool:
    """Whether a file is to be looked at in a browser."""
    return target.suffix.lower() in {".html", ".htm"}


def columns() -> Decorator:
    """`--smiles-column` and `--id-column`."""
    return stacked(
        click.option(
            "--smiles-column", metavar="NAME", help="Column with the SMILES; default: found by its header."
        ),
        click.option(
            "--id-column", metavar="NAME", help="Column with identifiers; default: found by its header."
        ),
    )


def split_names(values: Sequence[str]) -> tuple[str, ...]:
    """`--labels a,b --labels c` as `("a", "b", "c")`.

    >>> split_names(["a, b", "c"])
    ('a', 'b', 'c')
    """
    return tuple(name.strip() for value in values for name in value.split(",") if name.strip())
