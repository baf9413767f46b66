"""The entry point: commands loaded when they are called, and every outcome turned into an exit code."""

from __future__ import annotations

import importlib
import io
import os
import select
import signal
import sys
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from molvae.cli.output import Session
from molvae.errors import MolvaeError, StorageError, suggest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

SECTIONS: dict[str, dict[str, str]] = {
    "Data": {
        "fetch": "Download a known data set (zinc250k, moses, qm9), or list them.",
        "prepare": "Turn files of molecules into a clean corpus for training.",
    },
    "Model": {
        "train": "Train a model on a corpus.",
        "fit-prior": "Fit what samples are drawn from.",
        "fit-heads": "Teach a trained model properties of your own.",
        "sample": "Draw new molecules.",
        "encode": "Molecules to latent vectors (and predicted properties).",
        "decode": "Latent vectors to molecules.",
        "interpolate": "Walk from one molecule to another.",
        "neighbors": "Find analogues of a molecule.",
        "arithmetic": "Add or remove an attribute.",
    },
    "Search": {
        "oracles": "What can be searched for, and what molecules score.",
        "oracle": "Check an oracle of your own.",
        "optimize": "Find molecules with the properties you want.",
        "ask": "Get the next batch to measure, as a file.",
        "tell": "Give measured results back.",
    },
    "Scale": {
        "screen": "Lead a whole library through a model, and merge the shards.",
        "predict": "Properties of every row of a file of any size.",
        "impute": "Fill a table of assays, rank compounds, say what to measure next.",
        "embed": "Latent vectors of every row of a file of any size.",
    },
    "Look": {
        "report": "An HTML page of a run, a campaign, a screen or a file.",
        "evaluate": "Measure a model, or any generator's molecules.",
        "domain": "Is a molecule one the model knows about?",
        "calibrate": "Let a checkpoint learn about its own latent space.",
        "explore": "Wander in latent space, in the browser.",
        "status": "How far a run, a campaign or a screen is.",
        "info": "What a checkpoint, corpus, campaign or screen holds.",
    },
}

EXIT_CODES = """\b
Exit codes:
  0 ok · 1 internal error · 2 usage or settings · 3 no usable input
  4 oracle failed beyond its limit · 5 checkpoint, journal or disk
  75 stopped early, the same command resumes · 130, 143 interrupted
"""


_PLAIN_WORDS = {
    "is not a valid integer range": "is not a whole number",
    "is not a valid integer": "is not a whole number",
    "is not a valid float range": "is not a number",
    "is not a valid float": "is not a number",
    "in the range x>=": "in the range from ",
    "in the range x>": "in the range above ",
    "No such command": "no command",
}


class Terminated(BaseException):
    """The operating system asked the process to end (SIGTERM)."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called: help answers without loading a library."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All command names, in the order they are used."""
        del ctx
        return [name for section in SECTIONS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of that name; `None` if there is no such command."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(f"molvae.cli.{cmd_name.replace('-', '_')}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As in click, with the nearest match when there is no such command."""
        if not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            if args[0] == "help":  # what half the other programs understand
                args = [*args[1:2], "--help"]
                return super().resolve_command(ctx, args) if len(args) > 1 else ("help", _HELP, [])
            raise click.UsageError(f"no command '{args[0]}'{suggest(args[0], self.list_commands(ctx))}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table above, section by section."""
        del ctx
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(list(commands.items()), col_max=12)


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    del param
    if value and not ctx.resilient_parsing:
        from molvae import __version__

        click.echo(f"molvae {__version__}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXIT_CODES,
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version.",
)
def cli() -> None:
    """Learn a continuous map of molecules and search it.

    \b
    A first search with the shipped model:
      molvae optimize checkpoints/zinc250k --maximize qed --budget 200 -o better
    \b
    Your own molecules:
      molvae prepare mine.csv -o corpus
      molvae train corpus -o run
      molvae sample run -n 100

    'molvae COMMAND --help' teaches each command with examples.
    """


@click.command("help", add_help_option=False)
@click.pass_context
def _HELP(ctx: click.Context) -> None:  # noqa: N802 - a constant: the one command without a file
    click.echo(ctx.find_root().get_help())


def run(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code; whatever goes wrong is a sentence on stderr."""
    session = Session()
    try:
        return _run([_at_home(word) for word in argv], session)
    except OSError as error:
        if isinstance(error, BrokenPipeError) and _reader_is_gone():
            return 141  # what a shell reports for SIGPIPE: the reader (head, less) had enough
        return _refused(session, error)
    except (KeyboardInterrupt, click.Abort):
        session.error(
            "interrupted",
            hint="What was finished is saved; for train and optimize the same command continues.",
        )
        return 130
    except Terminated:
        session.error(
            "terminated",
            hint="What was finished is saved; for train and optimize the same command continues.",
        )
        return 143
    except Exception:  # noqa: BLE001 - the last line of defense turns anything into a message and exit code 1
        return _internal(session)


def _run(argv: Sequence[str], session: Session) -> int:
    try:
        _check_words(argv)
        with cli.make_context("molvae", list(argv), obj=session) as context:
            cli.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as outcome:
        return outcome.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "molvae"
        session.error(_usage_sentence(error), hint=f"'{path} --help' shows what there is.", code=2)
        return 2
    except click.ClickException as error:
        session.error(error.format_message(), code=2)
        return 2
    except MolvaeError as error:
        session.error(error.message, hint=error.hint, code=error.exit_code)
        if session.verbosity > 1:
            session.trace(traceback.format_exc())
        return error.exit_code
    return 0


def _at_home(word: str) -> str:
    """A path in the home directory: a shell leaves `--output=~/x` and what is quoted as they are.

    >>> _at_home("--output=~nobody/x"), _at_home("CCO")
    ('--output=~nobody/x', 'CCO')
    """
    head, equals, path = word.partition("=") if word.startswith("--") else ("", "", word)
    return f"{head}{equals}{Path(path).expanduser()}" if path.startswith("~/") else word


def _usage_sentence(error: click.UsageError) -> str:
    if isinstance(error, click.NoSuchOption) and error.ctx is not None:
        known = [name for param in error.ctx.command.get_params(error.ctx) for name in param.opts]
        return f"no option '{error.option_name}'{_nearest_option(error.option_name, known)}"
    message = error.format_message().rstrip(".?").replace(". Did you mean", "; did you mean")
    for theirs, ours in _PLAIN_WORDS.items():
        message = message.replace(theirs, ours)
    return message[:1].lower() + message[1:] + ("?" if "did you mean" in message else "")


def _nearest_option(name: str, known: Sequence[str]) -> str:
    """The option that is written like it, or whose initials it is (--lr, --bs)."""
    initials = {"".join(word[:1] for word in option.strip("-").split("-")): option for option in known}
    meant = initials.get(name.strip("-"))
    if meant is not None and "-" in meant.strip("-"):
        return f"; did you mean '{meant}'?"
    return suggest(name, [option for option in known if option != "--help" or name.startswith("--h")])


def _internal(session: Session) -> int:
    kind, error, _ = sys.exc_info()
    if isinstance(error, OverflowError | MemoryError) or "Maximum allowed" in str(
        error
    ):  # the last is numpy's
        session.error(f"a number is beyond all bounds: {error}", hint="Use a smaller one.", code=2)
        return 2
    name = kind.__name__ if kind is not None else "error"
    text = " ".join(str(error).split())
    session.error(
        f"unexpected {name}: {text}" if text else f"unexpected {name}",
        hint=None if session.verbosity > 0 else "This is a bug in molvae; -v shows where.",
        code=1,
    )
    if session.verbosity > 0:
        session.trace(traceback.format_exc())
    return 1


def _refused(session: Session, error: OSError) -> int:
    """Disk, memory or stdout refused something nobody was prepared for."""
    reason = error.strerror or error
    session.error(
        f"cannot write the output: {reason}" if error.filename is None else f"{error.filename}: {reason}",
        hint="Is the disk full, or the place not yours? What was finished is saved.",
        code=StorageError.exit_code,
    )
    if session.verbosity > 0:
        session.trace(traceback.format_exc())
    try:
        sys.stdout.flush()
    except OSError:  # stdout itself: the interpreter would try once more on its way out
        _flush_nowhere()
    return StorageError.exit_code


def _flush_nowhere() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _reader_is_gone() -> bool:
    """Whether stdout is a pipe nobody reads any more (`molvae sample ... | head`)."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        gone = any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
        if gone:  # the interpreter flushes once more on its way out
            _flush_nowhere()
    except (AttributeError, OSError, ValueError):  # no poll on this system, or no file behind stdout
        return False
    return gone


def _on_sigterm(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one ends the process at once
    raise Terminated


def _on_sigint(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second Ctrl-C ends the process at once
    raise KeyboardInterrupt


def _mend_streams() -> None:
    """Give closed streams a place, and let no encoding stop a result or a message.

    A file opened while stdout is closed would be taken for it, and results written into the middle of it.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # takes the free number; writing to it is an error
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, "r" if name == "stdin" else "w", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _check_words(argv: Sequence[str]) -> None:
    for word in argv:
        if not word.isprintable() and any("\ud800" <= character <= "\udfff" for character in word):
            raise click.UsageError(f"{os.fsencode(word)!r} is not UTF-8: rename the file")
        if "\0" in word:
            raise click.UsageError(f"{word!r} holds a NUL character, which no name can have")


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """What the shell calls: run, then leave with the exit code."""
    _mend_streams()
    signal.signal(signal.SIGTERM, _on_sigterm)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # a shell's background job ignores Ctrl-C
        signal.signal(signal.SIGINT, _on_sigint)
    arguments: list[Any] = sys.argv[1:] if argv is None else list(argv)
    if not sys.warnoptions and not any(part in arguments for part in ("-v", "-vv", "--verbose")):
        warnings.simplefilter("ignore")  # libraries talk to programmers; -v lets them
    try:
        code = run(arguments)
    except KeyboardInterrupt:  # a signal, while what had happened was being told
        code = 130
    except Terminated:
        code = 143
    sys.exit(code)
