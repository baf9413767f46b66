"""The entry point: commands imported on demand, and exit codes."""

from __future__ import annotations

import importlib
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from molvae.cli.output import Session
from molvae.cli.process import (
    Terminated,
    at_home,
    check_words,
    flush_nowhere,
    handle_signals,
    mend_streams,
    reader_is_gone,
    usage_sentence,
)
from molvae.errors import MolvaeError, StorageError, suggest

if TYPE_CHECKING:
    from collections.abc import Sequence

SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "Data": {
        "fetch": ("data", "Download a known data set (zinc250k, moses, qm9), or list them."),
        "prepare": ("data", "Make a clean training corpus from files of molecules."),
    },
    "Model": {
        "train": ("fitting", "Train a model on a corpus."),
        "fit-prior": ("fitting", "Fit the prior that samples are drawn from."),
        "fit-heads": ("fitting", "Fit property heads to labels of your own."),
        "sample": ("sample", "Draw new molecules."),
        "encode": ("vectors", "Molecules to latent vectors (and predicted properties)."),
        "decode": ("vectors", "Latent vectors to molecules."),
        "interpolate": ("analogues", "Molecules on the path from one to another."),
        "neighbors": ("analogues", "Find analogues of a molecule."),
        "arithmetic": ("analogues", "Add or remove an attribute."),
    },
    "Search": {
        "oracles": ("oracles", "List objectives, score molecules, check an oracle."),
        "optimize": ("optimize", "Find molecules with the properties you want."),
        "ask": ("batches", "Get the next batch to measure, as a file."),
        "tell": ("batches", "Add measured results."),
    },
    "Scale": {
        "screen": ("libraries", "Screen a whole library with a model, and merge the shards."),
        "predict": ("libraries", "Predict properties for a file of any size."),
        "impute": ("impute", "Fill a table of assays, rank compounds, suggest measurements."),
        "embed": ("libraries", "Latent vectors for a file of any size."),
    },
    "Look": {
        "report": ("pages", "An HTML page of a run, a campaign, a screen or a file."),
        "evaluate": ("evaluate", "Metrics of a model, or of any generator's molecules."),
        "domain": ("vectors", "Check whether molecules are in the model's domain."),
        "calibrate": ("fitting", "Calibrate similarity radius and applicability domain."),
        "explore": ("pages", "Browse latent space, in the browser."),
        "status": ("inspection", "Progress of a run, a campaign or a screen."),
        "info": ("inspection", "Facts about a checkpoint, corpus, campaign or screen."),
    },
}
"""Commands by section, each with its module and summary."""
_ALIASES = {"oracle": "oracles"}
_WITHIN = {
    ("oracles", "check"): "oracles",
    ("screen", "merge"): "screening", ("predict", "merge"): "screening", ("embed", "merge"): "screening",
}  # fmt: skip
"""Modules of the commands of two words."""

EXIT_CODES = """\b
Exit codes:
  0 ok · 1 internal error · 2 usage or settings · 3 no usable input
  4 oracle failed beyond its limit · 5 checkpoint, journal or disk
  75 stopped early, the same command resumes · 130, 143 interrupted
"""


_INTERRUPTED = "Finished work is saved; for train and optimize the same command resumes."


class LazyGroup(click.Group):
    """A group that imports a command when it is called, so that help is fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All command names, in the order they are used."""
        del ctx
        return [name for section in SECTIONS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of that name; `None` if there is no such command."""
        del ctx
        name = _ALIASES.get(cmd_name, cmd_name)
        modules = {known: module for section in SECTIONS.values() for known, (module, _) in section.items()}
        return _imported(modules[name], name) if name in modules else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As in click, with commands of two words, and suggestions for unknown commands."""
        known = [*self.list_commands(ctx), *_ALIASES]
        name, second = _ALIASES.get(args[0], args[0]), "".join(args[1:2])
        if (name, second) in _WITHIN:
            return f"{name} {second}", _imported(_WITHIN[name, second], second), args[2:]
        if name == "predict" and any(word.partition("=")[0] == "--campaign" for word in args):
            return name, _imported("libraries", "campaign"), args[1:]
        if not args[0].startswith("-") and args[0] not in known:
            if args[0] == "help":
                args = [*args[1:2], "--help"]
                return super().resolve_command(ctx, args) if len(args) > 1 else ("help", _HELP, [])
            raise click.UsageError(f"no command '{args[0]}'{suggest(args[0], known)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands, section by section."""
        del ctx
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, text) for name, (_, text) in commands.items()], col_max=12)


def _imported(module: str, name: str) -> click.Command:
    found = importlib.import_module(f"molvae.cli.{module}")
    command: click.Command = getattr(found, f"{name.replace('-', '_')}_command")
    return command


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from molvae import __version__

        commit = _commit()
        click.echo(f"molvae {__version__}" + (f" (commit {commit})" if commit else ""))
        ctx.exit()


def _commit() -> str:
    """The commit of the checkout that molvae runs from; "" if it is installed, or without git."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return ""


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
    """Molecular generation, optimization and screening in a latent space.

    \b
    A first search with the shipped model:
      molvae optimize checkpoints/zinc250k --maximize qed --budget 200 -o better
    \b
    Your own molecules:
      molvae prepare mine.csv -o corpus
      molvae train corpus -o run
      molvae sample run -n 100

    'molvae COMMAND --help' explains each command with examples.
    """


@click.command("help", add_help_option=False)
@click.pass_context
def _HELP(ctx: click.Context) -> None:  # noqa: N802 - a constant: the one command without a file
    click.echo(ctx.find_root().get_help())


def run(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code; errors are messages on stderr."""
    session = Session()
    try:
        words = [at_home(word) for word in argv]
        check_words(words)
        with cli.make_context("molvae", words, obj=session) as context:
            cli.invoke(context)
        sys.stdout.flush()
        code = 0
    except click.exceptions.Exit as outcome:
        code = outcome.exit_code
    except click.UsageError as error:
        code = _misused(session, error)
    except MolvaeError as error:
        code = error.exit_code
        session.error(error.message, hint=error.hint, code=code, traced_from=2)
    except OSError as error:
        code = _refused(session, error)
    except (KeyboardInterrupt, click.Abort):
        code = 130
        session.error("interrupted", hint=_INTERRUPTED, code=code)
    except Terminated:
        code = 143
        session.error("terminated", hint=_INTERRUPTED, code=code)
    except Exception as error:  # noqa: BLE001 - unexpected errors have exit code 1
        code = _internal(session, error)
    return code


def _misused(session: Session, error: click.UsageError) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
    else:
        path = error.ctx.command_path if error.ctx else "molvae"
        session.error(usage_sentence(error), hint=f"See '{path} --help'.", code=2)
    return 2


def _internal(session: Session, error: Exception) -> int:
    if isinstance(error, OverflowError | MemoryError) or "Maximum allowed" in str(error):  # numpy's
        session.error(f"a number is too large: {error}", hint="Use a smaller one.", code=2)
        return 2
    name, text = type(error).__name__, " ".join(str(error).split())
    session.error(
        f"unexpected {name}: {text}" if text else f"unexpected {name}",
        hint=None if session.verbosity > 0 else "This is a bug in molvae; -v shows where.",
        traced_from=1,
    )
    return 1


def _refused(session: Session, error: OSError) -> int:
    """An error of the operating system that no command handles, such as a full disk."""
    if isinstance(error, BrokenPipeError) and reader_is_gone():
        return 141  # what a shell reports for SIGPIPE: the reader (head, less) has closed the pipe
    reason = error.strerror or error
    session.error(
        f"cannot write the output: {reason}" if error.filename is None else f"{error.filename}: {reason}",
        hint="Check free space and permissions. Finished work is saved.",
        code=StorageError.exit_code,
        traced_from=1,
    )
    try:
        sys.stdout.flush()
    except OSError:  # stdout itself: the interpreter would flush it again at exit
        flush_nowhere()
    return StorageError.exit_code


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line of the process and exit."""
    mend_streams()
    handle_signals()
    arguments: list[Any] = sys.argv[1:] if argv is None else list(argv)
    if not sys.warnoptions and not any(part in arguments for part in ("-v", "-vv", "--verbose")):
        warnings.simplefilter("ignore")  # of libraries; -v shows them
    try:
        code = run(arguments)
    except KeyboardInterrupt:  # a signal while an error was reported
        code = 130
    except Terminated:
        code = 143
    sys.exit(code)
