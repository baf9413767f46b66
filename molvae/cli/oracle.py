"""`molvae oracle check`: whether an oracle of your own keeps the protocol, in plain sentences."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from molvae.cli import options
from molvae.cli.objectives import trust_option
from molvae.errors import OracleError

if TYPE_CHECKING:
    from molvae.cli.output import Session
    from molvae.oracles.conformance import Examination

_MARKS = {"good": "ok   ", "note": "note ", "wrong": "WRONG"}


@click.group(no_args_is_help=True)
def command() -> None:
    """Look after an oracle of your own: a function, a program, a server.

    \b
    Examples:
      molvae oracle check dock.py:score
      molvae oracle check 'cmd:python dock.py receptor.pdbqt' --json
    """


@command.command(short_help="Ask it about a hundred molecules; say what is wrong.")
@click.argument("oracle")
@click.option(
    "--molecules",
    "large",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    metavar="N",
    help="Molecules of the large batch; fewer where the oracle is slow.",
)
@trust_option()
@options.common()
@options.pass_session
def check(session: Session, oracle: str, large: int, trust: bool) -> None:
    """Ask ORACLE about ordinary, odd, repeated and many molecules, and say what is wrong with the answers.

    It is asked about a hundred molecules: whether it answers, whether a molecule always scores the same
    (asked again, in another order, alone), how long it takes, and what it does with molecules it cannot
    score. Exit code 4 when something is wrong.

    \b
    Examples:
      molvae oracle check dock.py:score
      molvae oracle check 'cmd[timeout=60]:python dock.py receptor.pdbqt'
      molvae oracle check http://localhost:8000/score --json
      molvae oracle check 'cmd[reinvent]:./run-model.sh'
    """
    from molvae.oracles.conformance import examine
    from molvae.oracles.plugins import load_oracle

    report = examine(load_oracle(oracle, trust=trust), large=large)
    session.report({**asdict(report), "keeps_protocol": report.keeps_protocol}, _text(report))
    if not report.keeps_protocol:
        wrong = sum(finding.verdict == "wrong" for finding in report.findings)
        raise OracleError(
            f"the oracle '{oracle}' breaks the protocol in {wrong} way{'s' if wrong > 1 else ''}",
            hint="docs/write-an-oracle.md shows what is expected, with examples.",
        )


def _text(report: Examination) -> str:
    lines = [f"{_MARKS[finding.verdict]}  {finding.name}: {finding.sentence}" for finding in report.findings]
    return "\n".join([*lines, f"{report.n_molecules} molecules were asked in all."])
