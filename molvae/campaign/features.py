"""What the surrogate sees of molecules: count fingerprints, remembered by SMILES."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np

from molvae.chemistry.fingerprints import count_matrix
from molvae.chemistry.molecule import is_valid, parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from molvae.campaign.config import FingerprintSettings
    from molvae.chemistry.molecule import Molecule

_REMEMBERED = 30_000  # rows of 2 KB


class Fingerprints:
    """Count fingerprints of molecules by canonical SMILES; the most recently used ones are remembered.

    Args:
        settings: Kind, radius and width.
    """

    def __init__(self, settings: FingerprintSettings) -> None:
        self.settings = settings
        self._rows: OrderedDict[str, NDArray[np.uint8]] = OrderedDict()

    def __call__(
        self, smiles: Sequence[str], known: Mapping[str, Molecule] | None = None
    ) -> NDArray[np.float32]:
        """Counts of canonical SMILES, `n x f` (counts above 255 are cut).

        Args:
            smiles: Canonical SMILES of valid molecules.
            known: Molecules already parsed, to save parsing them again.
        """
        missing = [text for text in dict.fromkeys(smiles) if text not in self._rows]
        molecules = [
            molecule for text in missing if is_valid(molecule := (known or {}).get(text) or parse(text))
        ]
        settings = self.settings
        counts = count_matrix(
            molecules, settings.kind, radius=settings.radius, n_features=settings.n_features
        )
        self._rows.update(zip(missing, np.minimum(counts, 255).astype(np.uint8), strict=True))
        rows = np.empty((len(smiles), settings.n_features), dtype=np.float32)
        for index, text in enumerate(smiles):
            rows[index] = self._rows[text]
            self._rows.move_to_end(text)
        while len(self._rows) > _REMEMBERED:
            self._rows.popitem(last=False)
        return rows
