"""`molvae neighbors`: analogues of a molecule."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from molvae.cli import molecules, options, pictures, places
from molvae.data.writers import Column
from molvae.errors import UsageError

if TYPE_CHECKING:
    from molvae.cli.output import Session

_DRAWN = 25  # neighbors in a picture


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("smiles")
@click.option(
    "--radius",
    type=options.Finite(0),
    metavar="X",
    help="How far to look: the noise level, 0 to 1, of a model that was taught noise levels [default: 0.5]; "
    "otherwise in standard deviations of the molecule's posterior [default: 1].",
)
@click.option(
    "--similarity",
    type=options.Finite(0, 1),
    metavar="X",
    help="Look where molecules are this similar on average (the checkpoint must be calibrated).",
)
@click.option(
    "--draws",
    type=click.IntRange(1),
    metavar="N",
    default=200,
    show_default=True,
    help="Points that are decoded.",
)
@click.option(
    "--at-least",
    type=options.Finite(0, 1),
    metavar="X",
    default=0.0,
    show_default=True,
    help="Leave out neighbors less similar than this.",
)
@molecules.describe()
@click.option("--predict", is_flag=True, help="Add the properties the model predicts.")
@pictures.option()
@options.seed()
@options.device()
@options.output()
@options.common()
@options.pass_session
def command(
    session: Session,
    checkpoint: Path,
    smiles: str,
    radius: float | None,
    similarity: float | None,
    draws: int,
    at_least: float,
    describe: tuple[str, ...],
    predict: bool,
    picture: Path | None,
    seed: int,
    device: str,
    output: Path | None,
) -> None:
    """Find analogues of the molecule SMILES: decode points around its own.

    The most similar come first, by Tanimoto similarity of count Morgan fingerprints; 'found' counts the draws
    that gave the molecule.

    \b
    Examples:
      molvae neighbors checkpoints/zinc250k 'CC(=O)Nc1ccc(O)cc1'
      molvae neighbors run 'CC(=O)Nc1ccc(O)cc1' --similarity 0.6 --picture p.svg
      molvae neighbors run CCOc1ccccc1 --radius 2 --describe qed,logp -o near.csv
    """
    checkpoint = places.checkpoint(checkpoint)  # a wrong path is told before libraries are loaded

    from molvae.latent.codec import MolVAE
    from molvae.latent.neighbors import SimilarityCurve, neighborhood

    if radius is not None and similarity is not None:
        raise UsageError("give either --radius or --similarity, not both")
    names = options.split_names(describe)
    model = MolVAE.load(checkpoint, device=device)
    if similarity is not None:
        radius = SimilarityCurve.from_facts(model.settings.facts).radius_for(similarity)
        session.note(f"similarity {similarity:g} is a radius of {radius:.2f}, on average")
    found = neighborhood(model, smiles, radius=radius, n_draws=draws, seed=seed)
    near = [neighbor for neighbor in found.neighbors if neighbor.similarity >= at_least]
    columns = [Column("smiles", "smiles"), Column("similarity", "number"), Column("found", "number")]
    columns += molecules.property_columns(model, names, predict=predict)
    with session.rows(output, columns) as writer:
        values = molecules.property_values(model, [n.molecule for n in near], names, predict=predict)
        for neighbor, numbers in zip(near, values, strict=True):
            writer.write([neighbor.molecule.smiles, neighbor.similarity, neighbor.n_found, *numbers])
    drawn = near[: _DRAWN - 1]
    legends = ["parent", *(f"{neighbor.similarity:.2f}" for neighbor in drawn)]
    pictures.draw(session, picture, [found.parent, *(neighbor.molecule for neighbor in drawn)], legends)
    told = {"draws": found.n_draws, "valid": found.n_valid, "the_molecule_itself": found.n_parent}
    session.wrote(output, {**told, "neighbors": len(near)})
