"""Gates: requirements on proposed molecules."""

from __future__ import annotations

import math
from collections import OrderedDict
from functools import cached_property
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
    from molvae.campaign.model import LatentModel
    from molvae.chemistry.molecule import Molecule
    from molvae.oracles.config import Objective

_REMEMBERED = 100_000  # SMILES and one bit each
_DRUG_SIZE = 40  # heavy atoms
_FEWEST_SIZES = 20
_START_COUNTED = 10_000  # start molecules whose bonds and ring systems have precedent


Gate: TypeAlias = "Callable[[Sequence[Molecule]], list[bool]]"
"""Decides which molecules may be proposed."""


class PrecedentGate:
    """Passes molecules whose bonds and ring systems are common, and that have no unstable group.

    Each must occur in one in 10,000 of the model's training molecules, or in the SMILES `start`. Without a
    calibrated model, only unstable groups are checked (filter `unstable`). With a threshold of one training
    molecule, an external judge rejected 40 % of what passed.
    """

    def __init__(self, model: LatentModel, start: Iterable[str]) -> None:
        self._model, self._start = model, start

    @cached_property
    def _known(self) -> Precedent | None:
        trained: Precedent | None = getattr(self._model, "precedent", None)
        if trained is None:
            return None
        return trained.at_least(trained.n_common).joined(Precedent.counted(_counted(self._start)))

    def __call__(self, molecules: Sequence[Molecule]) -> list[bool]:
        """Whether each molecule has precedent."""
        known = self._known
        return [
            (known is None or known.covers(molecule)) and not filter_reasons(molecule, ["unstable"])
            for molecule in molecules
        ]


class SimilarityGate:
    """Passes molecules with `at_least` the similarity of a neighborhood, or at most; the nearest counts.

    Raises:
        UsageError: A text of the neighborhood is not a molecule.
    """

    def __init__(self, neighborhood: Neighborhood, *, at_least: bool) -> None:
        self._bound, self._at_least = neighborhood.similarity, at_least
        self._molecules: list[Molecule] = []
        for text in neighborhood.smiles:
            molecule = standardize(text)
            if not is_valid(molecule):
                raise UsageError(f"{text!r} is not a molecule to compare with: {molecule.reason}")
            self._molecules.append(molecule)

    def __call__(self, molecules: Sequence[Molecule]) -> list[bool]:
        """Whether each molecule is near enough, or far enough."""
        nearest = [float(row.max()) for row in similarity_matrix(molecules, self._molecules)]
        return [near >= self._bound if self._at_least else near <= self._bound for near in nearest]


class SizeGate:
    """Passes molecules no larger than a drug, or than 99 % of the start.

    Exploration favors unfamiliar molecules, such as two whole molecules joined. A small start sets no limit.
    """

    def __init__(self, start: Iterable[str]) -> None:
        self._start = start

    @cached_property
    def _largest(self) -> float:
        sizes = [molecule.mol.GetNumHeavyAtoms() for molecule in _counted(self._start)]
        return max(_DRUG_SIZE, np.percentile(sizes, 99)) if len(sizes) >= _FEWEST_SIZES else math.inf

    def __call__(self, molecules: Sequence[Molecule]) -> list[bool]:
        """Whether each molecule is small enough."""
        return [molecule.mol.GetNumHeavyAtoms() <= self._largest for molecule in molecules]


def _counted(start: Iterable[str]) -> list[Molecule]:
    """The start molecules that precedent and sizes are taken from."""
    return [m for text in islice(start, _START_COUNTED) if is_valid(m := parse(text))]


class DomainGate:
    """Passes molecules inside the model's applicability domain (`DomainScores.inside`).

    Raises:
        UsageError: The model is no `MolVAE`, or not calibrated.
    """

    def __init__(self, model: LatentModel) -> None:
        from molvae.latent.codec import MolVAE
        from molvae.latent.domain import require_domain

        if not isinstance(model, MolVAE):
            raise UsageError("this model does not know its applicability domain")
        self._model, self._domain = model, require_domain(model.domain)

    def __call__(self, molecules: Sequence[Molecule]) -> list[bool]:
        """Whether each molecule lies inside."""
        from molvae.latent.calibration import likelihood

        return [bool(inside) for inside in self._domain.score(likelihood(self._model, molecules)).inside()]


class Remembering:
    """A gate with a cache of its answers by SMILES, as offspring repeat themselves."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._known: OrderedDict[str, bool] = OrderedDict()

    def __call__(self, molecules: Sequence[Molecule]) -> list[bool]:
        """Whether each molecule passes the gate."""
        new = {m.smiles: m for m in molecules if m.smiles not in self._known}
        if new:
            self._known.update(zip(new, self._gate(list(new.values())), strict=True))
        answers = [self._known[molecule.smiles] for molecule in molecules]
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return answers


def kept_smarts(objectives: Iterable[Objective]) -> tuple[str, ...]:
    """SMARTS of the cores that every candidate must contain."""
    wanted = [o.name for o in objectives if o.direction == "at_least"]
    return tuple(name.partition(":")[2] for name in wanted if name.startswith("substructure:"))


def kept_cores(objectives: Iterable[Objective]) -> list[Molecule]:
    """These cores as molecules, as far as they are drawn in full."""
    return [core for text in kept_smarts(objectives) if (core := core_molecule(text)) is not None]


def gates_of(settings: CampaignSettings, model: LatentModel, start: Iterable[str]) -> tuple[Gate, ...]:
    """The gates of a campaign, the cheapest first.

    Raises:
        UsageError: The domain is requested and the model is not calibrated, or a reference is not a molecule.
    """
    gates: list[Gate] = []
    if settings.near is not None:
        gates.append(SimilarityGate(settings.near, at_least=True))
    if settings.novel is not None:
        gates.append(SimilarityGate(settings.novel, at_least=False))
    if not settings.wild:
        cores = [core.smiles for core in kept_cores(settings.objectives)]
        gates += [SizeGate(start), PrecedentGate(model, chain(cores, start))]
    if settings.in_domain:
        gates.append(DomainGate(model))
    return tuple(map(Remembering, gates))
