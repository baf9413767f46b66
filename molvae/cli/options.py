"""Options that commands share: output, columns, model, seed, device, verbosity."""

from __future__ import annotations

import functools
import inspect
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import click

from molvae.cli.output import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

DEVICES = ("auto", "cpu", "cuda", "mps")


class Finite(click.FloatRange):
    """A number in a range, neither infinite nor NaN."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """As for any range."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value[:20]!r} is not a finite number.", param, ctx)
        return number


def integer(
    *names: str, text: str, default: int | None = None, least: int = 1, most: int | None = None, **more: Any
) -> Decorator:
    """An option for an integer of at least `least`; `text` is its help."""
    kind = click.IntRange(least, most)
    more = {"metavar": "N", "show_default": default is not None, **more}
    return click.option(*names, type=kind, default=default, help=text, **more)


def number(
    *names: str,
    text: str,
    low: float | None = None,
    high: float | None = None,
    open_ends: bool = False,
    **more: Any,
) -> Decorator:
    """An option for a finite number, without its bounds if `open_ends`; `text` is its help."""
    kind = Finite(low, high, min_open=open_ends, max_open=open_ends)
    return click.option(*names, type=kind, help=text, **{"metavar": "X", **more})


def path(
    *names: str, text: str, metavar: str, dirs: bool = True, files: bool = True, **more: Any
) -> Decorator:
    """An option for a path; `text` is its help."""
    kind = click.Path(path_type=Path, dir_okay=dirs, file_okay=files)
    return click.option(*names, type=kind, metavar=metavar, help=text, **more)


def several(*names: str, text: str, metavar: str, **more: Any) -> Decorator:
    """An option that may be given several times; `text` is its help."""
    return click.option(*names, multiple=True, metavar=metavar, help=f"{text}; repeatable.", **more)


def choice(*names: str, text: str, of: Sequence[str], **more: Any) -> Decorator:
    """An option with several choices; `text` is its help."""
    return click.option(*names, type=click.Choice(of), help=text, **more)


def stacked(*decorators: Decorator) -> Decorator:
    """Several decorators as one, the first outermost."""

    def apply(function: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


def bundled(name: str | None, gather: Callable[..., Any], *decorators: Decorator) -> Decorator:
    """Options combined by `gather` into the argument `name` of the command; None if it needs no argument.

    The parameters of `gather` have the names of the options, some of which the command may already have.
    """
    keys = tuple(inspect.signature(gather).parameters)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        bundles = function.__dict__.get("bundles")
        if bundles is None:
            bundles, function = _with_bundles(function)
        bundles.insert(0, (name, keys, gather))
        return stacked(*decorators)(function)

    return decorate


def _with_bundles(function: Callable[..., Any]) -> tuple[list[Any], Callable[..., Any]]:
    """A list of bundles, and the function called with their values."""
    bundles: list[tuple[str | None, tuple[str, ...], Callable[..., Any]]] = []

    @functools.wraps(function)
    def command(*args: Any, **values: Any) -> Any:
        for name, keys, gather in bundles:
            gathered = gather(**{key: values.pop(key) for key in keys})
            if name is not None:
                values[name] = gathered
        return function(*args, **values)

    command.bundles = bundles  # type: ignore[attr-defined]
    return bundles, command


def common(*, quiet: Sequence[str] = ("-q", "--quiet")) -> Decorator:
    """`-v`, `-q` and `--json`, which reach the command as a `Session`, its first argument.

    A command that uses `-q` itself has only `--quiet`. They are processed first, so that they apply to errors
    in other options.
    """

    def sets(attribute: str, meaning: Callable[[Any], Any]) -> Callable[..., None]:
        def callback(ctx: click.Context, _: click.Parameter, value: Any) -> None:
            if value:
                setattr(ctx.ensure_object(Session), attribute, meaning(value))

        return callback

    early: dict[str, Any] = {"expose_value": False, "is_eager": True}
    as_json, verbose = sets("as_json", bool), sets("verbosity", int)
    silent = sets("verbosity", lambda _: -1)
    return stacked(
        click.option("--json", is_flag=True, callback=as_json, help="Results and errors as JSON.", **early),
        click.option(
            "-v",
            "--verbose",
            count=True,
            callback=verbose,
            help="More messages; -vv for tracebacks.",
            **early,
        ),
        click.option(*quiet, is_flag=True, callback=silent, help="Errors only.", **early),
        click.make_pass_decorator(Session, ensure=True),
    )


def seed() -> Decorator:
    """`--seed`."""
    return integer("--seed", text="Random seed.", default=0, least=0)


def workers() -> Decorator:
    """`--workers`."""
    text = "Processes: -1 for one per core, 0 for only this one."
    return integer("--workers", text=text, default=-1, least=-1, most=1024)


def device() -> Decorator:
    """`--device`, and `--threads` for the CPU."""
    text = "Device of the network."
    return stacked(choice("--device", text=text, of=DEVICES, default="auto", show_default=True), threads())


def threads() -> Decorator:
    """`--threads`, applied while the command runs; not passed to it.

    One by default: matrices are small, idle threads burn cores, and results depend on the number.
    """

    def limit(threads: int) -> None:
        from molvae.models.devices import limited_threads

        if threads > 0 or "OMP_NUM_THREADS" not in os.environ:
            click.get_current_context().with_resource(limited_threads(threads or 1))

    text = "CPU threads.  [default: OMP_NUM_THREADS, else 1]"
    option = click.option("--threads", type=click.IntRange(0, 1024), default=0, metavar="N", help=text)
    return bundled(None, limit, option)


def trust() -> Decorator:
    """`--trust`."""
    text = "Also run programs, servers and functions that only a file names (settings, mpo:FILE, ...)."
    return click.option("--trust", is_flag=True, help=text)


_ROWS = "Output file (.csv .csv.gz .parquet .smi .sdf .jsonl).  [default: CSV on stdout]"


def output(text: str = _ROWS, *, page: bool = False) -> Decorator:
    """`-o`: a file of rows (or a `page`), of the format of its suffix."""
    check = functools.partial(known_suffix, page=page)
    return path("-o", "--output", text=text, metavar="FILE", dirs=False, callback=check)


def directory(text: str, *, required: bool = False) -> Decorator:
    """`-o`: a directory."""
    return path("-o", "--output", text=text, metavar="DIR", files=False, required=required)


def known_suffix(
    _context: click.Context, _parameter: click.Parameter, value: Path | None, *, page: bool = False
) -> Path | None:
    """The file for rows (or a `page`); raises early for an unknown suffix."""
    if value is not None and str(value) != "-" and not (page and is_page(value)):
        from molvae.data.writers import suffix_of

        suffix_of(value)
    return value


def is_page(target: Path) -> bool:
    """Whether a file is an HTML page."""
    return target.suffix.lower() in {".html", ".htm"}


class Columns(TypedDict):
    """Columns of a file of molecules, as keywords of its readers; None to detect them by the header."""

    smiles_column: str | None
    id_column: str | None


def columns() -> Decorator:
    """`--smiles-column` and `--id-column`, which reach the command as `columns`."""

    def gather(smiles_column: str | None, id_column: str | None) -> Columns:
        return Columns(smiles_column=smiles_column, id_column=id_column)

    return bundled(
        "columns",
        gather,
        click.option("--smiles-column", metavar="NAME", help="SMILES column.  [default: by its header]"),
        click.option("--id-column", metavar="NAME", help="Identifier column.  [default: by its header]"),
    )


def split_names(values: Sequence[str]) -> tuple[str, ...]:
    """`--labels a,b --labels c` as `("a", "b", "c")`.

    >>> split_names(["a, b", "c"])
    ('a', 'b', 'c')
    """
    return tuple(name.strip() for value in values for name in value.split(",") if name.strip())
