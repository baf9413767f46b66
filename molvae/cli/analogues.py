"""`molvae interpolate` and `molvae neighbors`: molecules between two molecules, or around one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from molvae.cli import molecules, options
from molvae.data.writers import Column
from molvae.errors import UsageError

if TYPE_CHECKING:
    from molvae.cli.molecules import Run
    from molvae.latent.interpolation import PathKind

_DRAWN = 25  # molecules in a picture


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("start")
@click.argument("end")
@options.integer("--steps", text="Points on the path, ends included.", default=9, least=2)
@click.option(
    "--path",
    "kind",
    type=click.Choice(["spherical", "linear"]),
    default="spherical",
    show_default=True,
    help="Shape of the path; a straight line leaves the region populated by molecules.",
)
@molecules.tries()
@click.option("--distinct", is_flag=True, help="Each molecule once, where the path first reaches it.")
@molecules.describe()
@molecules.picture()
@options.seed()
@molecules.run()
def interpolate_command(
    run: Run,
    start: str,
    end: str,
    steps: int,
    kind: PathKind,
    tries: int,
    distinct: bool,
    describe: tuple[str, ...],
    picture: Path | None,
    seed: int,
) -> None:
    """Interpolate in latent space from the molecule START to the molecule END (SMILES).

    The output has a row for each step, with its Tanimoto similarity to both ends. The first and the last row
    are the model's reconstructions of the two molecules.

    \b
    Examples:
      molvae interpolate checkpoints/zinc250k 'CC(=O)Nc1ccc(O)cc1' 'CCOc1ccccc1'
      molvae interpolate run CCO c1ccccc1O --steps 20 --distinct --picture p.svg
    """
    from molvae.latent import interpolation

    model = run.load()
    path = interpolation.interpolate(model, start, end, n_steps=steps, kind=kind, n_tries=tries, seed=seed)
    different = interpolation.distinct(path)
    shown = different if distinct else path
    columns = [Column("position", "number"), Column("smiles", "smiles"), Column("reason")]
    columns += [Column("similarity_to_start", "number"), Column("similarity_to_end", "number")]
    columns += [Column("decodes", "number"), *molecules.property_columns(model, describe, predict=False)]
    found = [waypoint.molecule for waypoint in shown]
    with run.rows(columns) as writer:
        values = molecules.property_values(model, found, describe, predict=False)
        for step, molecule, numbers in zip(shown, found, values, strict=True):
            smiles, reason = molecules.smiles_or_none(molecule), molecules.reason_or_none(molecule)
            cells = [step.position, smiles, reason, step.to_start, step.to_end, step.n_decodes, *numbers]
            writer.write(cells)
    legends = [f"{w.position:.2f}: {w.to_start:.2f} | {w.to_end:.2f}" for w in shown]
    run.draw(picture, zip(found, legends, strict=True))
    n_valid = sum(waypoint.to_start == waypoint.to_start for waypoint in path)
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
    describe: tuple[str, ...],
    predict: bool,
    picture: Path | None,
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
    columns += molecules.property_columns(model, describe, predict=predict)
    with run.rows(columns) as writer:
        values = molecules.property_values(model, [n.molecule for n in near], describe, predict=predict)
        for neighbor, numbers in zip(near, values, strict=True):
            writer.write([neighbor.molecule.smiles, neighbor.similarity, neighbor.n_found, *numbers])
    pictured = [(n.molecule, f"{n.similarity:.2f}") for n in near[: _DRAWN - 1]]
    run.draw(picture, [(found.parent, "parent"), *pictured])
    counts = {"draws": found.n_draws, "valid": found.n_valid, "the_molecule_itself": found.n_parent}
    run.wrote({**counts, "neighbors": len(near)})
