"""`molvae decode`: latent vectors to molecules, or molecules there and back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from molvae.cli import inputs, molecules, options, places
from molvae.data.records import plain_number
from molvae.data.writers import Column
from molvae.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from molvae.cli.inputs import Given
    from molvae.cli.output import Session
    from molvae.latent.codec import MolVAE

_CHUNK = 4096  # rows held in memory at once
_COORDINATE = re.compile(r"z(\d+)")


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("vectors", nargs=-1, required=True)
@options.columns()
@molecules.decoding(sampling=False)
@molecules.describe()
@options.seed()
@options.device()
@options.output()
@options.common()
@options.pass_session
def command(
    session: Session,
    checkpoint: Path,
    vectors: tuple[str, ...],
    smiles_column: str | None,
    id_column: str | None,
    temperature: float,
    beam: bool,
    noise: float,
    describe: tuple[str, ...],
    seed: int,
    device: str,
    output: Path | None,
) -> None:
    """Decode VECTORS: tables with columns z0, z1, ... as 'molvae encode' writes them, or - for stdin.

    Molecules (files, or SMILES given directly) are encoded first: you see what the model makes of them. As
    many rows come out as went in; a vector that decodes to no molecule keeps its row, with the reason.

    \b
    Examples:
      molvae decode checkpoints/zinc250k latent.csv -o back.csv
      molvae decode checkpoints/zinc250k 'CC(=O)Nc1ccc(O)cc1'
      molvae decode checkpoints/zinc250k latent.csv --temperature 0.5 --seed 3
    """
    checkpoint = places.checkpoint(checkpoint)  # a wrong path is told before libraries are loaded

    from molvae.chemistry.descriptors import DESCRIPTORS
    from molvae.chemistry.molecule import is_valid
    from molvae.latent.codec import MolVAE
    from molvae.seeding import Seeds

    names = options.split_names(describe)
    for name in names:
        DESCRIPTORS.get(name)  # fail before the work
    model = MolVAE.load(checkpoint, device=device)
    columns = [Column("identifier"), Column("input"), Column("smiles", "smiles"), Column("reason")]
    columns += molecules.property_columns(model, names, predict=False)
    n_rows, n_valid = 0, 0
    rows = inputs.given_vectors(vectors, session, smiles_column=smiles_column, id_column=id_column)
    parts = inputs.chunks(rows, _CHUNK)
    with session.progress() as progress, session.rows(output, columns) as writer:
        progress.start("decode")
        for number, part in enumerate(parts):
            z, reasons = _latent(model, part)
            own = seed if number == 0 else Seeds(seed).integer("decode-chunk", number)
            decoded = model.decode(z, temperature=temperature, seed=own, beam=beam, noise=noise)
            values = molecules.property_values(model, decoded, names, predict=False)
            for row, molecule, why, numbers in zip(part, decoded, reasons, values, strict=True):
                reason = why or molecules.reason_or_none(molecule)
                smiles = molecules.smiles_or_none(molecule)
                writer.write([row.identifier, row.text, smiles, reason, *numbers])
            n_rows, n_valid = n_rows + len(part), n_valid + sum(map(is_valid, decoded))
            progress.advance("decode", len(part))
    session.wrote(output, {"rows": n_rows, "valid": n_valid, "invalid": n_rows - n_valid})


def _latent(model: MolVAE, rows: Sequence[Given]) -> tuple[np.ndarray, list[str]]:
    """Latent vectors (n x d, NaN rows where there is none) and the reasons for those."""
    z = np.full((len(rows), model.latent_size), np.nan, dtype=np.float32)
    reasons = [row.reason for row in rows]
    to_encode = []
    for number, row in enumerate(rows):
        size = sum(1 for _ in _coordinates(row.fields))
        if row.reason:
            continue
        if size == 0:
            to_encode.append(number)
        elif size != model.latent_size:
            raise InputError(
                f"{row.identifier or 'a row'} has {size} columns z0, z1, ..., but this model's vectors have "
                f"{model.latent_size}",
                hint="Decode with the model that encoded them.",
            )
        else:
            z[number], reasons[number] = _vector(row)
    prepared = inputs.prepared(model, [rows[number] for number in to_encode])
    for number, item, vector in zip(to_encode, prepared, model.encode(prepared), strict=True):
        z[number] = vector
        reasons[number] = molecules.reason_or_none(item) or ""
    return z, reasons


def _coordinates(names: Iterable[str]) -> Iterator[str]:
    return (name for name in names if _COORDINATE.fullmatch(name))


def _vector(row: Given) -> tuple[np.ndarray, str]:
    cells = [row.fields[name] for name in sorted(_coordinates(row.fields), key=lambda name: int(name[1:]))]
    nothing = np.full(len(cells), np.nan, dtype=np.float32)
    if not any(cells):
        return nothing, row.fields.get("reason") or "no vector"
    try:
        return np.array([plain_number(cell) for cell in cells], dtype=np.float32), ""
    except ValueError:
        return nothing, "not every coordinate is a number"
