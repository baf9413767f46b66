"""`molvae domain`: whether molecules are within a model's applicability domain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from molvae.cli import inputs, molecules, options
from molvae.data.writers import Column

if TYPE_CHECKING:
    from collections.abc import Iterator

    from molvae.chemistry.molecule import Invalid, Molecule
    from molvae.chemistry.precedent import Precedent
    from molvae.cli.inputs import Arguments, Given
    from molvae.cli.molecules import Cells, Run


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
    training molecules, and 'seen' the number of them that have it; searches propose nothing never seen.

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

    def judged(_number: int, part: list[Given]) -> Iterator[tuple[bool, Cells]]:
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
    """Count and name of the rarest bond or ring system of a molecule, where the model has precedents."""
    if precedent is None:
        return []
    from molvae.chemistry.molecule import is_valid

    weak = precedent.weakest(molecule) if is_valid(molecule) else None
    return [None, None] if weak is None else [weak.count, weak.name]
