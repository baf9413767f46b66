"""Tell the encoding of a table from its bytes, and read text in it without losing a character."""

from __future__ import annotations

import codecs
import io
import re
from typing import BinaryIO

_KANA = re.compile(rb"(?:\x82[\x9f-\xf1]|\x83[\x40-\x96]){2}")
"""Two hiragana or katakana in a row in Shift JIS; in Windows-1252 the first byte of each is a rare sign."""

_FALLBACK = "molvae-windows-1252"

_NOTES = {
    "utf-16": "encoded in UTF-16",
    "utf-16-le": "encoded in UTF-16",
    "utf-16-be": "encoded in UTF-16",
    "cp932": "encoded in Shift JIS (cp932)",
    "cp1252": "not UTF-8, read as Windows-1252: if names look wrong, save the table as UTF-8",
}


def guess_encoding(sample: bytes) -> str:
    """The encoding of a text, told from its beginning.

    A byte order mark decides; so do the NUL bytes of UTF-16, and Japanese kana. What is not UTF-8 is taken as
    Windows-1252, what spreadsheets write in most of the world. Statistical detectors were tried and take a
    lone µ or ° for Chinese or Japanese.

    >>> guess_encoding("pIC50 (µM)".encode()), guess_encoding("pIC50 (µM)".encode("cp1252"))
    ('utf-8-sig', 'cp1252')
    """
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    pairs = min(len(sample), 200) // 2
    for encoding, ours, other in (("utf-16-le", 1, 0), ("utf-16-be", 0, 1)):
        if sample[ours : 2 * pairs : 2].count(0) > pairs * 0.8 and not sample[other : 2 * pairs : 2].count(0):
            return encoding
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return "cp932" if _is_shift_jis(sample) else "cp1252"
    return "utf-8-sig"


def encoding_note(encoding: str) -> str:
    """What to tell about an encoding; nothing about UTF-8."""
    return _NOTES.get(encoding, "")


def text_of(binary: BinaryIO, encoding: str, *, at_start: bool = True) -> io.TextIOWrapper:
    """A stream of text with line ends of any kind.

    Bytes that are not UTF-8 are read one by one as Windows-1252, so that an accent deep in a long file, or
    one row pasted from another program, survives too.

    Args:
        binary: The bytes.
        encoding: As `guess_encoding` tells it.
        at_start: Whether a byte order mark may stand in front.
    """
    codecs.register_error(_FALLBACK, _as_windows)
    if encoding in ("cp1252", "utf-8-sig"):
        utf8 = "utf-8-sig" if at_start else "utf-8"
        return io.TextIOWrapper(binary, encoding=utf8, errors=_FALLBACK, newline=None)
    return io.TextIOWrapper(binary, encoding=encoding, errors="replace", newline=None)


def _is_shift_jis(sample: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("cp932")().decode(sample)
    except UnicodeDecodeError:
        return False
    return _KANA.search(sample) is not None


def _as_windows(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 - we only read with it
    byte = error.object[error.start : error.start + 1]
    return byte.decode("cp1252", "ignore") or byte.decode("latin-1"), error.start + 1
