"""`molvae interpolate`, `neighbors` and `arithmetic`: molecules between, around or along a direction."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from molvae.cli import inputs, molecules, options
from molvae.data.records import Column, read_number
from molvae.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.cli.inputs import Arguments, InputRow
    from molvae.cli.molecules import Run
    from molvae.cli.output import Session
    from molvae.latent.arithmetic import DirectionMethod
    from molvae.latent.interpolation import PathKind

_DRAWN = 25  # molecules in a picture
_PAIRS_DRAWN = 12  # pairs in a picture
_MOST_TRAINING = 20_000  # rows of each --from


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("start")
@click.argument("end")
@options.integer("--steps", text="Points on the path, ends included.", default=9, least=2)
@options.choice(
    "--path",
    "kind",
    text="Shape of the path; a straight line leaves the region of high prior density.",
    of=["spherical", "linear"],
    default="spherical",
    show_default=True,
)
@molecules.tries()
@click.option("--distinct", is_flag=True, help="Keep only the first occurrence of each molecule.")
@molecules.describe()
@molecules.picture()
@options.seed()
@molecules.run()
def interpolate_command(
    run: Run, start: str, end: str, steps: int, kind: PathKind, tries: int, distinct: bool, seed: int
) -> None:
    """Interpolate in latent space from the molecule START to the molecule END (SMILES).

    The output has a row for each step, with its Tanimoto similarity to both ends. The first and the last row
    are the model's reconstructions of the two molecules.

    \b
    Examples:
      molvae interpolate checkpoints/zinc250k 'CC(=O)Nc1ccc(O)cc1' 'CCOc1ccccc1'
      molvae interpolate run CCO c1ccccc1O --steps 20 --distinct --picture p.svg
    """
    from molvae.chemistry.molecule import is_valid
    from molvae.latent import interpolation

    model = run.load()
    path = interpolation.interpolate(model, start, end, n_steps=steps, kind=kind, n_tries=tries, seed=seed)
    different = interpolation.distinct(path)
    shown = different if distinct else path
    columns = [Column("position", "number"), Column("smiles", "smiles"), Column("reason")]
    columns += [Column("similarity_to_start", "number"), Column("similarity_to_end", "number")]
    columns += [Column("decodes", "number"), *run.property_columns(model)]
    found = [waypoint.molecule for waypoint in shown]
    with run.rows(columns) as writer:
        for step, molecule, numbers in zip(shown, found, run.property_values(model, found), strict=True):
            smiles, reason = molecules.smiles_or_none(molecule), molecules.reason_or_none(molecule)
            cells = [step.position, smiles, reason, step.to_start, step.to_end, step.n_decodes, *numbers]
            writer.write(cells)
    legends = [f"{w.position:.2f}: {w.to_start:.2f} | {w.to_end:.2f}" for w in shown]
    run.draw(zip(found, legends, strict=True))
    n_valid = sum(is_valid(waypoint.molecule) for waypoint in path)
    run.wrote({"steps": len(path), "valid": n_valid, "different_molecules": len(different)})


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("smiles")
@options.number(
    "--radius",
    text="Noise level, 0 to 1, if the model was trained with noise levels [default: 0.5]; otherwise standard "
    "deviations of the molecule's posterior [default: 1].",
    low=0,
)
@options.number(
    "--similarity",
    text="Choose the radius for this average similarity (calibrated checkpoints only).",
    low=0,
    high=1,
)
@options.integer("--draws", text="Points to decode.", default=200)
@options.number(
    "--at-least", text="Minimum similarity of a neighbor.", low=0, high=1, default=0.0, show_default=True
)
@molecules.describe()
@molecules.predict()
@molecules.picture()
@options.seed()
@molecules.run()
def neighbors_command(
    run: Run,
    smiles: str,
    radius: float | None,
    similarity: float | None,
    draws: int,
    at_least: float,
    seed: int,
) -> None:
    """Find analogues of the molecule SMILES: decode points around its latent vector.

    Neighbors are sorted by Tanimoto similarity of count Morgan fingerprints, highest first; 'found' is the
    number of draws that gave the molecule.

    \b
    Examples:
      molvae neighbors checkpoints/zinc250k 'CC(=O)Nc1ccc(O)cc1'
      molvae neighbors run 'CC(=O)Nc1ccc(O)cc1' --similarity 0.6 --picture p.svg
      molvae neighbors run CCOc1ccccc1 --radius 2 --describe qed,logp -o near.csv
    """
    if radius is not None and similarity is not None:
        raise UsageError("give either --radius or --similarity, not both")

    from molvae.latent.neighbors import SimilarityCurve, neighborhood

    model = run.load()
    if similarity is not None:
        radius = SimilarityCurve.from_facts(model.settings.facts).radius_for(similarity)
        run.session.note(f"similarity {similarity:g} corresponds to a radius of {radius:.2f}, on average")
    found = neighborhood(model, smiles, radius=radius, n_draws=draws, seed=seed)
    near = [neighbor for neighbor in found.neighbors if neighbor.similarity >= at_least]
    columns = [Column("smiles", "smiles"), Column("similarity", "number"), Column("found", "number")]
    columns += run.property_columns(model)
    with run.rows(columns) as writer:
        values = run.property_values(model, [n.molecule for n in near])
        for neighbor, numbers in zip(near, values, strict=True):
            writer.write([neighbor.molecule.smiles, neighbor.similarity, neighbor.n_found, *numbers])
    pictured = [(n.molecule, f"{n.similarity:.2f}") for n in near[: _DRAWN - 1]]
    run.draw([(found.parent, "parent"), *pictured])
    counts = {"draws": found.n_draws, "valid": found.n_valid, "the_molecule_itself": found.n_parent}
    run.wrote({**counts, "neighbors": len(near)})


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@inputs.argument("MOLECULE")
@click.option(
    "--attribute", required=True, metavar="NAME", help="Descriptor (logp, qed, ...) or column of --from."
)
@options.number("--add", "amount", text="Amount to add; negative removes.", required=True)
@options.several(
    "--from",
    "training",
    text="Table of molecules to learn the direction from, similar to the model's training set",
    metavar="FILE",
    required=True,
)
@options.choice(
    "--method",
    text="means: difference of mean latent vectors along the attribute; ridge: ridge regression.",
    of=["means", "ridge"],
    default="means",
    show_default=True,
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
    sides = []
    for row, item in drawn[:_PAIRS_DRAWN]:
        sides.append((item.parent, f"{row.identifier}, before"))
        sides.append((item.molecule, f"similarity {item.similarity:.2f}"))
    run.draw(sides, columns=4)
    change = after - before
    counts = {"rows": len(given), "moved": int(np.isfinite([item.similarity for item in shifted]).sum())}
    if np.isfinite(change).any():
        counts["reached"] = int((np.sign(amount) * change >= abs(amount)).sum())
    run.wrote(counts)


def _read(name: str, session: Session) -> list[InputRow]:
    rows = list(islice(inputs.Arguments([name]).rows(session), _MOST_TRAINING))
    if len(rows) == _MOST_TRAINING:
        session.note(f"{name}: using the first {_MOST_TRAINING:,} rows")
    return rows


def _attribute(rows: Sequence[InputRow], name: str) -> np.ndarray:
    """The attribute of each row, `n`, NaN where missing: a column of that name, else a descriptor."""
    if any(name in row.fields for row in rows):
        return np.array([read_number(row.fields.get(name, "")) for row in rows], dtype=np.float64)
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
