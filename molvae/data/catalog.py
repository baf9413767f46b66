"""Public data sets by name, copied from a mirror or downloaded with pooch."""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import logging
import shutil
import tempfile
import tomllib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from molvae.errors import InputError, StorageError, UnknownNameError, suggest
from molvae.persistence.locations import shipped
from molvae.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from molvae.progress import Progress


@dataclass(frozen=True)
class Dataset:
    """One public file of molecules.

    Attributes:
        name: Name in the catalog.
        about: One sentence: rows, columns, origin.
        address: Public download URL.
        license: License of the data.
        mirrored: Relative path in a local mirror.
        sha256: Digest of the file at that address, or None if none is published; the digest of the download
            is then reported instead of checked.
        mirrored_sha256: Digest of the unpacked file in the mirror, if it differs from that at the address.
    """

    name: str
    about: str
    address: str
    license: str
    mirrored: str
    sha256: str | None = None
    mirrored_sha256: str | None = None

    @property
    def file_name(self) -> str:
        """The last part of the address."""
        return self.address.rsplit("/", 1)[-1]


_LARGEST = 1 << 30  # bytes of a download; the largest known one has 85 MB
_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO, errno.EFBIG}
_LISTED = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
CATALOG = {name: Dataset(name, **facts) for name, facts in _LISTED.items()}

STARTER = "starter"
"""The small data set shipped with molvae."""


def dataset_names() -> list[str]:
    """Return the names `fetch` accepts."""
    return [STARTER, *CATALOG]


def cache_directory() -> Path:
    """The user's cache directory."""
    import pooch

    return Path(pooch.os_cache("molvae"))


def fetch(name: str, directory: Path, *, mirror: Path | None = None, progress: Progress = SILENT) -> Path:
    """Copy a data set into a directory from a local mirror, or download it.

    A mirror is a local directory laid out like the catalog (``zinc250k/zinc250k.csv.gz``, …). The file is
    verified by sha256 before it is put in place; an existing file is kept.

    Raises:
        UnknownNameError: If there is no such data set.
        InputError: If it is neither in the mirror nor reachable, or is damaged; the message says how to
            download it manually.
    """
    if name == STARTER:
        return _copy(starter_path(), directory, None, progress)
    if name not in CATALOG:
        known = dataset_names()
        raise UnknownNameError(
            f"unknown data set '{name}'{suggest(name, known)}", hint=f"Known: {', '.join(known)}."
        )
    dataset = CATALOG[name]
    if mirror is not None and (found := _mirrored(dataset, mirror)) is not None:
        return _copy(found, directory, dataset.mirrored_sha256 or dataset.sha256, progress)
    return _download(dataset, directory, mirror, progress)


def starter_path() -> Path:
    """Return the shipped starter set, in the checkout or beside the installed library.

    Raises:
        InputError: If this installation has none.
    """
    for name, path in shipped("datasets").items():
        if name.startswith("starter") and path.is_file():
            return path
    raise InputError(
        "the starter set is not part of this installation",
        hint="It is in the folder datasets/ of the molvae repository.",
    )


def _mirrored(dataset: Dataset, mirror: Path) -> Path | None:
    packed = mirror / dataset.mirrored
    candidates = (
        packed,
        packed.with_suffix(""),
        mirror / dataset.name / dataset.file_name,
        mirror / dataset.file_name,
    )
    return next((path for path in candidates if path.is_file()), None)


def _copy(source: Path, directory: Path, digest: str | None, progress: Progress) -> Path:
    target = directory / source.name
    if digest is not None:
        _check(source, digest, f"Replace {source} by an undamaged copy.")
    if not (target.exists() and target.samefile(source)):
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory, prefix=".fetch-") as temporary:
            copied = shutil.copyfile(source, Path(temporary) / source.name)
            copied.replace(target)
    progress.note(f"{target} from {source}; sha256 of its content {content_sha256(target)}")
    return target


def _download(dataset: Dataset, directory: Path, mirror: Path | None, progress: Progress) -> Path:
    target = directory / dataset.file_name
    hint = _by_hand(dataset, target, mirror)
    if not target.exists():
        import pooch

        progress.note(f"downloading {dataset.address}")
        directory.mkdir(parents=True, exist_ok=True)
        try:
            with tempfile.TemporaryDirectory(dir=directory, prefix=".fetch-") as temporary:
                capped = pooch.HTTPDownloader(progressbar=_Cap())
                with _quiet(pooch.get_logger()):
                    asked = {"fname": target.name, "path": temporary, "downloader": capped}
                    arrived = Path(pooch.retrieve(dataset.address, None, **asked))
                if dataset.sha256 is not None:
                    _check(arrived, dataset.sha256, hint)
                arrived.replace(target)
        except (OSError, ValueError) as error:  # what requests and urllib3 raise is an OSError, too
            if getattr(error, "errno", None) in _OF_THE_DISK:
                raise StorageError(f"cannot write {target}: {_reason(error)}") from error
            raise InputError(f"cannot download {dataset.name}: {_reason(error)}", hint=hint) from error
    elif dataset.sha256 is not None:
        _check(target, dataset.sha256, f"Remove {target} and fetch again.")
    seen = content_sha256(target)
    known = "as published" if dataset.sha256 is not None else "not checked: no published digest is known"
    progress.note(f"{target}: sha256 {seen} ({known})")
    return target


class _Cap:
    """A progress bar for pooch that aborts downloads over a size limit."""

    total = 0

    def __init__(self) -> None:
        self._arrived = 0

    def update(self, n: int) -> None:
        self._arrived += n
        if self._arrived > _LARGEST:
            raise InputError(
                f"the download exceeds {_LARGEST >> 20:,} MiB and was stopped",
                hint="No known data set is that large: check the address.",
            )

    def reset(self) -> None: ...

    def close(self) -> None: ...


@contextlib.contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Silence pooch's log; progress is reported separately."""
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _check(path: Path, digest: str, hint: str) -> None:
    seen = content_sha256(path)
    if seen != digest:
        raise InputError(
            f"{path} is not the expected file: its sha256 is {seen}, expected {digest}", hint=hint
        )


def content_sha256(path: Path) -> str:
    """Return the sha256 of a file, of its content if it is packed by gzip.

    Raises:
        InputError: If it cannot be read or unpacked.
    """
    try:
        digest = hashlib.sha256()
        for chunk in _content(path):
            digest.update(chunk)
        return digest.hexdigest()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read: {error}") from error


def _content(path: Path) -> Iterator[bytes]:
    with path.open("rb") as raw:
        packed = raw.peek(2)[:2] == b"\x1f\x8b"
        with gzip.GzipFile(fileobj=raw) if packed else raw as file:
            while chunk := file.read(1 << 20):
                yield chunk


def _by_hand(dataset: Dataset, target: Path, mirror: Path | None) -> str:
    searched = f" (the mirror {mirror} does not have {dataset.mirrored})" if mirror is not None else ""
    return (
        f"Download {dataset.address} manually to {target}; or set MOLVAE_DATA to a directory that contains "
        f"{dataset.mirrored}{searched}."
    )


def _reason(error: Exception) -> str:
    text = str(error)
    if "resolve" in text or "Max retries" in text or "unreachable" in text:
        return "the network cannot be reached"
    return text.splitlines()[0][:200] if text else type(error).__name__
