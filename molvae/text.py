"""Text from outside made safe for files and terminals, and values as text or JSON."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_UNFIT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, such as terminal escapes
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # direction marks
    "\ud800-\udfff]"  # lone surrogates
)


def printable(text: str) -> str:
    r"""The text with a replacement character for each that controls a terminal or cannot be written.

    Tabs and line ends stay.

    >>> printable("ok\x1b[2J\ud800\n")
    'ok�[2J�\n'
    """
    return _UNFIT.sub("\ufffd", text)


def one_line(text: str, longest: int | None = None) -> str:
    r"""Printable text on one line, cut to a length.

    >>> one_line("no\n  pose\x07", 20), one_line("a long story", 8)
    ('no pose�', 'a lon...')
    """
    line = printable(" ".join(text.split()))
    return line if longest is None or len(line) <= longest else line[: longest - 3] + "..."


def cell(value: Any, number: Callable[[float], str] = "{:.4g}".format) -> str:
    """A value as in a table; a dash where there is none.

    >>> [cell(value) for value in (None, True, 12345, 0.123456, ("a", 2), [])]
    ['-', 'yes', '12,345', '0.1235', 'a, 2', '-']

    Args:
        value: Anything.
        number: How numbers with a fraction are written.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list | tuple):
        return ", ".join(cell(item, number) for item in value) or "-"
    return str(value)


def jsonable(value: Any) -> Any:
    """The value for JSON: paths as text, arrays as lists, null for numbers that are not finite.

    >>> jsonable({"loss": float("nan"), "parts": (1, 0.5)})
    {'loss': None, 'parts': [1, 0.5]}
    """
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(item) for item in value]
    if hasattr(value, "tolist"):
        return jsonable(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str | int | bool | None) else str(value)
