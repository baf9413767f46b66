"""A program as an oracle: `cmd:PROGRAM ARGS`, kept running in its own process group."""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from molvae.config import parse_assignment, settings_from
from molvae.errors import UnknownNameError, UsageError
from molvae.oracles.base import ORACLES, OracleText
from molvae.oracles.config import ExternalSettings
from molvae.oracles.external import ExternalOracle, Trouble
from molvae.oracles.functions import USER_FUNCTION, user_function_oracle
from molvae.oracles.isolation import Program, ProgramEnded, ProgramLate
from molvae.oracles.protocol import ProtocolError, greeting, read_answer, read_greeting, request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from molvae.oracles.base import Oracle, Score


_SERVING = "import sys; sys.path += sys.argv[3:]; from molvae.oracles.serving import main; main()"
"""Modules of the current directory must not shadow those of Python or molvae."""

_USER_FUNCTION = "molvae.oracles.functions:user_function_oracle"  # imports much less than the other
_REGISTERED = "molvae.oracles.plugins:make_oracle"


class _ProgramWorker:
    """A program that answers requests."""

    def __init__(self, command: Sequence[str], settings: ExternalSettings) -> None:
        self._command = tuple(command)
        self._settings = settings
        self._program: Program | None = None
        self._number = 0

    def interrupt(self) -> None:
        """Kill the program while another thread waits for it."""
        program = self._program
        if program is not None:
            program.end()

    def _kill(self) -> None:
        program, self._program = self._program, None
        if program is not None:
            program.kill()

    @contextmanager
    def _killed_on_error(self) -> Iterator[None]:
        """Kill the program after any error: its next answer would not be that of the next request."""
        try:
            yield
        except BaseException:
            self._kill()
            raise


class CommandWorker(_ProgramWorker):
    """A program that follows the protocol; started on the first call, restarted after a failure."""

    def greet(self) -> dict[str, Any]:
        """Restart the program and return its greeting.

        Raises:
            Trouble: It does not start, or does not answer the greeting in time.
        """
        self._kill()
        program = self._program = Program(self._command)
        with self._killed_on_error():
            try:
                line = program.exchange(greeting(), time.monotonic() + self._settings.start)
                return read_greeting(line)
            except ProgramLate:
                detail = f"the program did not answer the greeting within {self._settings.start:g} s"
                raise Trouble(detail, status="timeout", again=False, apart=False) from None
            except ProgramEnded as error:
                detail = f"before answering the greeting, {error}"
                raise Trouble(detail, apart=False, starting=True) from None
            except ProtocolError as error:
                detail = f"instead of answering the greeting: {error}"
                raise Trouble(detail, again=False, apart=False, starting=True) from None

    def ask(self, smiles: Sequence[str], seconds: float) -> list[Score]:
        """One score for each molecule.

        Raises:
            Trouble: The request failed; the program has been killed.
        """
        program = self._program
        if program is None or program.exit_code is not None:  # it may have exited after its last answer
            self.greet()
            program = self._program
        assert program is not None  # noqa: S101 - greet sets it or raises
        self._number += 1
        with self._killed_on_error():
            try:
                line = program.exchange(request(self._number, smiles), time.monotonic() + seconds)
                return read_answer(line, smiles, number=self._number, key=self._settings.key)
            except ProgramLate:
                raise Trouble(f"no answer within {seconds:g} s", status="timeout", again=False) from None
            except ProgramEnded as error:
                raise Trouble(str(error)) from None
            except ProtocolError as error:
                raise Trouble(str(error), again=False) from None

    def close(self) -> None:
        """Close the program's input, wait briefly for it to exit, and kill it."""
        program, self._program = self._program, None
        if program is not None:
            program.close()


class ReinventWorker(_ProgramWorker):
    """A REINVENT 4 external process: SMILES, one per line, until the input ends, and JSON back.

    The program is started for each request.
    """

    def ask(self, smiles: Sequence[str], seconds: float) -> list[Score]:
        """One score for each molecule.

        Raises:
            Trouble: The request failed.
        """
        program = self._program = Program(self._command)
        limit = seconds + self._settings.start  # it loads its models for every request
        try:
            text = program.exchange("\n".join(smiles), time.monotonic() + limit, last=True)
            return read_answer(text, smiles, key=self._settings.key)
        except ProgramLate:
            raise Trouble(f"no answer within {limit:g} s", status="timeout", again=False) from None
        except ProgramEnded as error:
            raise Trouble(str(error)) from None
        except ProtocolError as error:
            ended = program.describe_end()
            detail = str(error) if ended.endswith("exit code 0") else f"{ended}; {error}"
            raise Trouble(detail, again=False) from None
        finally:
            self.close()

    def close(self) -> None:
        """Kill the program, if it runs."""
        self._kill()


def command_oracle(text: OracleText) -> ExternalOracle:
    """`cmd:PROGRAM ARGS` or `cmd[timeout=60,workers=4]:PROGRAM ARGS`: a program that follows the protocol.

    Raises:
        ConfigError: An unknown option.
        UsageError: There is no such program, or it does not answer the greeting.
    """
    settings = external_settings(text)
    text.require_argument("a program oracle needs a command", example="cmd:python dock.py")
    try:
        command = shlex.split(text.argument)
    except ValueError as error:
        raise UsageError(f"the command of '{text}' cannot be parsed: {error}") from None
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
    """The oracle of a program whose first worker is running, and its greeting.

    Raises:
        UsageError: The program does not start.
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
    """The settings in the brackets of an oracle's text; a bare name means true.

    Raises:
        ConfigError: An unknown option, or a wrong value.
    """
    values = dict(
        parse_assignment(option) if "=" in option else (option.strip(), True) for option in text.options
    )
    return settings_from(ExternalSettings, values, f"the brackets of '{text}'")


def isolated(
    text: str,
    settings: ExternalSettings | None = None,
    *,
    name: str | None = None,
    maker: str | None = None,
) -> ExternalOracle:
    """An oracle in separate processes; the first starts immediately, to raise errors in the text.

    Its name is its text unless another is given. `maker` (`module:function`) makes it from the text in these
    processes; by default a user function is imported, and any other text is read by `make_oracle`.

    Raises:
        UsageError: The oracle cannot be made.
    """
    own = USER_FUNCTION.fullmatch(text) is not None and OracleText.read(text).name not in ORACLES
    maker = maker or (_USER_FUNCTION if own else _REGISTERED)
    command = [sys.executable, "-P", "-c", _SERVING, maker, text, *sys.path]
    oracle, hello = started(command, settings or ExternalSettings(), name or text)
    wrong = hello.get("wrong")
    if wrong is not None:
        oracle.close()
        error = UnknownNameError if wrong["kind"] == "UnknownNameError" else UsageError
        raise error(wrong["message"], hint=wrong["hint"])
    return oracle


def isolated_oracle(text: OracleText) -> ExternalOracle:
    """`isolated[workers=4,timeout=60]:ORACLE`: any oracle in separate processes.

    Raises:
        ConfigError: An unknown option.
        UsageError: There is no oracle, or it cannot be made.
    """
    text.require_argument("isolated needs an oracle", example="isolated:docking.py:score")
    return isolated(text.argument, external_settings(text), name=str(text))


def inline_oracle(text: OracleText, load: Callable[[str], Oracle]) -> Oracle:
    """`inline:module:function`: a user function in this process: fast, but not isolated.

    Raises:
        UsageError: There are options, or no function.
    """
    if text.options:
        raise UsageError(f"inline takes no options, got '{text}'")
    return (
        user_function_oracle(text.argument) if USER_FUNCTION.fullmatch(text.argument) else load(text.argument)
    )
