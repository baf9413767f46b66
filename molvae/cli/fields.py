"""Options made from the fields of settings: a field's type, default and docstring are those of its option."""

from __future__ import annotations

import types
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, get_args, get_origin

import click

from molvae.cli.options import path, split_names, stacked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from molvae.cli.options import Decorator
    from molvae.config import Settings

S = TypeVar("S", bound="Settings")

_LONG = 60  # maximum length of a default in help
_FEW = 12  # maximum number of settings to list including nested ones
_EVERYTHING = "molvae.every-setting"


@dataclass(frozen=True)
class Given(Generic[S]):
    """The settings on a command line.

    Attributes:
        cls: Their class.
        options: Values of options by the name of the setting (`model__latent_size`); None if not given.
        config: The file of --config.
        assignments: Texts of --set.
    """

    cls: type[S]
    options: Mapping[str, Any]
    config: Path | None = None
    assignments: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether any setting was given."""
        return bool(
            self.config or self.assignments or any(v not in (None, ()) for v in self.options.values())
        )

    def build(self, *, config: Path | None = None, **more: Any) -> S:
        """The settings: from the file, then the options and `more`, then --set.

        Args:
            config: A file written by molvae, used if none is given.
            more: Further values, as the options.

        Raises:
            ConfigError: Names the file or setting, the value, and what is allowed.
        """
        from molvae.config import load_settings

        given = {**self.options, **more}
        values = {k.replace("__", "."): v for k, v in given.items() if v is not None and v != ()}
        path, stored = self.config or config, self.config is None
        return load_settings(self.cls, path, self.assignments, values, stored=stored)


def config() -> Decorator:
    """`--config` and `--set`."""
    text = "Any setting, also those listed below; repeatable."
    return stacked(
        path("--config", text="TOML file of settings; options override it.", metavar="FILE.toml", dirs=False),
        click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help=text),
    )


def option(cls: type[Settings], key: str, *flags: str, metavar: str | None = None) -> Decorator:
    """An option for one field of `cls` (dotted key): its type, default and help come from the field."""
    *parents, leaf = key.split(".")
    for parent in parents:
        cls = cls.model_fields[parent].annotation  # type: ignore[assignment]
    field = cls.model_fields[leaf]
    text, default = " ".join((field.description or "").split()), None
    if not field.is_required():
        default = field.get_default(call_default_factory=True, validated_data={})
    if default not in (None, "", ()):
        shown = ",".join(map(str, default)) if isinstance(default, tuple | list) else default
        text += f"  [default: {shown}]"
    several = get_origin(field.annotation) is tuple
    return click.option(
        *(flags or (f"--{leaf.replace('_', '-')}",)),
        key.replace(".", "__"),
        type=_option_type(field.annotation),
        multiple=several,
        callback=_split if several else None,
        default=None,
        metavar=metavar,
        help=text,
    )


def _split(_context: click.Context, _parameter: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
    return split_names(values)


class SettingsCommand(click.Command):
    """A command that gets its settings as one argument `given`; its help ends with those without an option.

    If there are many, --help shows only the first level, and --help-all all of them.

    Args:
        settings: Their class.
        without: Settings not used by this command.
    """

    def __init__(
        self, *args: Any, settings: type[Settings], without: Sequence[str] = (), **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.settings = settings
        self.without = frozenset(without)
        if any("." in key for key, _ in self._rows()) and len(self._rows()) > _FEW:
            self.params.append(_help_all())

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As in click, with the settings as `given`."""
        from molvae.config import field_help

        rest = super().parse_args(ctx, args)
        keys = {key.replace(".", "__") for key, _, _ in field_help(self.settings)}
        values = {key: ctx.params.pop(key) for key in keys & set(ctx.params)}
        config, assignments = ctx.params.pop("config"), ctx.params.pop("assignments")
        ctx.params["given"] = Given(self.settings, values, config, assignments)
        return rest

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options, then the settings."""
        super().format_options(ctx, formatter)
        rows = self._rows()
        shown = [row for row in rows if "." not in row[0]]
        if ctx.meta.get(_EVERYTHING) or len(rows) <= _FEW:
            shown = rows
        with formatter.section("More settings, for --set KEY=VALUE and --config FILE.toml"):
            formatter.write_dl(shown, col_max=28)
        if len(shown) < len(rows):
            parts = dict.fromkeys(key.partition(".")[0] for key, _ in rows if "." in key)
            inside = " and ".join(f"{part}.…" for part in parts)
            with formatter.indentation():
                formatter.write_text(
                    f"And {len(rows) - len(shown)} more, {inside}: '{ctx.command_path} --help-all'."
                )

    def _rows(self) -> list[tuple[str, str]]:
        from molvae.config import field_help

        own = {parameter.name for parameter in self.params}  # already shown as options
        rows = []
        for key, default, text in field_help(self.settings):
            if key.replace(".", "__") in own or key in self.without:
                continue
            known = default if len(default) <= _LONG else "see settings.toml of any result"
            rows.append((key, text if default in ("", '""', "[]") else f"{text} [default: {known}]"))
        return rows


def _help_all() -> click.Option:
    def show(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            ctx.meta[_EVERYTHING] = True
            click.echo(ctx.get_help())
            ctx.exit()

    early: dict[str, Any] = {"is_flag": True, "is_eager": True, "expose_value": False}
    return click.Option(["--help-all"], callback=show, help="As --help, with every setting.", **early)


def _option_type(annotation: Any) -> click.ParamType[Any]:
    """The click type for the annotation of a settings field that is not a flag."""
    if isinstance(annotation, types.UnionType):  # with None
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is Literal:
        return click.Choice(get_args(annotation))
    kinds: dict[Any, click.ParamType[Any]] = {
        int: click.INT,
        float: click.FLOAT,
        Path: click.Path(path_type=Path),
    }
    return kinds.get(annotation, click.STRING)
