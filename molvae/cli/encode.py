"""`molvae encode`: molecules to latent vectors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from molvae.cli import inputs, molecules, options, places
from molvae.data.writers import Column
from molvae.errors import InputError
from molvae.models.config import INFERENCE_STEPS

if TYPE_CHECKING:
    from molvae.chemistry.molecule import Invalid, Molecule
    from molvae.cli.output import Session
    from molvae.latent.codec import MolVAE

_CHUNK = 4096  # rows held in memory at once


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("molecule", nargs=-1, required=True)
@options.columns()
@click.option(
    "--predict", is_flag=True, help="Add the properties the model predicts, with standard deviations."
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    metavar="N",
    help="Draw each vector from its posterior with this seed; without it, vectors are posterior means.",
)
@click.option(
    "--inference-steps",
    type=click.IntRange(0),
    default=INFERENCE_STEPS,
    show_default=True,
    metavar="N",
    help="Gradient steps that move each vector to where it decodes to the molecule. 0 is the encoder alone: "
    "five times as fast, and good enough to compare molecules or to learn from.",
)
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
    predict: bool,
    seed: int | None,
    inference_steps: int,
    device: str,
    output: Path | None,
) -> None:
    """Encode each MOLECULE: a SMILES, a file (.smi .csv .sdf .parquet ...), or - for stdin.

    As many rows come out as went in, in the same order: a row that is no molecule keeps its place, with the
    reason and no vector. Columns: identifier, input, smiles (standardized), reason, z0, z1, ...

    \b
    Examples:
      molvae encode checkpoints/zinc250k 'CC(=O)Nc1ccc(O)cc1'
      molvae encode checkpoints/zinc250k mine.csv -o latent.parquet
      molvae encode checkpoints/zinc250k mine.csv --predict -o latent.csv
      molvae encode run library.smi --inference-steps 0 -o latent.parquet
      cat mine.smi | molvae encode checkpoints/zinc250k - > latent.csv
    """
    checkpoint = places.checkpoint(checkpoint)  # a wrong path is told before libraries are loaded

    from molvae.latent.codec import MolVAE

    model = MolVAE.load(checkpoint, device=device)
    columns = [Column("identifier"), Column("input"), Column("smiles", "smiles"), Column("reason")]
    columns += molecules.property_columns(model, (), predict=predict)
    columns += [Column(f"z{index}", "number") for index in range(model.latent_size)]
    rows, encoded, unknown = 0, 0, 0
    given = inputs.given(molecule, session, smiles_column=smiles_column, id_column=id_column)
    parts = inputs.chunks(given, _CHUNK)
    with session.progress() as progress, session.rows(output, columns) as writer:
        progress.start("encode")
        for number, part in enumerate(parts):
            prepared = inputs.prepared(model, part)
            z = model.encode(prepared, seed=_seed_of(seed, number), inference_steps=inference_steps)
            properties = molecules.property_values(model, prepared, (), predict=predict)
            known = np.asarray(np.isfinite(z).all(axis=1))
            for row, item, vector, values, fine in zip(part, prepared, z, properties, known, strict=True):
                reason = "" if fine else _why_not(model, item)
                smiles = molecules.smiles_or_none(item)
                writer.write([row.identifier, row.text, smiles, reason, *values, *vector])
            rows, encoded = rows + len(part), encoded + int(known.sum())
            unknown += sum(map(bool, model.unknown_tokens(prepared)))
            progress.advance("encode", len(part))
    session.wrote(output, {"rows": rows, "encoded": encoded, "not_encoded": rows - encoded})
    if unknown:
        session.note(
            f"{unknown:,} molecules have tokens the model does not know; their vectors are less exact"
        )
    if rows and not encoded:
        raise InputError("not a single molecule could be encoded", hint="The column 'reason' says why.")


def _seed_of(seed: int | None, chunk: int) -> int | None:
    from molvae.seeding import Seeds

    return seed if seed is None or chunk == 0 else Seeds(seed).integer("encode-chunk", chunk)


def _why_not(model: MolVAE, item: Molecule | Invalid) -> str:
    from molvae.chemistry.molecule import is_valid
    from molvae.latent.batches import why_unreadable

    return why_unreadable(model.tokenizer, item) if is_valid(item) else molecules.reason_or_none(item) or ""
