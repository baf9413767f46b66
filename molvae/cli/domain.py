"""`molvae domain`: tell whether a molecule is one the model knows about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from molvae.cli import inputs, molecules, options, places
from molvae.data.writers import Column

if TYPE_CHECKING:
    from molvae.chemistry.molecule import Invalid, Molecule
    from molvae.chemistry.precedent import Precedent
    from molvae.cli.output import Session

_CHUNK = 4096  # rows held in memory at once


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("molecule", nargs=-1, required=True)
@options.columns()
@click.option(
    "--false-alarm",
    type=options.Finite(0, 1, min_open=True, max_open=True),
    metavar="X",
    default=0.05,
    show_default=True,
    help="Share of molecules like the training set that may be called outside.",
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
    false_alarm: float,
    device: str,
    output: Path | None,
) -> None:
    """Say of each MOLECULE (a SMILES, a file, or - for stdin) whether it is in the model's domain.

    Three scores tell how strange a molecule is to the model: whether it can write it again
    (reconstruction), how populated its region is (density), and how far the nearest training molecule is
    (neighbor). They are compared with held-out molecules like those of the training set (the checkpoint must
    be calibrated): 'p_value' is the share of those that are at least as strange, all scores combined.
    'weakest' is the bond or ring system that is rarest among the training molecules, and 'seen' how many of
    them have it: searches propose nothing that was never seen.

    \b
    Examples:
      molvae domain checkpoints/zinc250k 'CC(=O)Nc1ccc(O)cc1' 'C1CC2CC1C2'
      molvae domain run library.csv --false-alarm 0.01 -o domain.csv
    """
    checkpoint = places.checkpoint(checkpoint)  # a wrong path is told before libraries are loaded

    from molvae.latent.calibration import likelihood
    from molvae.latent.codec import MolVAE
    from molvae.latent.domain import COMBINED, SCORES, require_domain

    model = MolVAE.load(checkpoint, device=device)
    domain = require_domain(model.domain)
    columns = [Column("identifier"), Column("input"), Column("smiles", "smiles"), Column("reason")]
    columns += [Column("in_domain"), Column("p_value", "number")]
    columns += [Column(name, "number") for name in (*SCORES, COMBINED)]
    columns += [Column("seen", "integer"), Column("weakest")] if model.precedent is not None else []
    n_rows, n_inside = 0, 0
    given = inputs.given(molecule, session, smiles_column=smiles_column, id_column=id_column)
    parts = inputs.chunks(given, _CHUNK)
    with session.progress() as progress, session.rows(output, columns) as writer:
        progress.start("domain")
        for part in parts:
            prepared = inputs.prepared(model, part)
            scores = domain.score(likelihood(model, prepared))
            inside = scores.inside(false_alarm)
            values = [scores.p_value, *(getattr(scores, name) for name in (*SCORES, COMBINED))]
            for row, item, verdict, *numbers in zip(part, prepared, inside, *values, strict=True):
                smiles, reason = molecules.smiles_or_none(item), molecules.reason_or_none(item)
                told = "yes" if verdict else "no"
                cells = [row.identifier, row.text, smiles, reason, told, *map(float, numbers)]
                writer.write([*cells, *_weakest(model.precedent, item)])
            n_rows, n_inside = n_rows + len(part), n_inside + int(inside.sum())
            progress.advance("domain", len(part))
    session.wrote(output, {"rows": n_rows, "in_domain": n_inside, "outside": n_rows - n_inside})


def _weakest(precedent: Precedent | None, molecule: Molecule | Invalid) -> list[int | str | None]:
    """Count and name of the rarest place of a molecule, where the model knows precedent."""
    if precedent is None:
        return []
    from molvae.chemistry.molecule import is_valid

    weak = precedent.weakest(molecule) if is_valid(molecule) else None
    return [None, None] if weak is None else [weak.count, weak.name]
