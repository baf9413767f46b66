"""Features of molecules for surrogates: count fingerprints and descriptors, cached by SMILES."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np

from molvae.chemistry.fingerprints import count_entries
from molvae.chemistry.molecule import is_valid, parse
from molvae.chemistry.profile import PROFILE, profiles
from molvae.optimization.features import Features, Multisets
from molvae.optimization.similarities import GramMemory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from molvae.campaign.config import CampaignSettings
    from molvae.chemistry.molecule import Molecule

_WIDTH = 4096  # features fingerprints are folded to
_REMEMBERED = 40_000  # molecules of about 2 KB
_PARSED = 4_000  # molecules of about 20 KB


class MoleculeMemory:
    """Cache of parsed molecules by canonical SMILES."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Molecule] = OrderedDict()

    def __getitem__(self, smiles: str) -> Molecule | None:
        known = self._known.get(smiles)
        if known is not None:
            self._known.move_to_end(smiles)
            return known
        read = parse(smiles)
        if not is_valid(read):
            return None
        self.keep(read)
        return read

    def keep(self, molecule: Molecule) -> None:
        """Add a parsed molecule."""
        self._known.setdefault(molecule.smiles, molecule)
        if len(self._known) > _PARSED:
            self._known.popitem(last=False)


class FeatureMemory:
    """Cache of features by canonical SMILES.

    Args:
        settings: Of the campaign; its surrogates determine the features.

    Attributes:
        views: The fingerprints.
        molecules: Cache of parsed molecules.
        grams: Cache of similarities among observations.
    """

    def __init__(self, settings: CampaignSettings) -> None:
        members = settings.search.surrogate.members
        self.views = tuple(dict.fromkeys(view for member in members for view in member.views))
        self.molecules = MoleculeMemory()
        self.grams = GramMemory()
        self._numbers = any(member.numbers for member in members)
        self._width = _WIDTH
        self._rows: OrderedDict[str, tuple[tuple[NDArray[np.int32], ...], NDArray[np.float64]]] = (
            OrderedDict()
        )

    def __call__(self, smiles: Sequence[str]) -> Features:
        """Features of `n` molecules.

        Args:
            smiles: Canonical SMILES of valid molecules.
        """
        missing = [text for text in dict.fromkeys(smiles) if text not in self._rows]
        self._learn([m for text in missing if (m := self.molecules[text]) is not None], missing)
        rows = [self._rows[text] for text in smiles]
        for text in smiles:
            self._rows.move_to_end(text)
        while len(self._rows) > max(_REMEMBERED, len(smiles)):
            self._rows.popitem(last=False)
        multisets = tuple(self._joined([keys[j] for keys, _ in rows]) for j in range(len(self.views)))
        numbers = np.stack([row for _, row in rows]) if rows else np.empty((0, self._n_numbers))
        return Features(self.views, multisets, numbers)

    @property
    def _n_numbers(self) -> int:
        return len(PROFILE) if self._numbers else 0

    def _joined(self, keys: Sequence[NDArray[np.int32]]) -> Multisets:
        offsets = np.cumsum([0, *(len(row) for row in keys)], dtype=np.int64)
        return Multisets(np.concatenate([np.empty(0, dtype=np.int32), *keys]), offsets, self._width)

    def _learn(self, molecules: Sequence[Molecule], names: Sequence[str]) -> None:
        numbers = profiles(molecules) if self._numbers else np.empty((len(molecules), 0))
        columns = []
        for view in self.views:
            entries = count_entries(molecules, view, n_features=self._width)
            sets = Multisets.of_entries(*entries, width=self._width)
            columns.append(np.split(sets.keys, sets.offsets[1:-1]))
        for index, name in enumerate(names):
            self._rows[name] = (tuple(column[index] for column in columns), numbers[index])
