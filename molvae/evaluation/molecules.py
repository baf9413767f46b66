"""Sets of molecules to evaluate or compare with; their statistics are computed once and cached."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.evaluation.frechet import (
    ChemNetStatistics,
    bytes_to_texts,
    chemnet_statistics,
    digest,
    read_arrays,
    texts_to_bytes,
    write_arrays,
)
from molvae.evaluation.profile import PARTS, Part, Profile, profile
from molvae.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from molvae.chemistry.admission import Rules
    from molvae.progress import Progress

_SCHEMA = 3  # counted up when what is kept changes its meaning


class MoleculeSet:
    """A set of molecules as texts: the output of a generator, or what it is measured against.

    Args:
        texts: SMILES in order; invalid ones are counted, duplicates kept.
        name: What the set is called in tables.
        rules: How far molecules are standardized, if they are: as those they are compared with.
        alerts: Directory of the MOSES alerts.
        cache: Directory in which profiles and ChemNet statistics are kept, under the sha256 of the texts and
            the version of RDKit.
        workers: Processes.
        device: Where ChemNet runs.
        progress: Where progress is reported.
    """

    def __init__(
        self,
        texts: Sequence[str],
        *,
        name: str = "samples",
        rules: Rules | None = None,
        alerts: Path | None = None,
        cache: Path | None = None,
        workers: int = 0,
        device: str = "cpu",
        progress: Progress = SILENT,
    ) -> None:
        self.texts, self.name, self.alerts = texts, name, alerts
        self._rules, self._cache, self._workers = rules, cache, workers
        self._device, self._progress = device, progress
        self._profile: Profile | None = None
        self._chemnet: ChemNetStatistics | None = None

    def profile(self, parts: Collection[Part]) -> Profile:
        """The profile with (at least) these parts."""
        if self._profile is None:
            self._profile = self._kept()
        known = self._profile
        missing = [
            part for part in PARTS if part in parts and (known is None or getattr(known, part) is None)
        ]
        if known is None or missing:
            made = profile(
                self.texts,
                missing,
                rules=self._rules,
                alerts=self.alerts,
                workers=self._workers,
                progress=self._progress,
                task=f"profile of {self.name}",
            )
            self._profile = known = (
                made if known is None else replace(known, **{part: getattr(made, part) for part in missing})
            )
            self._keep(known)
        return known

    def chemnet(self) -> ChemNetStatistics:
        """The Gaussian of its ChemNet activations; `InputError` for fewer than two molecules."""
        if self._chemnet is None:
            self._chemnet = chemnet_statistics(
                self.profile(()).smiles,
                cache=self._cache,
                device=self._device,
                progress=self._progress,
                task=f"ChemNet of {self.name}",
            )
        return self._chemnet

    def _place(self) -> Path | None:
        if self._cache is None:
            return None
        chemistry = f"rdkit-{version('rdkit')}-{_SCHEMA}"
        rules = self._rules
        form = "" if rules is None else f"-{rules.standardize}{'' if rules.keep_stereo else '-flat'}"
        alerts = "-alerts" if self.alerts is not None else ""
        return self._cache / f"profile-{chemistry}{form}{alerts}-{digest(self.texts)}.npz"

    def _kept(self) -> Profile | None:
        place = self._place()
        arrays = None if place is None else read_arrays(place)
        return None if arrays is None else _from_arrays(arrays)

    def _keep(self, made: Profile) -> None:
        place = self._place()
        if place is not None:
            write_arrays(place, **_to_arrays(made))


def _to_arrays(made: Profile) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {
        "n_texts": np.array(made.n_texts),
        "smiles": texts_to_bytes(made.smiles),
    }
    for name in ("fingerprints", "descriptors", "filters"):
        if getattr(made, name) is not None:
            arrays[name] = getattr(made, name)
    for name in ("reasons", "fragments", "scaffolds"):
        counts: Mapping[str, int] | None = getattr(made, name)
        if counts is not None:
            arrays[name] = texts_to_bytes(list(counts))
            arrays[f"n_{name}"] = np.array(list(counts.values()), dtype=np.int64)
    return arrays


def _from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Profile:
    counts = {
        name: dict(zip(bytes_to_texts(arrays[name]), arrays[f"n_{name}"].tolist(), strict=True))
        for name in ("reasons", "fragments", "scaffolds")
        if name in arrays
    }
    return Profile(
        n_texts=int(arrays["n_texts"]),
        smiles=bytes_to_texts(arrays["smiles"]),
        reasons=counts["reasons"],
        fingerprints=arrays.get("fingerprints"),
        fragments=counts.get("fragments"),
        scaffolds=counts.get("scaffolds"),
        descriptors=arrays.get("descriptors"),
        filters=arrays.get("filters"),
    )
