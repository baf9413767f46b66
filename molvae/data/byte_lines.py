"""Lines of a file by the bytes they begin at, and a stretch of bytes as a file."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

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
