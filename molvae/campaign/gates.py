"""Gates: requirements on proposed molecules."""

from __future__ import annotations

import math
from collections import OrderedDict
from functools import cache
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from molvae.chemistry.filters import filter_reasons
from molvae.chemistry.fingerprints import similarity_matrix
from molvae.chemistry.molecule import is_valid, parse
from molvae.chemistry.precedent import Precedent
from molvae.chemistry.standardize import standardize
from molvae.chemistry.substructure import core_molecule
from molvae.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from molvae.campaign.config import CampaignSettings, Neighborhood
    from molvae.campaign.molecules import LatentModel
    from molvae.chemistry.molecule import Molecule
    from molvae.oracles.config import Objective

_REMEMBERED = 100_000  # SMILES and one bit each
_DRUG_SIZE = 40  # heavy atoms
_FEWEST_SIZES = 20
_START_COUNTED = 10_000  # start molecules whose bonds and ring systems have precedent


Gate: TypeAlias = "Callable[[Sequence[Molecule]], list[bool]]"
"""Decides which molecules may be proposed."""


def precedent_gate(model: LatentModel, start: Iterable[str]) -> Gate:
    """Passes molecules whose bonds and ring systems are common, and that have no unstable group.

    Each must occur in one in 10,000 of the model's training molecules, or in the SMILES `start`. Without a
    calibrated model, only unstable groups are checked (filter `unstable`). With a threshold of one training
    molecule, an external judge rejected 40 % of what passed.
    """

    @cache
    def known() -> Precedent | None:
        trained: Precedent | None = getattr(model, "precedent", None)
        if trained is None:
            return None
        return trained.at_least(trained.n_common).joined(Precedent.counted(_counted(start)))

    def passes(molecules: Sequence[Molecule]) -> list[bool]:
        seen = known()
        return [
            (seen is None or seen.covers(molecule)) and not filter_reasons(molecule, ["unstable"])
            for molecule in molecules
        ]

    return passes


def similarity_gate(neighborhood: Neighborhood, *, at_least: bool) -> Gate:
    """Passes molecules whose nearest neighbor is `at_least`, or at most, as similar as the threshold.

    Raises:
        UsageError: A reference is not a valid molecule.
    """
    references: list[Molecule] = []
    for text in neighborhood.smiles:
        molecule = standardize(text)
        if not is_valid(molecule):
            raise UsageError(f"{text!r} is not a molecule to compare with: {molecule.reason}")
        references.append(molecule)
    bound = neighborhood.similarity

    def passes(molecules: Sequence[Molecule]) -> list[bool]:
        nearest = [float(row.max()) for row in similarity_matrix(molecules, references)]
        return [near >= bound if at_least else near <= bound for near in nearest]

    return passes


def size_gate(start: Iterable[str]) -> Gate:
    """Passes molecules no larger than a drug, or than 99 % of the start.

    Exploration favors unfamiliar molecules, such as two whole molecules joined. A small start sets no limit.
    """

    @cache
    def largest() -> float:
        sizes = [molecule.mol.GetNumHeavyAtoms() for molecule in _counted(start)]
        return max(_DRUG_SIZE, np.percentile(sizes, 99)) if len(sizes) >= _FEWEST_SIZES else math.inf

    return lambda molecules: [molecule.mol.GetNumHeavyAtoms() <= largest() for molecule in molecules]


def _counted(start: Iterable[str]) -> list[Molecule]:
    """The start molecules that precedent and sizes are taken from."""
    return [m for text in islice(start, _START_COUNTED) if is_valid(m := parse(text))]


def domain_gate(model: LatentModel) -> Gate:
    """Passes molecules inside the model's applicability domain (`DomainScores.inside`).

    Raises:
        UsageError: The model is not a `MolVAE`, or not calibrated.
    """
    from molvae.latent.calibration import likelihood
    from molvae.latent.codec import MolVAE
    from molvae.latent.domain import require_domain

    if not isinstance(model, MolVAE):
        raise UsageError("this model has no calibrated applicability domain")
    domain = require_domain(model.domain)
    return lambda molecules: [bool(x) for x in domain.score(likelihood(model, molecules)).inside()]


def remembering(gate: Gate) -> Gate:
    """The gate with a cache of results by SMILES, as offspring are often repeated."""
    known: OrderedDict[str, bool] = OrderedDict()

    def passes(molecules: Sequence[Molecule]) -> list[bool]:
        new = {m.smiles: m for m in molecules if m.smiles not in known}
        if new:
            known.update(zip(new, gate(list(new.values())), strict=True))
        answers = [known[molecule.smiles] for molecule in molecules]
        while len(known) > _REMEMBERED:
            known.popitem(last=False)
        return answers

    return passes


def kept_smarts(objectives: Iterable[Objective]) -> tuple[str, ...]:
    """SMARTS of the cores that every candidate must contain."""
    wanted = [o.name for o in objectives if o.direction == "at_least"]
    return tuple(name.partition(":")[2] for name in wanted if name.startswith("substructure:"))


def kept_cores(objectives: Iterable[Objective]) -> list[Molecule]:
    """These cores as molecules, without those that are query patterns."""
    return [core for text in kept_smarts(objectives) if (core := core_molecule(text)) is not None]


def gates_of(settings: CampaignSettings, model: LatentModel, start: Iterable[str]) -> tuple[Gate, ...]:
    """The gates of a campaign, cheapest first.

    Raises:
        UsageError: The domain is requested and the model is not calibrated, or a reference is not a molecule.
    """
    gates: list[Gate] = []
    if settings.near is not None:
        gates.append(similarity_gate(settings.near, at_least=True))
    if settings.novel is not None:
        gates.append(similarity_gate(settings.novel, at_least=False))
    if not settings.wild:
        cores = [core.smiles for core in kept_cores(settings.objectives)]
        gates += [size_gate(start), precedent_gate(model, chain(cores, start))]
    if settings.in_domain:
        gates.append(domain_gate(model))
    return tuple(map(remembering, gates))
