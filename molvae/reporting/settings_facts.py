"""Settings and facts as names and values a reader can scan, and moments as dates."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from molvae.config import Settings

_LONGEST = 200  # characters of a value


def flat(settings: Settings | Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Every setting by its dotted name; what is not set is left out.

    >>> flat({"a": {"b": 1, "c": None}, "d": [1, 2], "e": [{"f": 3}]})
    [('a.b', 1), ('d', '1, 2'), ('e.0.f', 3)]
    """
    values = settings if hasattr(settings, "items") else settings.model_dump(mode="json")
    pairs: list[tuple[str, Any]] = []
    for name, value in values.items():
        _flatten(str(name).replace("_", " "), value, pairs)
    return pairs


def _flatten(name: str, value: Any, pairs: list[tuple[str, Any]]) -> None:
    if isinstance(value, list | tuple) and any(isinstance(item, dict) for item in value):
        value = dict(enumerate(value))
    if isinstance(value, dict):
        for key, item in value.items():
            _flatten(f"{name}.{key}".replace("_", " "), item, pairs)
    elif value is not None:
        text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
        pairs.append(
            (name, f"{text[:_LONGEST]}…" if isinstance(text, str) and len(text) > _LONGEST else text)
        )


def moment(written: str | float) -> str:
    """A moment of a record (ISO 8601, or seconds since 1970), in UTC to the minute.

    >>> moment("2026-11-22T13:49:09.123+00:00"), moment(0)
    ('2026-11-22 13:49 UTC', '1970-01-01 00:00 UTC')
    """
    if isinstance(written, str):
        time = datetime.fromisoformat(written)
    else:
        time = datetime.fromtimestamp(written, UTC)
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
