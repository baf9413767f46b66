"""`molvae encode`, `decode` and `domain`: molecules to latent vectors and back, and the domain."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from molvae.cli import inputs, molecules, options
from molvae.data.records import Column, plain_number
from molvae.errors import InputError
from molvae.models.config import INFERENCE_STEPS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from molvae.chemistry.molecule import Invalid, Molecule
    from molvae.chemistry.precedent import Precedent
    from molvae.cli.inputs import Arguments, InputRow
    from molvae.cli.molecules import Cells, Run
    from molvae.latent.codec import MolVAE

_COORDINATE = re.compile(r"z(\d+)")


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@inputs.argument("MOLECULE")
@molecules.predict()
@options.integer("--seed", text="Sample each vector from its posterior.  [default: posterior mean]", least=0)
@options.integer(
    "--inference-steps",
    text="Maximum gradient steps to refine a vector until it decodes to its molecule. 0 uses the encoder "
    "alone: several times as fast, and good enough for comparison or regression.",
    default=INFERENCE_STEPS,
    least=0,
)
@molecules.run()
def encode_command(run: Run, arguments: Arguments, seed: int | None, inference_steps: int) -> None:
    """Encode each MOLECULE: a SMILES, a file (.smi .csv .sdf .parquet ...), or - for stdin.

    The output has a row for each input row, in the same order; a row without a valid molecule has the reason
    and no vector. Columns: identifier, input, smiles (standardized), reason, z0, z1, ...

    \b
    Examples:
      molvae encode checkpoints/zinc250k 'CC(=O)Nc1ccc(O)cc1'
      molvae encode checkpoints/zinc250k mine.csv -o latent.parquet
      molvae encode checkpoints/zinc250k mine.csv --predict -o latent.csv
      molvae encode run library.smi --inference-steps 0 -o latent.parquet
      cat mine.smi | molvae encode checkpoints/zinc250k - > latent.csv
    """
    model = run.load()
    columns = [*molecules.IDENTITY, *run.property_columns(model)]
    columns += [Column(f"z{index}", "number") for index in range(model.latent_size)]
    unknown = 0

    def encoded(number: int, part: list[InputRow]) -> Iterator[tuple[bool, Cells]]:
        nonlocal unknown
        prepared = inputs.prepared(model, part)
        own = None if seed is None else molecules.chunk_seed(seed, "encode", number)
        z = model.encode(prepared, seed=own, inference_steps=inference_steps)
        unknown += sum(map(bool, model.unknown_tokens(prepared)))
        properties = run.property_values(model, prepared)
        known = np.asarray(np.isfinite(z).all(axis=1))
        for row, item, vector, values, fine in zip(part, prepared, z, properties, known, strict=True):
            reason = "" if fine else _why_not(model, item)
            yield bool(fine), [*molecules.identity(row, item, reason), *values, *vector]

    rows = arguments.rows(run.session)
    n, n_encoded = molecules.write_each(run.session, "encode", rows, run.output, columns, encoded)
    run.wrote({"rows": n, "encoded": n_encoded, "not_encoded": n - n_encoded})
    if unknown:
        run.session.note(f"{unknown:,} molecules have tokens unknown to the model: less exact vectors")
    if n and not n_encoded:
        raise InputError("none of the molecules could be encoded", hint="See the column 'reason'.")


def _why_not(model: MolVAE, item: Molecule | Invalid) -> str:
    from molvae.chemistry.molecule import is_valid
    from molvae.latent.encoding import why_unreadable

    return why_unreadable(model.tokenizer, item) if is_valid(item) else item.reason


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@inputs.argument("VECTORS")
@molecules.decoding(sampling=False)
@molecules.describe()
@options.seed()
@molecules.run()
def decode_command(run: Run, arguments: Arguments, seed: int, **decoding: Any) -> None:
    """Decode VECTORS: tables with columns z0, z1, ... as 'molvae encode' writes them, or - for stdin.

    Files of molecules and SMILES are encoded first, which shows how the model reconstructs them. The output
    has a row for each input row; a vector that decodes to no valid molecule has the reason.

    \b
    Examples:
      molvae decode checkpoints/zinc250k latent.csv -o back.csv
      molvae decode checkpoints/zinc250k 'CC(=O)Nc1ccc(O)cc1'
      molvae decode checkpoints/zinc250k latent.csv --temperature 0.5 --seed 3
    """
    from molvae.chemistry.molecule import is_valid

    model = run.load()
    columns = [*molecules.IDENTITY, *run.property_columns(model)]

    def decoded(number: int, part: list[InputRow]) -> Iterator[tuple[bool, Cells]]:
        z, reasons = _latent(model, part)
        own = molecules.chunk_seed(seed, "decode", number)
        found = model.decode(z, seed=own, **decoding)
        values = run.property_values(model, found)
        for row, molecule, reason, numbers in zip(part, found, reasons, values, strict=True):
            yield is_valid(molecule), [*molecules.identity(row, molecule, reason or None), *numbers]

    rows = arguments.rows(run.session, vectors=True)
    n, n_valid = molecules.write_each(run.session, "decode", rows, run.output, columns, decoded)
    run.wrote({"rows": n, "valid": n_valid, "invalid": n - n_valid})


def _latent(model: MolVAE, rows: Sequence[InputRow]) -> tuple[np.ndarray, list[str]]:
    """Latent vectors (n x d, NaN rows for missing ones) and the reasons."""
    z = np.full((len(rows), model.latent_size), np.nan, dtype=np.float32)
    reasons = [row.reason for row in rows]
    to_encode = []
    for number, row in enumerate(rows):
        names = sorted(filter(_COORDINATE.fullmatch, row.fields), key=lambda name: int(name[1:]))
        if row.reason:
            continue
        if not names:
            to_encode.append(number)
        elif len(names) != model.latent_size:
            raise InputError(
                f"{row.identifier or 'a row'} has {len(names)} columns z0, z1, ..., but this model's vectors "
                f"have {model.latent_size}",
                hint="Decode with the model that encoded them.",
            )
        elif not any(row.fields[name] for name in names):
            reasons[number] = row.fields.get("reason") or "no vector"
        else:
            try:
                z[number] = [plain_number(row.fields[name]) for name in names]
            except ValueError:
                reasons[number] = "a coordinate is not a number"
    prepared = inputs.prepared(model, [rows[number] for number in to_encode])
    for number, item, vector in zip(to_encode, prepared, model.encode(prepared), strict=True):
        z[number] = vector
        reasons[number] = molecules.reason_or_none(item) or ""
    return z, reasons


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@inputs.argument("MOLECULE")
@options.number(
    "--false-alarm",
    text="Share of molecules like the training set that may be reported as outside.",
    low=0,
    high=1,
    default=0.05,
    show_default=True,
    open_ends=True,
)
@molecules.run()
def domain_command(run: Run, arguments: Arguments, false_alarm: float) -> None:
    """Report for each MOLECULE (a SMILES, a file, or - for stdin) whether it is in the model's domain.

    Three scores measure how unusual a molecule is to the model: how well it is reconstructed
    (reconstruction), how populated its region of latent space is (density), and the distance to the nearest
    training molecule (neighbor). 'p_value' is the share of held-out molecules at least as unusual, all scores
    combined; the checkpoint must be calibrated. 'weakest' is the bond or ring system rarest among the
    training molecules, and 'seen' the number of these that have it; searches propose none with 0.

    \b
    Examples:
      molvae domain checkpoints/zinc250k 'CC(=O)Nc1ccc(O)cc1' 'C1CC2CC1C2'
      molvae domain run library.csv --false-alarm 0.01 -o domain.csv
    """
    from molvae.latent.calibration import likelihood
    from molvae.latent.domain import COMBINED, SCORES, require_domain

    model = run.load()
    domain = require_domain(model.domain)
    columns = [*molecules.IDENTITY, Column("in_domain"), Column("p_value", "number")]
    columns += [Column(name, "number") for name in (*SCORES, COMBINED)]
    columns += [Column("seen", "integer"), Column("weakest")] if model.precedent is not None else []

    def judged(_number: int, part: list[InputRow]) -> Iterator[tuple[bool, Cells]]:
        prepared = inputs.prepared(model, part)
        scores = domain.score(likelihood(model, prepared))
        values = [scores.p_value, *(getattr(scores, name) for name in (*SCORES, COMBINED))]
        for row, item, inside, *numbers in zip(
            part, prepared, scores.inside(false_alarm), *values, strict=True
        ):
            cells = [*molecules.identity(row, item), "yes" if inside else "no", *map(float, numbers)]
            yield bool(inside), [*cells, *_weakest(model.precedent, item)]

    rows = arguments.rows(run.session)
    n, n_inside = molecules.write_each(run.session, "domain", rows, run.output, columns, judged)
    run.wrote({"rows": n, "in_domain": n_inside, "outside": n - n_inside})


def _weakest(precedent: Precedent | None, molecule: Molecule | Invalid) -> list[int | str | None]:
    """Count and name of a molecule's rarest bond or ring system, if the model has precedents."""
    if precedent is None:
        return []
    from molvae.chemistry.molecule import is_valid

    weak = precedent.weakest(molecule) if is_valid(molecule) else None
    return [None, None] if weak is None else [weak.count, weak.name]
