"""What a checkpoint learns once about its latent space: how similarity falls, where its domain ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molvae.latent import neighbors
from molvae.latent.domain import ApplicabilityDomain
from molvae.latent.likelihood import likelihood
from molvae.progress import SILENT
from molvae.seeding import Seeds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.chemistry.molecule import Molecule
    from molvae.latent.codec import MolVAE
    from molvae.progress import Progress


def calibrate(
    model: MolVAE,
    training: Sequence[str | Molecule],
    held_out: Sequence[str | Molecule],
    *,
    n_parents: int = 200,
    seed: int = 0,
    progress: Progress = SILENT,
) -> MolVAE:
    """The same model with a similarity curve and an applicability domain.

    Args:
        model: The model.
        training: Molecules it was trained on; some 10,000 are plenty.
        held_out: Molecules of the same kind that it was not trained on; some 2,000 are plenty.
        n_parents: Of those, molecules around which the similarity curve is measured.
        seed: Of all draws.
        progress: Told how far it is.

    Raises:
        InputError: Too few molecules.
    """
    seeds = Seeds(seed)
    curve = neighbors.measure_similarity(
        model, held_out[:n_parents], seed=seeds.integer("similarity-curve"), progress=progress
    )
    progress.start("domain")
    domain = ApplicabilityDomain.fit(
        model.encode(training, inference_steps=0),
        likelihood(model, held_out),
        generator=seeds.numpy("domain"),
    )
    progress.finish("domain")
    return model.with_domain(domain, {neighbors.FACT: curve.to_fact()})
