"""Make text from outside safe for files and terminals."""

from __future__ import annotations

import re

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
