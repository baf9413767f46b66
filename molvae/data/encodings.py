"""From bytes to text: the encoding of a table, and where its lines start."""

from __future__ import annotations

import codecs
import io
import re
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

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
    """Guess the encoding of a text from its beginning.

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
    """A note for the user about an encoding; empty for UTF-8."""
    return _NOTES.get(encoding, "")


def text_of(binary: BinaryIO, encoding: str, *, at_start: bool = True) -> io.TextIOWrapper:
    """A stream of text with line ends of any kind.

    Bytes that are not UTF-8 are read one by one as Windows-1252, so that an accent deep in a long file, or
    one row pasted from another program, survives too. Only at the start may a byte order mark stand in front.
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


_CHUNK = 1 << 20  # bytes looked at at once
_LINE_END = re.compile(rb"\r\n|\n|\r")


class Window(io.RawIOBase):
    """The next `n` bytes of a file as a file."""

    def __init__(self, file: BinaryIO, n: int) -> None:
        super().__init__()
        self._file, self._left = file, n

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        """As for any raw file: how many bytes were put into the buffer."""
        data = self._file.read(min(len(buffer), self._left))
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)


def line_start(file: BinaryIO, offset: int) -> int:
    """The first line start at or after a byte; the size of the file if there is none."""
    if offset <= 0:
        return 0
    position = file.seek(offset - 1)
    while chunk := file.read(_CHUNK):
        found = _LINE_END.search(chunk)
        if found is not None:
            at_the_edge = found[0] == b"\r" and found.end() == len(chunk)
            return position + found.end() + (at_the_edge and file.read(1) == b"\n")
        position += len(chunk)
    return position


def end_of_line(path: Path, number: int) -> int:
    """Where the line after line `number` (from 1) starts."""
    offset = 0
    with path.open("rb") as file:
        for _ in range(number):
            offset = line_start(file, offset + 1)
    return offset
