"""Run the command line in this process: exit code, stdout, stderr."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from molvae.cli.main import run

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


@pytest.fixture
def molvae(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    def call(*argv: object) -> Done:
        capsys.readouterr()
        code = run([str(part) for part in argv])
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call
