"""Divide an input into numbered parts, and the parts among shards."""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, cast

from molvae.data.columnar import ParquetRows
from molvae.data.readers import open_table
from molvae.data.records import BadRow, Row
from molvae.data.sources import numbered_lines, text_of
from molvae.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from molvae.data.readers import Layout, Table
    from molvae.data.sources import Line

_CHUNK = 1 << 20  # bytes read at once
_LINE_END = re.compile(rb"\r\n|\n|\r")
_PART_CHARACTERS = 1 << 25  # in the rows of one part of a stream


@dataclass(frozen=True)
class Shard:
    """One of several processes that share an input, counted from 0.

    >>> Shard.read("2/7")
    Shard(index=2, count=7)
    """

    index: int = 0
    count: int = 1

    @classmethod
    def read(cls, text: str) -> Shard:
        """Read a shard written as `i/N`.

        Raises:
            UsageError: It is written otherwise, or i is not below N.
        """
        found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
        if found is None or not int(found[1]) < int(found[2]):
            raise UsageError(
                f"expected a shard as i/N with i from 0 to N-1, got '{text}'", hint="For example: --shard 0/8"
            )
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def range(self, n_parts: int) -> range:
        """The consecutive parts of this shard, where their number is known."""
        return range(self.index * n_parts // self.count, (self.index + 1) * n_parts // self.count)


@dataclass(frozen=True)
class Part:
    """A piece of an input: the unit of work, the same for any number of shards and workers.

    Attributes:
        number: Counted from 0.
        start: First byte of a text file, or first row of a Parquet file or stream, counted from 0.
        stop: One past the last.
        group: Row group of a Parquet file, and its first row.
        rows: The rows themselves, of an input that can only be read from its beginning.
    """

    number: int
    start: int
    stop: int
    group: tuple[int, int] = (0, 0)
    rows: tuple[Row | BadRow, ...] | None = None

    def fingerprint(self) -> str:
        """The sha256 of the rows of a part of a stream; empty for other parts."""
        if self.rows is None:
            return ""
        digest = hashlib.sha256()
        for row in self.rows:
            digest.update(f"{row.line}\0{row.text}\0".encode(errors="replace"))
        return digest.hexdigest()


class PartRows:
    """The rows of a part, to be read once.

    Attributes:
        n_lines: After reading, the lines of a part of a text file, whose rows number their lines from the
            start of the part; 0 where rows have the line numbers of the whole input.
    """

    def __init__(self, rows: Iterable[Row | BadRow] = ()) -> None:
        self.rows = rows
        self.n_lines = 0

    def __iter__(self) -> Iterator[Row | BadRow]:
        return iter(self.rows)


@dataclass(frozen=True)
class PartReader:
    """Reads any part of one input; cheap to pickle for worker processes.

    Attributes:
        path: The input.
        kind: bytes (blocks of a text file), groups (pieces of the row groups of a Parquet file) or stream
            (parts contain their rows).
        layout: How it becomes rows; `None` for an SD file.
    """

    path: str
    kind: Literal["bytes", "groups", "stream"]
    layout: Layout | None = None

    def rows(self, part: Part) -> PartRows:
        """The rows of a part, in order.

        Raises:
            InputError: On reading, if the file is not there or cannot be read.
        """
        if part.rows is not None or self.layout is None:
            return PartRows(part.rows or ())
        if self.kind == "groups":
            return PartRows(self._of_group(part, self.layout))
        counted = PartRows()
        counted.rows = self._of_block(part, self.layout, counted)
        return counted

    def _of_group(self, part: Part, layout: Layout) -> Iterator[Row | BadRow]:
        group, first = part.group
        cells = ParquetRows(Path(self.path)).of_group(group, first + 1)
        return layout.fit(islice(cells, part.start - first, part.stop - first), with_header=False)

    def _of_block(self, part: Part, layout: Layout, counted: PartRows) -> Iterator[Row | BadRow]:
        try:
            with Path(self.path).open("rb") as file:
                start, stop = _line_start(file, part.start), _line_start(file, part.stop)
                file.seek(start)
                window = io.BufferedReader(cast("io.RawIOBase", _Window(file, stop - start)))
                text = text_of(window, layout.encoding, at_start=start == 0)
                yield from layout.rows(_counted(text, counted), with_header=part.number == 0)
        except OSError as error:
            raise InputError(f"cannot read {self.path}: {error.strerror or error}") from error


class Library:
    """An input cut into parts.

    A plain text file is cut into blocks of bytes, each with the lines that start in it, and a Parquet file
    inside its row groups: any part can be read alone. What can only be read from its beginning (gzip, SD
    files, stdin, tables with quoted cells, UTF-16) is cut by rows, and every shard reads all of it.
    `part_bytes` is the size of a part of a text file, `part_rows` that of any other.

    Attributes:
        columns: All column names.
        note: Which columns were chosen.
        n_parts: How many parts there are; `None` until a stream has been read to its end.
    """

    def __init__(
        self,
        path: str,
        *,
        smiles_column: str | None = None,
        id_column: str | None = None,
        part_bytes: int,
        part_rows: int,
    ) -> None:
        table = open_table(path, smiles_column=smiles_column, id_column=id_column)
        layout = table.layout
        self.columns, self.note = table.columns, table.note
        self._table: Table | None = None
        self._part_rows = part_rows
        self._parts: list[Part] = []
        if layout is not None and layout.delimiter is None:
            self._parts = list(_pieces_of_groups(ParquetRows(Path(path)).groups, part_rows))
            self.reader = PartReader(path, "groups", layout)
        elif layout is not None and _can_be_cut(path, layout):
            self._parts = list(_blocks(Path(path), layout, part_bytes))
            self.reader = PartReader(path, "bytes", layout)
        else:
            self._table = table
            self.reader = PartReader(path, "stream", layout)
        self.n_parts = None if self.reader.kind == "stream" else len(self._parts)

    def parts(self, shard: Shard) -> Iterator[Part]:
        """Yield the parts of a shard, in order."""
        if self.reader.kind == "stream":
            yield from self._streamed(shard)
        else:
            numbers = shard.range(len(self._parts))
            yield from self._parts[numbers.start : numbers.stop]

    def _streamed(self, shard: Shard) -> Iterator[Part]:
        if self._table is None:
            raise UsageError(f"{self.reader.path} can be read once")
        rows, self._table = self._table.raw_rows, None
        number = start = 0
        while piece := tuple(_up_to(rows, self._part_rows)):
            if number % shard.count == shard.index:  # the number of parts is not known yet
                yield Part(number, start, start + len(piece), rows=piece)
            number, start = number + 1, start + len(piece)
        self.n_parts = number


def _pieces_of_groups(groups: tuple[int, ...], part_rows: int) -> Iterator[Part]:
    number = first = 0
    for group, n_rows in enumerate(groups):
        for start in range(first, first + n_rows, part_rows):
            yield Part(number, start, min(start + part_rows, first + n_rows), group=(group, first))
            number += 1
        first += n_rows


def _blocks(path: Path, layout: Layout, part_bytes: int) -> Iterator[Part]:
    """Blocks of bytes after the header, which is in the first."""
    begin = _end_of_line(path, layout.header_line)
    for number in range(max(1, -(-(path.stat().st_size - begin) // part_bytes))):
        start = begin + number * part_bytes
        yield Part(number, start if number else 0, start + part_bytes)


def _up_to(rows: Iterator[Row | BadRow], n: int) -> Iterator[Row | BadRow]:
    """The next `n` rows; fewer if they are so long that they would fill the memory."""
    size = 0
    for row in islice(rows, n):
        yield row
        size += len(row.text) + (sum(map(len, row.fields.values())) if isinstance(row, Row) else 0)
        if size > _PART_CHARACTERS:
            return


def _counted(text: io.TextIOWrapper, rows: PartRows) -> Iterator[Line | BadRow]:
    for line in numbered_lines(text):
        rows.n_lines += not isinstance(line, BadRow)
        yield line


def _can_be_cut(path: str, layout: Layout) -> bool:
    """Whether lines can be found from any byte: line ends are bytes, and no cell spans lines."""
    if path == "-" or layout.encoding.startswith("utf-16"):
        return False
    with Path(path).open("rb") as file:
        chunk = file.read(_CHUNK)
        if chunk.startswith(b"\x1f\x8b"):
            return False
        while chunk and layout.delimiter != " ":
            if b'"' in chunk:
                return False
            chunk = file.read(_CHUNK)
    return True


class _Window(io.RawIOBase):
    """The next `n` bytes of a file as a raw file."""

    def __init__(self, file: BinaryIO, n: int) -> None:
        super().__init__()
        self._file, self._left = file, n

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        data = self._file.read(min(len(buffer), self._left))
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)


def _line_start(file: BinaryIO, offset: int) -> int:
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


def _end_of_line(path: Path, number: int) -> int:
    """Where the line after line `number` (from 1) starts."""
    offset = 0
    with path.open("rb") as file:
        for _ in range(number):
            offset = _line_start(file, offset + 1)
    return offset
