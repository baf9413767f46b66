"""`molvae arithmetic`: add or remove an attribute along a direction of latent space."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from molvae.cli import inputs, molecules, options, pictures, places
from molvae.data.records import plain_number
from molvae.data.writers import Column
from molvae.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.cli.inputs import Given
    from molvae.cli.output import Session
    from molvae.latent.arithmetic import DirectionMethod

_LEARNED_FROM = 20_000  # rows of --from at most
_DRAWN = 12  # pairs in a picture


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("molecule", nargs=-1, required=True)
@options.columns()
@click.option(
    "--attribute", required=True, metavar="NAME", help="A descriptor (logp, qed, ...) or a column of --from."
)
@click.option(
    "--add", "amount", type=options.Finite(), required=True, help="How much of it to add; negative removes."
)
@click.option(
    "--from",
    "teachers",
    multiple=True,
    required=True,
    metavar="FILE",
    help="Molecules the direction is learned from: any table of molecules, best of the model's own kind.",
)
@click.option(
    "--method",
    type=click.Choice(["means", "ridge"]),
    default="means",
    show_default=True,
    help="means: how the mean of z moves with the attribute; ridge: shortest step of a ridge regression.",
)
@click.option(
    "--tries",
    type=click.IntRange(1),
    metavar="N",
    default=10,
    show_default=True,
    help="Points decoded per molecule.",
)
@pictures.option()
@options.seed()
@options.device()
@options.output()
@options.common()
@options.pass_session
def command(
    session: Session,
    checkpoint: Path,
    molecule: tuple[str, ...],
    smiles_column: str | None,
    id_column: str | None,
    attribute: str,
    amount: float,
    teachers: tuple[str, ...],
    method: DirectionMethod,
    tries: int,
    picture: Path | None,
    seed: int,
    device: str,
    output: Path | None,
) -> None:
    """Move each MOLECULE (a SMILES, a file, or - for stdin) along the direction in which an attribute grows.

    The direction is learned from a table of molecules: the attribute is one of its columns, or a descriptor
    that is computed. A row per molecule, with what it became, the attribute before and after where it is a
    descriptor, and the similarity kept.

    \b
    Examples:
      molvae arithmetic run CCOc1ccccc1 --attribute logp --add 1 --from zinc.csv
      molvae arithmetic run hits.csv --attribute pIC50 --add 1 --from assay.csv
    """
    checkpoint = places.checkpoint(checkpoint)  # a wrong path is told before libraries are loaded

    from molvae.latent.arithmetic import learn_direction, shift
    from molvae.latent.codec import MolVAE

    model = MolVAE.load(checkpoint, device=device)
    rows = [row for name in teachers for row in _read(name, session, _LEARNED_FROM)]
    direction = learn_direction(
        model.encode(inputs.prepared(model, rows), inference_steps=0),
        _attribute(rows, attribute),
        name=attribute,
        method=method,
    )
    session.note(
        f"direction of {attribute}: learned from {direction.n:,} molecules; a linear model of z explains "
        f"{direction.r2:.0%} of it"
    )
    given = list(inputs.given(molecule, session, smiles_column=smiles_column, id_column=id_column))
    shifted = shift(model, inputs.prepared(model, given), direction, amount, n_tries=tries, seed=seed)
    before = _described([item.parent for item in shifted], attribute)
    after = _described([item.molecule for item in shifted], attribute)
    columns = [Column("identifier"), Column("input"), Column("smiles", "smiles"), Column("reason")]
    columns += [
        Column(name, "number") for name in (f"{attribute}_before", f"{attribute}_after", "similarity")
    ]
    with session.rows(output, columns) as writer:
        for row, item, old, new in zip(given, shifted, before, after, strict=True):
            smiles, reason = molecules.smiles_or_none(item.molecule), molecules.reason_or_none(item.molecule)
            writer.write([row.identifier, row.text, smiles, reason, old, new, item.similarity])
    found = zip(given, shifted, strict=True)
    pairs = [(row, item) for row, item in found if molecules.smiles_or_none(item.molecule)][:_DRAWN]
    legends = [
        text
        for row, item in pairs
        for text in (f"{row.identifier}, before", f"similarity {item.similarity:.2f}")
    ]
    pictures.draw(
        session,
        picture,
        [side for _, item in pairs for side in (item.parent, item.molecule)],
        legends,
        columns=4,
    )
    change = after - before
    told = {"rows": len(given), "moved": int(np.isfinite([item.similarity for item in shifted]).sum())}
    if np.isfinite(change).any():
        told["reached"] = int((np.sign(amount) * change >= abs(amount)).sum())
    session.wrote(output, told)


def _read(name: str, session: Session, limit: int) -> list[Given]:
    rows: list[Given] = []
    for row in inputs.given([name], session):
        rows.append(row)
        if len(rows) == limit:
            session.note(f"{name}: the first {limit:,} rows are enough")
            break
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
