"""`molvae oracles`: list and explain oracles, score molecules, and check an oracle of your own."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from molvae.cli import inputs, molecules, options
from molvae.cli.output import table_text
from molvae.errors import OracleError, UnknownNameError, suggest
from molvae.oracles.base import trouble_of, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from molvae.chemistry.molecule import Invalid, Molecule
    from molvae.cli.inputs import Arguments, InputRow
    from molvae.cli.molecules import Cells
    from molvae.cli.output import Session
    from molvae.oracles.base import Oracle, Score
    from molvae.oracles.conformance import Examination

_TITLES = {
    "descriptor": "Descriptors",
    "aimed": "With an argument",
    "desirability": "Desirabilities: map any SCORE to 0 (worst) to 1 (best)",
    "benchmark": "Published objectives (PMO, GuacaMol)",
}
_OWN = "Your own function: module:function or path/to/file.py:function, of a list of SMILES or of one."
_MARKS = {"good": "ok   ", "note": "note ", "wrong": "WRONG"}
_CHUNK = 256


@click.command()
@click.argument("name", required=False)
@click.argument("texts", nargs=-1, metavar="[FILE|SMILES]...")
@options.output()
@options.columns()
@options.trust()
@options.common()
def oracles_command(
    session: Session,
    name: str | None,
    texts: tuple[str, ...],
    output: Path | None,
    columns: options.Columns,
    trust: bool,
) -> None:
    """List the scores for --maximize, --minimize, --at-most and --at-least.

    With NAME, show the definition of that oracle; with molecules too, score them, and list the scores of its
    terms. 'molvae oracles check ORACLE' tests a program, server or function of your own.

    A custom objective is a TOML file, given as mpo:FILE.toml:

    \b
      mean = "geometric"                # or "arithmetic"
      terms = [
          "clipped[0.8]:similarity[fcfp4]:lead",
          "gaussian[lead,0.5]:logp",    # as lipophilic as the lead
          { score = "max_gaussian[90,10]:tpsa", weight = 2 },
          "substructure[absent]:[N+](=O)[O-]",
      ]
      [molecules]
      lead = "CC(=O)Nc1ccc(O)cc1"

    \b
    Examples:
      molvae oracles
      molvae oracles osimertinib_mpo
      molvae oracles isomers:C9H10N2O2PF2Cl 'CC(=O)Nc1ccc(O)cc1'
      molvae oracles mpo:mine.toml mine.csv -o scored.csv
      molvae oracles 'min_gaussian[3,0.5]:sa' 'CCO' 'C1CC1N'
      molvae oracles check dock.py:score
    """
    from molvae.oracles.plugins import known_oracles, load_oracle

    if name is None:
        _list(session)
    elif "'check'" in (near := suggest(name, [*known_oracles(), "check"])):
        raise UnknownNameError(f"unknown oracle '{name}'{near}", hint="'molvae oracles' lists the names.")
    elif not texts:
        _show(session, name, trust=trust)
    else:
        _score(session, load_oracle(name, trust=trust), inputs.Arguments(texts, columns), output)


@click.command()
@click.argument("oracle")
@options.integer(
    "--molecules", "large", text="Size of the large batch; smaller for slow oracles.", default=64
)
@options.trust()
@options.common()
def check_command(session: Session, oracle: str, large: int, trust: bool) -> None:
    """Test whether ORACLE (a function, a program, a server) follows the protocol.

    It is called with about a hundred ordinary, odd and repeated molecules. The report covers whether it
    answers, whether the scores are reproducible (called again, in another order, alone), how fast it is, and
    how it handles molecules it cannot score. Exit code 4 if something is wrong.

    \b
    Examples:
      molvae oracles check dock.py:score
      molvae oracles check 'cmd[timeout=60]:python dock.py receptor.pdbqt'
      molvae oracles check http://localhost:8000/score --json
      molvae oracles check 'cmd[reinvent]:./run-model.sh'
    """
    from molvae.oracles.conformance import examine
    from molvae.oracles.plugins import load_oracle

    report = examine(load_oracle(oracle, trust=trust), large=large)
    session.report({**asdict(report), "keeps_protocol": report.keeps_protocol}, _findings(report))
    if not report.keeps_protocol:
        wrong = sum(finding.verdict == "wrong" for finding in report.findings)
        raise OracleError(
            f"the oracle '{oracle}' breaks the protocol in {wrong} way{'s' if wrong > 1 else ''}",
            hint="docs/write-an-oracle.md shows what is expected, with examples.",
        )


def _findings(report: Examination) -> str:
    lines = [f"{_MARKS[finding.verdict]}  {finding.name}: {finding.sentence}" for finding in report.findings]
    return "\n".join([*lines, f"{report.n_molecules} molecules were scored in total."])


def _list(session: Session) -> None:
    from molvae.oracles.catalog import KINDS, catalog

    entries = catalog()
    width = max(len(entry.usage) for entry in entries)
    parts = []
    for kind in KINDS:
        lines = [f"  {e.usage:<{width}}  {e.about}" for e in entries if e.kind == kind]
        parts.append("\n".join([_TITLES[kind], *lines]))
    session.report({"oracles": [asdict(entry) for entry in entries]}, "\n\n".join([*parts, _OWN]))


def _show(session: Session, name: str, *, trust: bool) -> None:
    from molvae.oracles.catalog import definition

    entry, oracle = definition(name, trust=trust)
    facts: dict[str, Any] = {"name": entry.name, "usage": entry.usage, "about": entry.about}
    text = f"{entry.usage}  {entry.about}".rstrip()
    if oracle is not None:
        rows = [(weight, term.name) for weight, term in zip(oracle.weights, oracle.terms, strict=True)]
        terms = [{"score": score, "weight": weight} for weight, score in rows]
        facts |= {"mean": oracle.mean, "terms": terms}
        text += f"\n{oracle.mean} mean of\n" + table_text(("weight", "score"), rows)
    session.report(facts, text)


def _score(session: Session, oracle: Oracle, arguments: Arguments, output: Path | None) -> None:
    from molvae.chemistry.molecule import is_valid, parse
    from molvae.data.records import Column

    names = [oracle.name, *(term.name for term in _terms(oracle))]
    columns = [Column("identifier"), Column("smiles", "smiles"), *(Column(name, "number") for name in names)]
    failures: list[str] = []

    def scored(_number: int, part: list[InputRow]) -> Iterator[tuple[bool, Cells]]:
        read = [parse(row.text) for row in part]
        for row, molecule, scores in zip(part, read, _scores(oracle, read), strict=True):
            values = [value_of(score) for score in scores]
            trouble = trouble_of(scores[:1])
            if is_valid(molecule) and values[0] is None:
                failures.append(trouble)
            yield (
                values[0] is not None,
                [row.identifier, molecules.smiles_or_none(molecule), *values, trouble or None],
            )

    rows, columns = arguments.rows(session), [*columns, Column("trouble")]
    n, n_scored = molecules.write_each(session, "score", rows, output, columns, scored, chunk=_CHUNK)
    session.wrote(output, {"scored": n_scored, "without_a_score": n - n_scored})
    if failures and n_scored == 0:
        raise OracleError(f"'{oracle.name}' scored none of the {n} molecules; the first: {failures[0]}")


def _scores(oracle: Oracle, read: Sequence[Molecule | Invalid]) -> list[list[Score]]:
    """The scores of each molecule and of the terms, or the reason why it is invalid."""
    from molvae.chemistry.molecule import is_valid
    from molvae.oracles.base import Score, ask

    valid = [molecule for molecule in read if is_valid(molecule)]
    asked = (oracle, *_terms(oracle))
    found = zip(*(ask(one, valid) for one in asked), strict=True)
    return [
        list(next(found)) if is_valid(molecule) else [Score.invalid(molecule.reason)] * len(asked)
        for molecule in read
    ]


def _terms(oracle: Oracle) -> tuple[Oracle, ...]:
    """The terms of an oracle, if there are several."""
    terms: tuple[Oracle, ...] = getattr(oracle, "terms", ())
    return terms if len(terms) > 1 else ()
