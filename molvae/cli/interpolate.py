"""`molvae interpolate`: molecules on the way from one molecule to another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from molvae.cli import molecules, options, pictures, places
from molvae.data.writers import Column

if TYPE_CHECKING:
    from molvae.cli.output import Session
    from molvae.latent.interpolation import PathKind


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("start")
@click.argument("end")
@click.option(
    "--steps",
    type=click.IntRange(2),
    metavar="N",
    default=9,
    show_default=True,
    help="Points on the path, ends included.",
)
@click.option(
    "--path",
    "kind",
    type=click.Choice(["spherical", "linear"]),
    default="spherical",
    show_default=True,
    help="Shape of the path; a straight line leaves the region where molecules lie.",
)
@click.option(
    "--tries",
    type=click.IntRange(1),
    metavar="N",
    default=10,
    show_default=True,
    help="Decode a point that gives no molecule again, moved a little, so often at most.",
)
@click.option("--distinct", is_flag=True, help="Each molecule once, where the path first reaches it.")
@molecules.describe()
@pictures.option()
@options.seed()
@options.device()
@options.output()
@options.common()
@options.pass_session
def command(
    session: Session,
    checkpoint: Path,
    start: str,
    end: str,
    steps: int,
    kind: PathKind,
    tries: int,
    distinct: bool,
    describe: tuple[str, ...],
    picture: Path | None,
    seed: int,
    device: str,
    output: Path | None,
) -> None:
    """Walk from the molecule START to the molecule END (SMILES) through latent space.

    A row per step, with its Tanimoto similarity to both ends. The first and the last row are what the model
    makes of the two molecules.

    \b
    Examples:
      molvae interpolate checkpoints/zinc250k 'CC(=O)Nc1ccc(O)cc1' 'CCOc1ccccc1'
      molvae interpolate run CCO c1ccccc1O --steps 20 --distinct --picture p.svg
    """
    checkpoint = places.checkpoint(checkpoint)  # a wrong path is told before libraries are loaded

    from molvae.latent import interpolation
    from molvae.latent.codec import MolVAE

    names = options.split_names(describe)
    model = MolVAE.load(checkpoint, device=device)
    path = interpolation.interpolate(model, start, end, n_steps=steps, kind=kind, n_tries=tries, seed=seed)
    n_valid = sum(waypoint.to_start == waypoint.to_start for waypoint in path)
    shown = interpolation.distinct(path) if distinct else path
    columns = [Column("position", "number"), Column("smiles", "smiles"), Column("reason")]
    columns += [Column("similarity_to_start", "number"), Column("similarity_to_end", "number")]
    columns += [Column("decodes", "number"), *molecules.property_columns(model, names, predict=False)]
    found = [waypoint.molecule for waypoint in shown]
    with session.rows(output, columns) as writer:
        values = molecules.property_values(model, found, names, predict=False)
        for waypoint, numbers in zip(shown, values, strict=True):
            smiles, reason = (
                molecules.smiles_or_none(waypoint.molecule),
                molecules.reason_or_none(waypoint.molecule),
            )
            ends = waypoint.to_start, waypoint.to_end
            writer.write([waypoint.position, smiles, reason, *ends, waypoint.n_decodes, *numbers])
    legends = [f"{w.position:.2f}: {w.to_start:.2f} | {w.to_end:.2f}" for w in shown]
    pictures.draw(session, picture, found, legends)
    different = len(interpolation.distinct(path))
    session.wrote(output, {"steps": len(path), "valid": n_valid, "different_molecules": different})
