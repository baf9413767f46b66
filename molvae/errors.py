"""The exceptions of molvae.

```
MolvaeError                  exit code 1
├── UsageError               2   a wrong option, argument or call
│   ├── ConfigError          2   a settings file or key
│   │   └── DivergedError    2   a fit that diverged
│   ├── UnknownNameError     2   a name that is not registered
│   └── MissingDependencyError 2  an optional package that is not installed
├── InputError               3   no usable input
├── OracleError              4   an oracle failed beyond its limit
├── StorageError             5   checkpoint, journal or disk
│   ├── CheckpointError      5   a model or corpus directory that is damaged, hostile or of another kind
│   ├── JournalError         5   a campaign journal that is damaged or contradicted
│   └── LockedError          5   a directory another process is writing
└── StoppedEarly             75  stopped before the end; the same command resumes
```

A message says what happened, what was given and what was expected; the hint says what to do.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class MolvaeError(Exception):
    """Base of all exceptions of molvae.

    Args:
        message: One sentence: what happened, what was given, what was expected.
        hint: One sentence: what to do.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n{self.hint}"


class UsageError(MolvaeError):
    """A wrong option, argument or call."""

    exit_code = 2


class ConfigError(UsageError):
    """An invalid settings file, key or value."""


class DivergedError(ConfigError):
    """A fit diverged to a non-finite number; for example, the learning rate is too high."""


class UnknownNameError(UsageError):
    """A name that is not registered."""


class MissingDependencyError(UsageError):
    """An optional package that is not installed."""


class InputError(MolvaeError):
    """No usable input: a missing file, an unreadable table, no usable row."""

    exit_code = 3


class OracleError(MolvaeError):
    """An oracle failed beyond its limit."""

    exit_code = 4


class StorageError(MolvaeError):
    """A problem with the disk or the files on it."""

    exit_code = 5


class CheckpointError(StorageError):
    """A model or corpus directory that is incomplete, damaged, hostile or of another kind."""


class JournalError(StorageError):
    """A campaign journal that is damaged, or an event that contradicts it."""


class LockedError(StorageError):
    """A directory that another process is writing."""


class StoppedEarly(MolvaeError):  # noqa: N818 - an outcome with an exit code, not an error
    """Stopped before the end; finished work is saved and the same command resumes."""

    exit_code = 75


def suggest(word: str, options: Iterable[str]) -> str:
    """The end of an error message that suggests the nearest option, or "".

    >>> suggest("qde", ["qed", "logp"])
    "; did you mean 'qed'?"
    >>> suggest("zzz", ["qed", "logp"])
    ''
    """
    lowered = {option.lower(): option for option in options}
    close = get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    return f"; did you mean '{lowered[close[0]]}'?" if close else ""
