"""Open a file or stdin as lines, whatever its compression, encoding and line ends."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import sys
import tempfile
import zlib
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from molvae.data.records import BadRow
from molvae.errors import InputError, suggest

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINE = 250_000
"""Characters kept of one line; the rest of a longer line is skipped, so that no input can fill the memory."""

OVER_LONG = "\x00…"
"""Ends a line of which only the beginning was kept, because it is too long."""

_FOREIGN = (
    (b"PK\x03\x04", "an Excel workbook or a ZIP archive", "Save the sheet as CSV, or unpack the archive."),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "Save the sheet as CSV."),
    (b"%PDF", "a PDF document", "Give a table of SMILES: .csv .smi .sdf .parquet."),
    (b"BZh", "packed with bzip2", "Unpack it, or pipe it: bzcat FILE | molvae COMMAND -"),
    (b"\xfd7zXZ\x00", "packed with xz", "Unpack it, or pipe it: xzcat FILE | molvae COMMAND -"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", "Unpack it, or pipe it: zstdcat FILE | molvae COMMAND -"),
)
_FOREIGN_TEXT = (
    (rb"<!doctype html|<html", "a web page", "Perhaps a download that failed: open it to check."),
    (rb"<\?xml", "XML", "Give a table of SMILES: .csv .smi .sdf .parquet."),
    (rb"\{|\[\s*[{\"]", "JSON", "Write it as a table: .csv .smi .sdf .parquet."),
    (rb"@<tripos>", "a MOL2 file", "Convert it, for example: obabel FILE -O molecules.sdf"),
)
"""Patterns of the beginning, in lower case, of text that is neither a table nor SMILES."""

_KEPT = 1000  # characters kept of a line that is too long
_PEEK = 4096  # bytes read to detect the format
_SAMPLE = 1 << 20  # bytes read to detect the encoding
_BROKEN = (OSError, EOFError, zlib.error)

Line = tuple[int, str]


class Source:
    """An opened file, or stdin (``-``): its name, its first bytes, and its lines.

    Raises:
        InputError: If the file is missing, a directory, unreadable or empty.
    """

    def __init__(self, path: str | Path) -> None:
        self.is_stdin = str(path) == "-"
        self.path = Path("stdin") if self.is_stdin else Path(path)
        self._raw: BinaryIO = sys.stdin.buffer if self.is_stdin else _open(self.path)
        self._buffer = cast("io.BufferedReader", _buffered(self._raw))
        self.is_packed = self._buffer.peek(2)[:2] == b"\x1f\x8b"
        if self.is_packed:
            self._buffer = io.BufferedReader(cast("io.RawIOBase", gzip.GzipFile(fileobj=self._buffer)))
        self._damage: Exception | None = None
        try:
            self.head = self._buffer.peek(_PEEK)[:_PEEK]
        except _BROKEN as error:
            self.close()
            raise InputError(f"{self.path} cannot be unpacked: {error}", hint="Copy it again.") from error
        if not self.head.strip():
            self.close()
            raise InputError(f"{self.path} is empty")
        beginning = self.head.removeprefix(codecs.BOM_UTF8).lstrip().lower()
        found = [(kind, hint) for mark, kind, hint in _FOREIGN if self.head.startswith(mark)]
        found += [(kind, hint) for pattern, kind, hint in _FOREIGN_TEXT if re.match(pattern, beginning)]
        if found:
            self.close()
            raise InputError(f"{self.path} is {found[0][0]}, which is not read here", hint=found[0][1])

    @property
    def suffix(self) -> str:
        """The suffix that gives the format, lower case, without ``.gz``."""
        name = self.path.name.lower().removesuffix(".gz")
        return Path(name).suffix

    @cached_property
    def encoding(self) -> str:
        """The encoding, guessed from the first megabyte (of stdin, from its first bytes)."""
        return guess_encoding(self.head if self.is_stdin else self._sample())

    @property
    def note(self) -> str:
        """A note for the user about the encoding, or an empty text."""
        return _NOTES.get(self.encoding, "")

    def lines(self) -> Iterator[Line | BadRow]:
        """Yield the lines of `numbered_lines`."""
        text = text_of(self._buffer, self.encoding)
        n_lines = 0
        try:
            for line in numbered_lines(text):
                n_lines += 1
                yield line
            if self._damage is not None:
                yield _broken_off(n_lines + 1, self._damage)
        finally:
            if self.is_stdin:
                text.detach()
            self.close()

    def blocks(self) -> Iterator[str]:
        """Yield the whole text in blocks before its lines are read; stdin is copied to disk for this."""
        encoding = self.encoding
        if self.is_stdin:
            spool = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process ends
            try:
                while chunk := self._buffer.read1(_PEEK):
                    spool.write(chunk)
            except _BROKEN as error:
                self._damage = error
            spool.seek(0)
            self._buffer = cast("io.BufferedReader", spool)
            text = text_of(spool, encoding)
        else:
            text = text_of(self._again(), encoding)
        with suppress(*_BROKEN):  # reported when the rows are read
            while block := text.read(_PEEK):
                yield block
        if self.is_stdin:
            text.detach()
            self._buffer.seek(0)
        else:
            text.close()

    def close(self) -> None:
        """Close the file; stdin stays open."""
        if not self.is_stdin:
            self._buffer.close()
            self._raw.close()

    def _again(self) -> BinaryIO:
        """The unpacked bytes of the file from the beginning."""
        return cast("BinaryIO", gzip.open(self.path) if self.is_packed else self.path.open("rb"))

    def _sample(self) -> bytes:
        sample = b""
        with suppress(*_BROKEN), self._again() as file:
            while len(sample) < _SAMPLE and (more := file.read(_PEEK)):
                sample += more
        return sample


def numbered_lines(text: io.TextIOWrapper) -> Iterator[Line | BadRow]:
    """Yield (number from 1, text) of every line, without its end; a line that is too long is marked as such.

    Where the stream cannot be read on (a compressed file is cut off, the disk fails), a `BadRow` comes last.
    """
    number = 0
    try:
        while line := text.readline(MAX_LINE):
            number += 1
            while not line.endswith("\n") and (rest := text.readline(MAX_LINE)):
                line = line[:_KEPT] + OVER_LONG
                if rest.endswith("\n"):
                    break
            yield number, line.removesuffix("\n")
    except _BROKEN as error:
        yield _broken_off(number + 1, error)


def _broken_off(line: int, error: Exception) -> BadRow:
    return BadRow(line, "", f"the file breaks off here: {error}")


def check_file(path: Path) -> None:
    """Check that a path is a file.

    Raises:
        InputError: If it is missing (the nearest name beside it is suggested) or a directory.
    """
    if path.is_dir():
        raise InputError(f"{path} is a directory; a file of molecules was expected")
    if not path.exists():
        beside = list(path.parent.iterdir()) if path.parent.is_dir() else []
        by_stem = {
            p.name.partition(".")[0]: p.name for p in beside
        }  # without suffixes, which would make all names similar
        meant = suggest(path.name.partition(".")[0], by_stem)
        nearest = by_stem.get(meant.partition("'")[2].rpartition("'")[0]) if meant else None
        raise InputError(
            f"no file {path}" + (f"; did you mean '{nearest}'?" if nearest else ""),
            hint=None if nearest else "Check the path for a typing mistake.",
        )


def _open(path: Path) -> BinaryIO:
    check_file(path)
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _buffered(raw: BinaryIO) -> BinaryIO:
    return raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(cast("io.RawIOBase", raw))


_KANA = re.compile(rb"(?:\x82[\x9f-\xf1]|\x83[\x40-\x96]){2}")
"""Two hiragana or katakana in a row in Shift JIS; in Windows-1252 the first byte of each is rare."""

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

    UTF-16 is recognized by a byte order mark or NUL bytes, Shift JIS by Japanese kana. Other text that is
    not UTF-8 is read as Windows-1252, which most spreadsheets write. Statistical detectors were tried: they
    take a lone µ or ° for Chinese or Japanese.

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


def text_of(binary: BinaryIO, encoding: str, *, at_start: bool = True) -> io.TextIOWrapper:
    """A text stream with any line endings.

    Bytes that are not UTF-8 are read one by one as Windows-1252: an accent may come late in a long file, or
    in a single row that was pasted from elsewhere. Only the start of a file may have a byte order mark.
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
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 - only used to decode
    byte = error.object[error.start : error.start + 1]
    return byte.decode("cp1252", "ignore") or byte.decode("latin-1"), error.start + 1
