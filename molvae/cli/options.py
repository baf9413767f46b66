"""Options that commands share, and options made from settings so that a field's docstring is its help."""

from __future__ import annotations

import functools
import os
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin

import click

from molvae.cli.output import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from molvae.config import Settings

    Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

S = TypeVar("S", bound="Settings")

pass_session = click.make_pass_decorator(Session, ensure=True)


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
        type=click.IntRange(0),
        default=0,
        metavar="N",
        help="CPU threads; more pay on an idle machine.  [default: OMP_NUM_THREADS if set, else 1]",
    )

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def limited(*args: Any, threads: int, **kwargs: Any) -> Any:
            from molvae.latent.device import limited_threads

            if threads == 0 and "OMP_NUM_THREADS" in os.environ:
                return function(*args, **kwargs)
            with limited_threads(threads or 1):
                return function(*args, **kwargs)

        return option(limited)

    return decorate


def output(*, required: bool = False, rows: bool = True, meaning: str | None = None) -> Decorator:
    """`-o`: a file by its suffix for rows, a directory otherwise."""
    text = meaning or "Write here (.csv .csv.gz .parquet .smi .sdf .jsonl); default: stdout as CSV."
    return click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path, dir_okay=not rows, file_okay=rows),
        required=required,
        callback=_known_suffix if rows else None,
        metavar="FILE" if rows else "DIR",
        help=text,
    )


def _known_suffix(_context: click.Context, _parameter: click.Parameter, value: Path | None) -> Path | None:
    """The file for rows; a suffix that names no format is told before any work is done."""
    if value is not None and str(value) != "-":
        from molvae.data.writers import suffix_of

        suffix_of(value)
    return value


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


def config() -> Decorator:
    """`--config` and `--set`."""
    return stacked(
        click.option(
            "--config",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE.toml",
            help="Settings from a TOML file; options and --set go over it.",
        ),
        click.option(
            "--set",
            "assignments",
            multiple=True,
            metavar="KEY=VALUE",
            help="Any setting, also those listed below; repeatable.",
        ),
    )


def setting(cls: type[Settings], key: str, *flags: str, metavar: str | None = None) -> Decorator:
    """An option for one field of `cls` (dotted key): its type, default and help come from the field."""
    annotation, default, text = _field(cls, key)
    kind, multiple, is_flag = _option_type(annotation)
    name = key.replace(".", "__")
    flag = flags or (f"--{key.rpartition('.')[2].replace('_', '-')}",)
    if is_flag:
        flag = (f"{flag[0]}/--no-{flag[0].removeprefix('--')}", *flag[1:])
    shown = "" if default in (None, "", (), "required") else f"  [default: {_default_text(default)}]"
    return click.option(
        *flag,
        name,
        type=None if is_flag else kind,
        multiple=multiple,
        default=None,
        metavar=metavar,
        help=f"{text}{shown}",
    )


def build(
    cls: type[S],
    options: Mapping[str, Any],
    *,
    config: Path | None = None,
    assignments: Sequence[str] = (),
) -> S:
    """Settings from a TOML file, then the given options (those not `None`), then `--set` assignments."""
    from molvae.config import load_settings

    overrides = []
    for name, value in options.items():
        if value is None or value == ():
            continue
        if isinstance(value, tuple) and isinstance(value[0], tuple):  # --labels a,b --labels c
            value = tuple(name for names in value for name in names)  # noqa: PLW2901
        overrides.append(f"{name.replace('__', '.')}={_toml(value)}")
    return load_settings(cls, config, [*overrides, *assignments])


class SettingsCommand(click.Command):
    """A command whose help ends with the settings that have no option of their own."""

    def __init__(self, *args: Any, settings: type[Settings], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.settings = settings

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options, then the settings."""
        from molvae.config import field_help

        super().format_options(ctx, formatter)
        rows = []
        own = {parameter.name for parameter in self.params}  # these have been shown as options
        for key, default, text in field_help(self.settings):
            if key.replace(".", "__") in own:
                continue
            shown = "" if default in ("None", "()", "required", "") else f" [default: {default}]"
            rows.append((key, f"{text}{shown}"))
        with formatter.section("More settings, for --set KEY=VALUE and --config FILE.toml"):
            formatter.write_dl(rows, col_max=28)


def split_names(values: Sequence[str]) -> tuple[str, ...]:
    """`--labels a,b --labels c` as `("a", "b", "c")`.

    >>> split_names(["a, b", "c"])
    ('a', 'b', 'c')
    """
    return tuple(name.strip() for value in values for name in value.split(",") if name.strip())


def _field(cls: type[Settings], key: str) -> tuple[Any, Any, str]:
    *parents, leaf = key.split(".")
    for parent in parents:
        cls = cls.model_fields[parent].annotation  # type: ignore[assignment]
    field = cls.model_fields[leaf]
    text = " ".join((field.description or "").split())
    if field.is_required():
        return field.annotation, "required", text
    return field.annotation, field.get_default(call_default_factory=True, validated_data={}), text


def _option_type(annotation: Any) -> tuple[click.ParamType[Any] | None, bool, bool]:
    """(click type, repeatable, on/off flag) for the annotation of a settings field."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        inner = [part for part in arguments if part is not type(None)]
        if len(inner) == 1:
            return _option_type(inner[0])
        return click.STRING, False, False
    if origin is Literal:
        return click.Choice([str(part) for part in arguments]), False, False
    if origin in (tuple, list):
        return _CommaSeparated(), True, False
    if annotation is bool:
        return None, False, True
    simple: dict[Any, click.ParamType[Any]] = {
        int: click.INT,
        float: click.FLOAT,
        Path: click.Path(path_type=Path),
    }
    return simple.get(annotation, click.STRING), False, False


class _CommaSeparated(click.ParamType):  # type: ignore[type-arg]  # generic only in the newest click
    """Names separated by commas."""

    name = "names"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Split at commas."""
        del param, ctx
        return value if isinstance(value, tuple) else split_names([value])


def _toml(value: Any) -> str:
    """A value as it stands after the equals sign of a line of TOML."""
    import tomli_w

    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    plain = str(value) if isinstance(value, Path) else value
    return tomli_w.dumps({"value": plain}).partition("=")[2].strip()


def _default_text(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ",".join(str(item) for item in value)
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)
