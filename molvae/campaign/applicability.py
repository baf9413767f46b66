"""Keep proposals inside the applicability domain of the model."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from molvae.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.campaign.model import LatentModel
    from molvae.chemistry.molecule import Molecule

_REMEMBERED = 100_000  # SMILES and one bit each


class DomainGate:
    """Tells which molecules the model knows about (`ApplicabilityDomain`), and remembers it by SMILES.

    Args:
        model: A calibrated `MolVAE`.

    Raises:
        UsageError: It is none, or was never calibrated.
    """

    def __init__(self, model: LatentModel) -> None:
        from molvae.latent.codec import MolVAE
        from molvae.latent.domain import require_domain

        if not isinstance(model, MolVAE):
            raise UsageError("this model does not know its applicability domain")
        self._model, self._domain = model, require_domain(model.domain)
        self._known: OrderedDict[str, bool] = OrderedDict()

    def __call__(self, molecules: Sequence[Molecule]) -> list[bool]:
        """Whether each molecule lies inside, at the false-alarm rate of `DomainScores.inside`."""
        from molvae.latent.likelihood import likelihood

        new = {m.smiles: m for m in molecules if m.smiles not in self._known}
        if new:
            inside = self._domain.score(likelihood(self._model, list(new.values()))).inside()
            self._known.update(zip(new, inside.tolist()))
        answers = [self._known[molecule.smiles] for molecule in molecules]
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return answers
