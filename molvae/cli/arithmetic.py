"""`molvae arithmetic`: add or remove an attribute along a direction of latent space."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from molvae.cli import inputs, molecules, options
from molvae.data.records import plain_number
from molvae.data.writers import Column
from molvae.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.cli.inputs import Arguments, Given
    from molvae.cli.molecules import Run
    from molvae.cli.output import Session
    from molvae.latent.arithmetic import DirectionMethod

_MOST_TRAINING = 20_000  # rows of each --from
_DRAWN = 12  # pairs in a picture


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@inputs.argument("MOLECULE")
@click.option(
    "--attribute", required=True, metavar="NAME", help="Descriptor (logp, qed, ...) or column of --from."
)
@options.number("--add", "amount", text="Amount to add; negative removes.", required=True)
@click.option(
    "--from",
    "training",
    multiple=True,
    required=True,
    metavar="FILE",
    help="Table of molecules to learn the direction from, similar to the model's training set. Repeatable.",
)
@click.option(
    "--method",
    type=click.Choice(["means", "ridge"]),
    default="means",
    show_default=True,
    help="means: difference of mean latent vectors along the attribute; ridge: ridge regression.",
)
@molecules.tries()
@molecules.picture()
@options.seed()
@molecules.run()
def arithmetic_command(
    run: Run,
    arguments: Arguments,
    attribute: str,
    amount: float,
    training: tuple[str, ...],
    method: DirectionMethod,
    tries: int,
    picture: Path | None,
    seed: int,
) -> None:
    """Move each MOLECULE (a SMILES, a file, or - for stdin) in the direction of an attribute.

    The direction is learned from a table of molecules; the attribute is one of its columns, or a descriptor.
    The output has a row for each molecule: the new molecule, the attribute before and after (descriptors
    only), and the similarity of the two.

    \b
    Examples:
      molvae arithmetic run CCOc1ccccc1 --attribute logp --add 1 --from zinc.csv
      molvae arithmetic run hits.csv --attribute pIC50 --add 1 --from assay.csv
    """
    from molvae.latent.arithmetic import learn_direction, shift

    model = run.load()
    rows = [row for name in training for row in _read(name, run.session)]
    direction = learn_direction(
        model.encode(inputs.prepared(model, rows), inference_steps=0),
        _attribute(rows, attribute),
        name=attribute,
        method=method,
    )
    run.session.note(
        f"direction of {attribute}: learned from {direction.n:,} molecules; a linear model of z explains "
        f"{direction.r2:.0%} of its variance"
    )
    given = list(arguments.rows(run.session))
    shifted = shift(model, inputs.prepared(model, given), direction, amount, n_tries=tries, seed=seed)
    before = _described([item.parent for item in shifted], attribute)
    after = _described([item.molecule for item in shifted], attribute)
    names = (f"{attribute}_before", f"{attribute}_after", "similarity")
    columns = [*molecules.IDENTITY, *(Column(name, "number") for name in names)]
    with run.rows(columns) as writer:
        for row, item, old, new in zip(given, shifted, before, after, strict=True):
            writer.write([*molecules.identity(row, item.molecule), old, new, item.similarity])
    drawn = [pair for pair in zip(given, shifted, strict=True) if molecules.smiles_or_none(pair[1].molecule)]
    sides = [
        side
        for row, item in drawn[:_DRAWN]
        for side in (
            (item.parent, f"{row.identifier}, before"),
            (item.molecule, f"similarity {item.similarity:.2f}"),
        )
    ]
    run.draw(picture, sides, columns=4)
    change = after - before
    counts = {"rows": len(given), "moved": int(np.isfinite([item.similarity for item in shifted]).sum())}
    if np.isfinite(change).any():
        counts["reached"] = int((np.sign(amount) * change >= abs(amount)).sum())
    run.wrote(counts)


def _read(name: str, session: Session) -> list[Given]:
    rows = list(islice(inputs.Arguments([name]).rows(session), _MOST_TRAINING))
    if len(rows) == _MOST_TRAINING:
        session.note(f"{name}: using the first {_MOST_TRAINING:,} rows")
    return rows


def _attribute(rows: Sequence[Given], name: str) -> np.ndarray:
    """The attribute of each row, `n`: a column if there is one of that name, else a descriptor."""
    if any(name in row.fields for row in rows):
        return np.array([_number(row.fields.get(name, "")) for row in rows])
    from molvae.chemistry.descriptors import DESCRIPTORS, describe_smiles

    if name not in DESCRIPTORS:
        columns = ", ".join(sorted({column for row in rows for column in row.fields})) or "none"
        raise InputError(
            f"'{name}' is neither a column of --from nor a descriptor",
            hint=f"Its columns: {columns}. Descriptors: {', '.join(DESCRIPTORS.names())}.",
        )
    values: np.ndarray = describe_smiles([row.text for row in rows], [name])[:, 0]
    return values


def _described(items: Sequence[object], name: str) -> np.ndarray:
    from molvae.chemistry.descriptors import DESCRIPTORS, describe_many

    if name not in DESCRIPTORS:
        return np.full(len(items), np.nan)
    values: np.ndarray = describe_many(items, [name])[:, 0]  # type: ignore[arg-type]
    return values


def _number(cell: str) -> float:
    try:
        return plain_number(cell)
    except ValueError:
        return float("nan")
