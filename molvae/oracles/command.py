"""A program as an oracle: `cmd:PROGRAM ARGS`, kept running, in a process group of its own."""

from __future__ import annotations

import shlex
import shutil
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from molvae.config import parse_assignment, settings_from
from molvae.errors import UsageError
from molvae.oracles.config import ExternalSettings
from molvae.oracles.external import ExternalOracle, Trouble
from molvae.oracles.isolation import Program, ProgramEnded, ProgramFloods, ProgramLate
from molvae.oracles.protocol import ProtocolError, greeting, read_answer, read_greeting, request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.oracles.base import OracleText, Score


class CommandWorker:
    """A program that speaks the protocol; started when first asked, and again after it has failed.

    Args:
        command: Program and arguments.
        settings: Time to start, and the key of a payload.
    """

    def __init__(self, command: Sequence[str], settings: ExternalSettings) -> None:
        self._command = tuple(command)
        self._settings = settings
        self._program: Program | None = None
        self._number = 0

    def greet(self) -> dict[str, Any]:
        """Start the program anew and return what it says of itself.

        Raises:
            Trouble: It does not start, or does not say hello in time.
        """
        self._kill()
        program = self._program = Program(self._command)
        try:
            line = program.exchange(greeting(), time.monotonic() + self._settings.start)
            return read_greeting(line)
        except ProgramLate:
            detail = f"the program did not say hello within {self._settings.start:g} s"
            raise self._failed(detail, status="timeout", again=False, apart=False) from None
        except (ProgramEnded, ProgramFloods) as error:
            raise self._failed(f"before it said hello, {error}", apart=False, starting=True) from None
        except ProtocolError as error:
            raise self._failed(
                f"instead of a hello: {error}", again=False, apart=False, starting=True
            ) from None
        except BaseException:
            self._kill()
            raise

    def ask(self, smiles: Sequence[str], seconds: float) -> list[Score]:
        """One score for each molecule.

        Raises:
            Trouble: There is none; the program has been ended.
        """
        program = self._program
        if program is None or program.exit_code is not None:  # it may have ended after its last answer
            self.greet()
            program = self._program
        assert program is not None  # noqa: S101 - greet sets it or raises
        self._number += 1
        try:
            line = program.exchange(request(self._number, smiles), time.monotonic() + seconds)
            return read_answer(line, smiles, number=self._number, key=self._settings.key)
        except ProgramLate:
            raise self._failed(f"no answer within {seconds:g} s", status="timeout", again=False) from None
        except (ProgramEnded, ProgramFloods, ProtocolError) as error:
            raise self._failed(str(error), again=not isinstance(error, ProtocolError)) from None
        except BaseException:
            self._kill()
            raise

    def close(self) -> None:
        """End the program's input, give it a moment to end by itself, and end it."""
        program, self._program = self._program, None
        if program is not None:
            program.close()

    def interrupt(self) -> None:
        """End the program while another thread waits for it."""
        program = self._program
        if program is not None:
            program.end()

    def _failed(self, detail: str, **kind: Any) -> Trouble:
        self._kill()
        return Trouble(detail, **kind)

    def _kill(self) -> None:
        program, self._program = self._program, None
        if program is not None:
            program.kill()


class ReinventWorker:
    """A program as REINVENT 4 runs it: SMILES, one per line, until the input ends, and JSON back.

    Args:
        command: Program and arguments; run anew for each request.
        settings: The key of the payload.
    """

    def __init__(self, command: Sequence[str], settings: ExternalSettings) -> None:
        self._command = tuple(command)
        self._settings = settings
        self._program: Program | None = None

    def ask(self, smiles: Sequence[str], seconds: float) -> list[Score]:
        """One score for each molecule.

        Raises:
            Trouble: There is none.
        """
        program = self._program = Program(self._command)
        limit = seconds + self._settings.start  # it loads its models every time
        try:
            text = program.exchange("\n".join(smiles), time.monotonic() + limit, last=True)
            return read_answer(text, smiles, key=self._settings.key)
        except ProgramLate:
            raise Trouble(f"no answer within {limit:g} s", status="timeout", again=False) from None
        except (ProgramEnded, ProgramFloods) as error:
            raise Trouble(str(error)) from None
        except ProtocolError as error:
            raise Trouble(self._explained(program, error), again=False) from None
        finally:
            self.close()

    def close(self) -> None:
        """End the program, if it runs; after its answer there is nothing to wait for."""
        program, self._program = self._program, None
        if program is not None:
            program.kill()

    def interrupt(self) -> None:
        """End the program while another thread waits for it."""
        program = self._program
        if program is not None:
            program.end()

    @staticmethod
    def _explained(program: Program, error: ProtocolError) -> str:
        obituary = program.obituary()
        return str(error) if obituary.endswith("exit code 0") else f"{obituary}; {error}"


def command_oracle(text: OracleText) -> ExternalOracle:
    """`cmd:PROGRAM ARGS` or `cmd[timeout=60,workers=4]:PROGRAM ARGS`: a program that speaks the protocol.

    Raises:
        ConfigError: An option that is none.
        UsageError: No program, one that does not exist, or one that does not say hello.
    """
    settings = external_settings(text)
    text.require_argument("an oracle that is a program needs a command", example="cmd:python dock.py")
    try:
        command = shlex.split(text.argument)
    except ValueError as error:
        raise UsageError(f"the command of '{text}' cannot be taken apart: {error}") from None
    if shutil.which(command[0]) is None:
        raise UsageError(
            f"the oracle '{text}' names a program that does not exist or cannot be run: {command[0]}",
            hint="Give its whole path, make it executable, or name its interpreter: cmd:python dock.py.",
        )
    if settings.reinvent:
        return ExternalOracle(str(text), partial(ReinventWorker, command, settings), settings)
    return started(command, settings, str(text))[0]


def started(
    command: Sequence[str], settings: ExternalSettings, text: str
) -> tuple[ExternalOracle, dict[str, Any]]:
    """The oracle of a program whose first worker runs already, and what it said in its hello.

    Args:
        command: Program and arguments.
        settings: Time-outs, workers, retries.
        text: What makes the oracle.

    Raises:
        UsageError: The program does not start, so that no campaign begins with it.
    """
    first = CommandWorker(command, settings)
    try:
        hello = first.greet()
    except Trouble as trouble:
        raise UsageError(
            f"the oracle '{text}' does not start: {trouble.score.detail}",
            hint="A program written for REINVENT 4 is cmd[reinvent]:PROGRAM." if text[:3] == "cmd" else None,
        ) from None
    ready = [first]
    make = partial(CommandWorker, command, settings)
    return ExternalOracle(text, lambda: ready.pop() if ready else make(), settings), hello


def external_settings(text: OracleText) -> ExternalSettings:
    """The settings that stand in the brackets of an oracle's text; a word alone switches something on.

    Raises:
        ConfigError: An option that is none, or has another kind of value.
    """
    values = dict(
        parse_assignment(option) if "=" in option else (option.strip(), True) for option in text.options
    )
    return settings_from(ExternalSettings, values, f"the brackets of '{text}'")
