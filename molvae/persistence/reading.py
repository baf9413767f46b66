"""What is read from a file of molvae's: whatever is wrong with it, the answer names the file."""

from __future__ import annotations

import contextlib
from tokenize import TokenError
from typing import TYPE_CHECKING

from molvae.errors import CheckpointError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAMAGED = (
    OSError,
    ValueError,  # also no JSON, no UTF-8, digits without end
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    AssertionError,
    RecursionError,
    SyntaxError,
    TokenError,  # the header of an .npy file
)
"""What reading a file may raise that holds something else than it should."""


@contextlib.contextmanager
def reading(path: Path, error: type[StorageError] = CheckpointError) -> Iterator[None]:
    """A block that makes something of what a file holds: of the wrong type, beyond all bounds, or not there.

    Args:
        path: The file.
        error: What is raised when that fails; errors of molvae's own pass.
    """
    try:
        yield
    except DAMAGED as reason:
        name = type(reason).__name__ if isinstance(reason, LookupError | AttributeError | TypeError) else ""
        what = " ".join(part for part in (name, str(reason)) if part)
        raise error(f"{path} cannot be read, or is damaged: {what[:300]}") from reason
