"""Settings: frozen pydantic models, read from TOML and `key=value` overrides, with clear errors."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, get_args

import tomli_w
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic import Field as Field  # noqa: PLC0414 - re-exported, as is the next
from pydantic import model_validator as model_validator  # noqa: PLC0414
from pydantic_core import PydanticUndefined

from molvae.errors import ConfigError, suggest
from molvae.persistence.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from pydantic_core import ErrorDetails

S = TypeVar("S", bound="Settings")

_EXPECTED = {
    "int": "a whole number is expected",
    "float": "a number is expected",
    "bool": "true or false is expected",
    "string": "text is expected",
    "tuple": "a list is expected, as in [1, 2]",
    "list": "a list is expected, as in [1, 2]",
    "dict": "a table is expected",
    "model": "a table is expected",
}
"""Message for a value of another type, by the prefix of pydantic's error type."""
_BOUNDS = {"ge": "at least {}", "gt": "more than {}", "le": "at most {}", "lt": "less than {}"}


class Settings(BaseModel):
    """Base of all settings: frozen, no unknown keys, the docstring under a field is its help."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True, allow_inf_nan=False
    )
    retired: ClassVar[dict[str, Any]] = {}
    """Settings of earlier versions, and the constants they became; None if they do not affect results."""
    instead: ClassVar[dict[str, str]] = {}
    """Replacements of retired settings that did not become constants."""
    renamed: ClassVar[dict[str, dict[str, str]]] = {}
    """Values that earlier versions wrote under another name, by setting: the present names."""


def load_settings(
    cls: type[S],
    path: Path | None = None,
    overrides: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
    *,
    stored: bool = False,
) -> S:
    """Settings of class `cls` from a TOML file (optional), then `values`, then `key=value` overrides.

    Dotted keys reach nested settings: `model.latent_size=64`. Retired settings are accepted in the file with
    their constant value, or with any value if molvae has `stored` it.

    Raises:
        ConfigError: Names the file or override, the key, the value, and what is allowed.
    """
    found: dict[str, Any] = without_retired(cls, read_toml(path) if path else {}, changed=stored)
    for key, value in [*(values or {}).items(), *map(parse_assignment, overrides)]:
        _insert(found, key, value)
    return settings_from(cls, found, "the settings" if path is None or overrides or values else str(path))


def settings_from(cls: type[S], values: Mapping[str, Any], where: str) -> S:
    """Settings of class `cls` from values.

    Raises:
        ConfigError: Names `where`, the key, the value, and what is allowed.
    """
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_sentence(cls, error.errors()[0], where)) from None


def parse_assignment(text: str) -> tuple[str, Any]:
    """Parse `key=value`; the value is TOML if valid, else text.

    >>> parse_assignment("model.latent_size=64"), parse_assignment("device=cpu")
    (('model.latent_size', 64), ('device', 'cpu'))
    """
    key, equals, raw = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"expected key=value, got '{text}'", hint="For example: --set model.latent_size=64")
    try:
        value = tomllib.loads(f"value = {raw}")["value"]
    except (ValueError, RecursionError):  # text, or a number or nesting that is too large
        value = raw.strip()
    return key.strip(), value


def to_toml(settings: Settings) -> str:
    """The settings as TOML, without fields that are `None`."""
    return tomli_w.dumps(settings.model_dump(mode="json", exclude_none=True))


def toml_value(value: Any) -> str:
    """A value as in a line of TOML, or in `--set KEY=VALUE`.

    >>> toml_value(True), toml_value((0.9, 0.1)), toml_value({"latent": 0.5})
    ('true', '[0.9, 0.1]', '{latent = 0.5}')
    """
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", exclude_none=True)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    plain = str(value) if isinstance(value, Path) else value
    return tomli_w.dumps({"value": plain}).partition("=")[2].strip()


def save_settings(settings: Settings, path: Path) -> None:
    """Write settings as TOML, atomically."""
    write_atomically(path, to_toml(settings))


def field_help(cls: type[Settings], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """All settings of `cls` as (dotted key, default as TOML or "", help), including nested ones."""
    for name, field in cls.model_fields.items():
        if inner := _section(cls, name):
            yield from field_help(inner, f"{prefix}{name}.")
            continue
        default = field.get_default(call_default_factory=True, validated_data={})
        text = "" if default in (None, PydanticUndefined) else toml_value(default)
        yield f"{prefix}{name}", text, " ".join((field.description or "").split())


def flat(values: Mapping[str, Any], joint: str = ".", prefix: str = "") -> dict[str, Any]:
    """Nested values under one name each.

    >>> flat({"valid": {"kl": 45.0}, "loss": 1.0}, "/")
    {'valid/kl': 45.0, 'loss': 1.0}
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= flat(value, joint, f"{prefix}{name}{joint}")
        else:
            found[f"{prefix}{name}"] = value
    return found


def given(settings: Settings, prefix: str = "") -> list[str]:
    """Dotted keys of the settings that were set explicitly, rather than by default.

    >>> class Inner(Settings):
    ...     size: int = 1
    ...     depth: int = 1
    >>> class Outer(Settings):
    ...     seed: int = 0
    ...     inner: Inner = Inner()
    >>> given(Outer.model_validate({"inner": {"size": 1}}))
    ['inner.size']
    """
    found: list[str] = []
    for name, value in settings:
        if name in settings.model_fields_set:
            found += given(value, f"{prefix}{name}.") if isinstance(value, Settings) else [f"{prefix}{name}"]
    return found


def differences(
    before: Mapping[str, Any], now: Mapping[str, Any], keys: Collection[str] | None = None
) -> list[str]:
    """Differences between two dumps of settings, one per key; only of `keys` if given.

    >>> differences(
    ...     {"seed": 0, "model": {"size": 1, "depth": 2}}, {"seed": 0, "model": {"size": 3, "depth": 2}}
    ... )
    ['model.size was 1, now 3']
    >>> differences({"goals": [{"name": "qed", "bound": None}]}, {"goals": [{"name": "sa", "bound": 3.5}]})
    ['goals was qed, now sa 3.5']
    """
    old, new = flat(before), flat(now)
    changed = [key for key in dict.fromkeys([*old, *new]) if old.get(key) != new.get(key)]
    return [
        f"{key} was {_in_words(old.get(key))}, now {_in_words(new.get(key))}"
        for key in changed
        if keys is None or any(key == one or key.startswith(f"{one}.") for one in keys)
    ]


def without_retired(cls: type[Settings], stored: Any, *, changed: bool = True) -> Any:
    """Settings that an earlier version may have written, without retired ones and with present names.

    Args:
        cls: Their class.
        stored: Values from a file.
        changed: Whether to also drop retired settings that differ from their constant.
    """
    if isinstance(stored, list):
        return [without_retired(cls, row, changed=changed) for row in stored]
    if not isinstance(stored, dict):
        return stored
    kept, now = {}, flat(cls.retired)
    for name, value in stored.items():
        if inner := _section(cls, name, rows=True):
            kept[name] = without_retired(inner, value, changed=changed)
        elif name not in cls.retired or not (changed or flat({name: value}).items() <= now.items()):
            kept[name] = cls.renamed.get(name, {}).get(str(value), value)
    return kept


def retired_changes(cls: type[Settings], stored: Any, prefix: str = "") -> list[str]:
    """The retired settings in such a file that differ from their constants."""
    changes: list[str] = []
    now = flat(cls.retired)
    for part in stored if isinstance(stored, list) else [stored] if isinstance(stored, dict) else []:
        was = {name: value for name, value in flat(part).items() if value != now.get(name, value)}
        changes += [f"{prefix}{name} was {value}, now {now[name]}" for name, value in was.items()]
        for name, value in part.items():
            if inner := _section(cls, name, rows=True):
                changes += retired_changes(inner, value, f"{prefix}{name}.")
    return changes


def _section(cls: type[Settings], name: str, *, rows: bool = False) -> type[Settings] | None:
    """The class of a field that holds other settings; with `rows`, also several of one class."""
    kind = cls.model_fields[name].annotation if name in cls.model_fields else None
    kind = next(iter(get_args(kind)), kind) if rows else kind
    return kind if isinstance(kind, type) and issubclass(kind, Settings) else None


def _in_words(value: Any) -> Any:
    """A list of tables as text without braces."""
    if not isinstance(value, list | tuple) or not any(isinstance(item, dict) for item in value):
        return value
    return "; ".join(" ".join(str(part) for part in item.values() if part is not None) for item in value)


def read_toml(path: Path, what: str = "the settings file") -> dict[str, Any]:
    """Read a TOML file.

    Args:
        path: The file.
        what: Its description, for messages.

    Raises:
        ConfigError: It cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {what} {path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, or too large
        raise ConfigError(f"{path} is not valid TOML: {error}") from None


def _insert(values: dict[str, Any], key: str, value: Any) -> None:
    *parents, leaf = key.split(".")
    for parent in parents:
        child = values.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"'{key}' cannot be set: '{parent}' is a value, not a section")
        values = child
    values[leaf] = value


def _sentence(cls: type[Settings], error: ErrorDetails, where: str) -> str:
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        *parents, name = map(str, error["loc"])
        section: type[Settings] | None = cls
        for parent in [part for part in parents if not part.isdecimal()]:  # places in a list
            section = _section(section, parent, rows=True) if section else None
        if section and name in section.retired:
            fixed = section.retired[name]
            always = "" if fixed is None else f"it is always {toml_value(fixed)}"
            now = section.instead.get(name, always)
            return f"'{key}' in {where} is no longer a setting" + (f"; {now}" if now else "")
        known = [name for name, _, _ in field_help(cls)]
        return f"unknown key '{key}' in {where}{suggest(key, known) or '; known: ' + ', '.join(known)}"
    if error["type"] == "missing":
        return f"{where} must give '{key}'"
    message = _expected(error)
    if not key:  # of several keys together
        return f"{where}: {message}"
    return f"'{key}' in {where}: {message}, got {error['input']!r}"


def _expected(error: ErrorDetails) -> str:
    """The error of a value, in plain words."""
    for name, text in _BOUNDS.items():
        if name in (error.get("ctx") or {}):
            return f"{text.format(error['ctx'][name])} is expected"
    kind, _, what = error["type"].partition("_")
    if kind in _EXPECTED and what in {"type", "parsing", "from_float", "attributes_type"}:
        return _EXPECTED[kind]
    message = error["msg"].removeprefix("Value error, ")
    return f"{message[:1].lower()}{message[1:]}"
