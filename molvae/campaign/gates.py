"""Gates: requirements on proposed molecules."""

from __future__ import annotations

import math
from collections import OrderedDict
from itertools import chain
from typing import TYPE_CHECKING, Protocol

import numpy as np

from molvae.chemistry.filters import filter_reasons
from molvae.chemistry.fingerprints import similarity_matrix
from molvae.chemistry.molecule import is_valid, parse
from molvae.chemistry.precedent import Precedent
from molvae.chemistry.standardize import standardize
from molvae.chemistry.substructure import core_molecule
from molvae.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from molvae.campaign.config import CampaignSettings, Neighborhood
    from molvae.campaign.model import LatentModel
    from molvae.chemistry.molecule import Molecule
    from molvae.oracles.config import Objective

_REMEMBERED = 100_000  # SMILES and one bit each
_DRUG_SIZE = 40  # heavy atoms
_FEWEST_SIZES = 20
_START_COUNTED = 10_000  # start molecules whose bonds and ring systems have precedent


class Gate(Protocol):
    """Decides which molecules may be proposed."""

    def __call__(self, molecules: Sequence[Molecule]) -> list[bool]:
        """Whether each molecule passes."""


class PrecedentGate:
    """Passes molecules with precedent.

    Every bond and ring system must occur in one in 10,000 of the model's training molecules or in the start,
    and there must be no unstable group (filter `unstable`). Without a calibrated model, only unstable groups
    are checked. With a threshold of one training molecule, an external judge rejected 40 % of what passed.

    Args:
        model: A `MolVAE`.
        start: SMILES of the start.
    """

    def __init__(self, model: LatentModel, start: Iterable[str]) -> None:
        self._start = start
        self._known: Precedent | None = getattr(model, "precedent", None)
        self._extended = self._known is None

    def __call__(self, molecules: Sequence[Molecule]) -> list[bool]:
        """Whether each molecule has common bonds and ring systems, and no unstable group."""
        if not self._extended and self._known is not None:
            counted = [m for _, text in zip(range(_START_COUNTED), self._start) if is_valid(m := parse(text))]
            common = self._known.at_least(self._known.n_common)
            self._known, self._extended = common.joined(Precedent.counted(counted)), True
        known = self._known
        return [
            (known is None or known.covers(molecule)) and not filter_reasons(molecule, ["unstable"])
            for molecule in molecules
        ]


class SimilarityGate:
    """Passes molecules similar enough to one of a set, or not too similar to any.

    Args:
        neighborhood: The molecules and the similarity.
        at_least: Whether the similarity is a minimum; otherwise a maximum.

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
        """Whether the nearest of the set is near enough, or far enough, for each molecule."""
        nearest = [float(row.max()) for row in similarity_matrix(molecules, self._molecules)]
        return [near >= self._bound if self._at_least else near <= self._bound for near in nearest]


class SizeGate:
    """Passes molecules no larger than a drug, or than 99 % of the start.

    Exploration favors unfamiliar molecules, such as two whole molecules joined. A small start sets no limit.

    Args:
        start: SMILES of the start.
    """

    def __init__(self, start: Iterable[str]) -> None:
        self._start = start
        self._largest: float | None = None

    def __call__(self, molecules: Sequence[Molecule]) -> list[bool]:
        """Whether each molecule is small enough."""
        if self._largest is None:
            read = (parse(text) for _, text in zip(range(_START_COUNTED), self._start))
            sizes = [molecule.mol.GetNumHeavyAtoms() for molecule in read if is_valid(molecule)]
            few = len(sizes) < _FEWEST_SIZES
            self._largest = math.inf if few else max(_DRUG_SIZE, float(np.percentile(sizes, 99)))
        return [molecule.mol.GetNumHeavyAtoms() <= self._largest for molecule in molecules]


class DomainGate:
    """Passes molecules inside the model's applicability domain (`DomainScores.inside`).

    Args:
        model: A calibrated `MolVAE`.

    Raises:
        UsageError: Another kind of model, or not calibrated.
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
    """A gate with a cache of its answers by SMILES, as offspring repeat themselves.

    Args:
        gate: The gate.
    """

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
    """The cores that every candidate must contain, as molecules; those that are drawn in full."""
    found = map(core_molecule, kept_smarts(objectives))
    return [core for core in found if core is not None]


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
