"""`molvae oracles`: what can be asked for, what it is made of, and what molecules score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from molvae.cli import inputs, options
from molvae.cli.objectives import trouble_of, trust_option, value_of
from molvae.cli.output import table_text
from molvae.errors import OracleError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from molvae.chemistry.molecule import Invalid, Molecule
    from molvae.cli.output import Session
    from molvae.oracles.base import Oracle, Score

_TITLES = {
    "descriptor": "Numbers of a molecule",
    "aimed": "Aimed at something of yours",
    "desirability": "Desirabilities: turn any SCORE into 0 (useless) to 1 (just right)",
    "benchmark": "Published objectives (PMO, GuacaMol)",
}
_OWN = "Your own function: module:function or path/to/file.py:function, of a list of SMILES or of one."
_CHUNK = 256


@click.command()
@click.argument("name", required=False)
@click.argument("molecules", nargs=-1, metavar="[FILE|SMILES]...")
@options.output()
@options.columns()
@trust_option()
@options.common()
@options.pass_session
def command(
    session: Session,
    name: str | None,
    molecules: tuple[str, ...],
    output: Path | None,
    smiles_column: str | None,
    id_column: str | None,
    trust: bool,
) -> None:
    """List what --maximize, --minimize, --at-most and --at-least can name.

    With NAME, show what that oracle is made of; with molecules too, score them, term by term where it has
    several.

    An objective of your own is a TOML file, named as mpo:FILE.toml:

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
    """
    from molvae.oracles.plugins import load_oracle

    if name is None:
        _list(session)
    elif not molecules:
        _show(session, name, trust=trust)
    else:
        _score(session, load_oracle(name, trust=trust), molecules, output, smiles_column, id_column)


def _list(session: Session) -> None:
    from molvae.oracles.catalog import KINDS, catalog

    entries = catalog()
    facts = [{"name": e.name, "kind": e.kind, "usage": e.usage, "about": e.about} for e in entries]
    width = max(len(entry.usage) for entry in entries)
    parts = []
    for kind in KINDS:
        lines = [f"  {e.usage:<{width}}  {e.about}" for e in entries if e.kind == kind]
        parts.append("\n".join([_TITLES[kind], *lines]))
    session.report({"oracles": facts}, "\n\n".join([*parts, _OWN]))


def _show(session: Session, name: str, *, trust: bool) -> None:
    from molvae.oracles.catalog import definition

    found = definition(name, trust=trust)
    entry = found.entry
    facts: dict[str, Any] = {"name": entry.name, "usage": entry.usage, "about": entry.about}
    text = f"{entry.usage}  {entry.about}".rstrip()
    if found.terms:
        facts |= {"mean": found.mean, "terms": [{"score": s, "weight": w} for s, w in found.terms]}
        rows = [(weight, score) for score, weight in found.terms]
        text += f"\n{found.mean} mean of\n" + table_text(("weight", "score"), rows)
    session.report(facts, text)


def _score(
    session: Session,
    oracle: Oracle,
    arguments: Sequence[str],
    output: Path | None,
    smiles_column: str | None,
    id_column: str | None,
) -> None:
    from molvae.chemistry.molecule import is_valid, parse
    from molvae.data.writers import Column

    names = [oracle.name, *(term.name for term in _terms(oracle))]
    columns = [Column("identifier"), Column("smiles", "smiles"), *(Column(name, "number") for name in names)]
    columns.append(Column("trouble"))
    rows = inputs.given(arguments, session, smiles_column=smiles_column, id_column=id_column)
    parts = inputs.chunks(rows, _CHUNK)  # the first rows are read now, before anything is written
    n_scored, n_without, failure = 0, 0, ""
    with session.rows(output, columns) as writer:
        for part in parts:
            read = [parse(row.text) for row in part]
            for row, molecule, scores in zip(part, read, _scores(oracle, read), strict=True):
                values = [value_of(score) for score in scores]
                n_scored += values[0] is not None
                n_without += values[0] is None
                if is_valid(molecule) and values[0] is None:
                    failure = failure or trouble_of(scores[:1])
                smiles = getattr(molecule, "smiles", None)
                writer.write([row.identifier, smiles, *values, trouble_of(scores[:1]) or None])
    session.wrote(output, {"scored": n_scored, "without_a_score": n_without})
    if failure and n_scored == 0:
        raise OracleError(f"'{oracle.name}' scored none of the {n_without} molecules; the first: {failure}")


def _scores(oracle: Oracle, read: Sequence[Molecule | Invalid]) -> list[list[Score]]:
    """The score of each and those of its terms; where there is no molecule, why."""
    from molvae.chemistry.molecule import is_valid
    from molvae.oracles.base import Score, ask

    molecules = [molecule for molecule in read if is_valid(molecule)]
    asked = (oracle, *_terms(oracle))
    found = zip(*(ask(one, molecules) for one in asked), strict=True)
    return [
        list(next(found)) if is_valid(molecule) else [Score.invalid(molecule.reason)] * len(asked)
        for molecule in read
    ]


def _terms(oracle: Oracle) -> tuple[Oracle, ...]:
    """What it is made of, where it is made of several."""
    terms: tuple[Oracle, ...] = getattr(oracle, "terms", ())
    return terms if len(terms) > 1 else ()
