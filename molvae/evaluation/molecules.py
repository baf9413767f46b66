"""Sets of molecules to evaluate or compare with; their statistics are computed once and cached."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.evaluation.frechet import (
    ChemNetStatistics,
    chemnet_statistics,
    digest,
    read_arrays,
    write_arrays,
)
from molvae.evaluation.profile import Part, Profile, profile
from molvae.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from molvae.chemistry.admission import Rules
    from molvae.progress import Progress

_SCHEMA = 3  # increased when the meaning of cached numbers changes


@dataclass(eq=False, kw_only=True)
class MoleculeSet:
    """A set of molecules as texts: the output of a generator, or a reference to compare it with.

    Attributes:
        texts: SMILES in order; invalid ones are counted, duplicates kept.
        name: Name of the set in tables.
        rules: Standardization, if any; the same for all sets that are compared.
        alerts: Directory of the MOSES alerts.
        cache: Directory in which profiles and ChemNet statistics are cached, by the sha256 of the texts and
            the version of RDKit.
        workers: Number of processes.
        device: Device of ChemNet.
        progress: Progress listener.
    """

    texts: Sequence[str] = field(kw_only=False)
    name: str = "samples"
    rules: Rules | None = None
    alerts: Path | None = None
    cache: Path | None = None
    workers: int = 0
    device: str = "cpu"
    progress: Progress = SILENT
    _profile: Profile | None = field(default=None, init=False)
    _chemnet: ChemNetStatistics | None = field(default=None, init=False)

    def profile(self, parts: Collection[Part]) -> Profile:
        """The profile with (at least) these parts."""
        if self._profile is None:
            self._profile = self._cached()
        known = () if self._profile is None else self._profile.parts
        if self._profile is None or not set(parts).issubset(known):
            self._profile = profile(
                self.texts,
                {*known, *parts},
                rules=self.rules,
                alerts=self.alerts,
                workers=self.workers,
                progress=self.progress,
                task=f"profile of {self.name}",
            )
            place = self._place()
            if place is not None:
                write_arrays(place, **_to_arrays(self._profile))
        return self._profile

    def chemnet(self) -> ChemNetStatistics:
        """Statistics of its ChemNet activations; `InputError` for fewer than two molecules."""
        if self._chemnet is None:
            self._chemnet = chemnet_statistics(
                self.profile(()).smiles,
                cache=self.cache,
                device=self.device,
                progress=self.progress,
                task=f"ChemNet of {self.name}",
            )
        return self._chemnet

    def _place(self) -> Path | None:
        if self.cache is None:
            return None
        chemistry = f"rdkit-{version('rdkit')}-{_SCHEMA}"
        rules = self.rules
        form = "" if rules is None else f"-{rules.standardize}{'' if rules.keep_stereo else '-flat'}"
        alerts = "-alerts" if self.alerts is not None else ""
        return self.cache / f"profile-{chemistry}{form}{alerts}-{digest(self.texts)}.npz"

    def _cached(self) -> Profile | None:
        place = self._place()
        arrays = None if place is None else read_arrays(place)
        return None if arrays is None else _from_arrays(arrays)


def _to_arrays(made: Profile) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {
        "n_texts": np.array(made.n_texts),
        "smiles": _bytes_of(made.smiles),
    }
    for name in ("fingerprints", "descriptors", "filters"):
        if getattr(made, name) is not None:
            arrays[name] = getattr(made, name)
    for name in ("reasons", "fragments", "scaffolds"):
        counts: Mapping[str, int] | None = getattr(made, name)
        if counts is not None:
            arrays[name] = _bytes_of(list(counts))
            arrays[f"n_{name}"] = np.array(list(counts.values()), dtype=np.int64)
    return arrays


def _from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Profile:
    counts = {
        name: dict(zip(_texts_of(arrays[name]), arrays[f"n_{name}"].tolist(), strict=True))
        for name in ("reasons", "fragments", "scaffolds")
        if name in arrays
    }
    return Profile(
        n_texts=int(arrays["n_texts"]),
        smiles=_texts_of(arrays["smiles"]),
        reasons=counts["reasons"],
        fingerprints=arrays.get("fingerprints"),
        fragments=counts.get("fragments"),
        scaffolds=counts.get("scaffolds"),
        descriptors=arrays.get("descriptors"),
        filters=arrays.get("filters"),
    )


def _bytes_of(texts: list[str]) -> NDArray[np.uint8]:
    """Texts without line breaks as one array of bytes.

    >>> _texts_of(_bytes_of(["CC", ""])), _texts_of(_bytes_of([]))
    (['CC', ''], [])
    """
    return np.frombuffer("".join(f"{text}\n" for text in texts).encode(), dtype=np.uint8)


def _texts_of(data: NDArray[np.uint8]) -> list[str]:
    """The inverse of `_bytes_of`."""
    return data.tobytes().decode().split("\n")[:-1]
