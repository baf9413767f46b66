"""Answers to the requests of the `molvae explore` page, from library calls, as JSON."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from molvae.chemistry.descriptors import describe
from molvae.chemistry.fingerprints import tanimoto
from molvae.chemistry.molecule import Invalid, Molecule, is_valid
from molvae.errors import InputError
from molvae.latent.calibration import likelihood
from molvae.latent.interpolation import interpolate
from molvae.latent.neighbors import FACT, SimilarityCurve, neighborhood, readable, usual_radius
from molvae.reporting.drawings import svg
from molvae.reporting.shown_model import Plane
from molvae.seeding import Seeds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from molvae.latent.codec import MolVAE

_SIMILARITY = 0.6  # to the molecule, of the neighbors shown first
COMPUTED = ("qed", "logp", "sa", "mw")
"""Descriptors shown beside the model's predictions."""
_MOST_NEIGHBORS = 12


class Explorer:
    """A model to explore, with a map of known molecules; those that the model cannot read are left out.

    Raises:
        InputError: It can read fewer than three.
    """

    def __init__(self, model: MolVAE, name: str, molecules: Sequence[Molecule]) -> None:
        z = model.encode(molecules, inference_steps=0)
        fine = np.isfinite(z).all(axis=1)
        self.model, self.name = model, name
        self._known = [molecules[row] for row in np.flatnonzero(fine).tolist()]
        self._z = z[fine]
        self._plane = Plane(self._z)

    def facts(self) -> dict[str, Any]:
        """Description of the model, and the first molecule of the page."""
        settings = self.model.settings
        curve = SimilarityCurve.from_facts(settings.facts) if FACT in settings.facts else None
        return {
            "name": self.name,
            "latent_size": self.model.latent_size,
            "n_parameters": self.model.n_parameters,
            "properties": list(self.model.property_names),
            "computed": list(COMPUTED),
            "noise_levels": self.model.noise_levels,
            "similarity_by_radius": None if curve is None else [curve.radius, curve.similarity],
            "radius": usual_radius(self.model) if curve is None else curve.radius_for(_SIMILARITY),
            "start": self._known[0].smiles,
            "end": self._known[len(self._known) // 2].smiles,
        }

    def molecule(self, smiles: str) -> dict[str, Any]:
        """A molecule, its reconstruction, and its predicted properties."""
        molecule, z = self._read(smiles)
        (back,) = self.model.reconstruct([molecule])
        similar = float(tanimoto(molecule, [back])[0]) if is_valid(back) else math.nan
        return {
            **self._shown(molecule, z),
            "reconstruction": {**self._shown(back), "similarity": similar, "exact": back == molecule},
            "unknown_tokens": list(self.model.unknown_tokens([molecule])[0]),
            "p_value": self._p_value(molecule),
        }

    def neighbors(self, smiles: str, *, radius: float, n_draws: int, seed: int) -> dict[str, Any]:
        """Analogues around a molecule, the most similar first."""
        molecule, _ = self._read(smiles)
        found = neighborhood(self.model, molecule, radius=radius, n_draws=n_draws, seed=seed)
        near = found.neighbors[:_MOST_NEIGHBORS]
        shown = self._all_shown([neighbor.molecule for neighbor in near])
        return {
            "n_draws": found.n_draws,
            "n_valid": found.n_valid,
            "n_parent": found.n_parent,
            "n_different": len(found.neighbors),
            "neighbors": [
                {**item, "similarity": neighbor.similarity, "n_found": neighbor.n_found}
                for item, neighbor in zip(shown, near, strict=True)
            ],
        }

    def path(self, start: str, end: str, *, n_steps: int, seed: int) -> dict[str, Any]:
        """Molecules on the path from one to another."""
        path = interpolate(self.model, start, end, n_steps=n_steps, seed=seed)
        shown = self._all_shown([waypoint.molecule for waypoint in path])
        return {
            "waypoints": [
                {**item, "position": w.position, "to_start": w.to_start, "to_end": w.to_end}
                for item, w in zip(shown, path, strict=True)
            ]
        }

    def map(self) -> dict[str, Any]:
        """The known molecules on their first two principal axes, with predicted properties."""
        places, values = self._plane.place(self._z), self.model.predict_latent(self._z).mean
        return {
            "share": self._plane.share,
            "points": [
                {"smiles": item.smiles, "at": at, "predicted": row}
                for item, at, row in zip(self._known, places.tolist(), values.tolist(), strict=True)
            ],
        }

    def place(self, smiles: str, *, x: float, y: float) -> dict[str, Any]:
        """The decoded molecule after moving a latent vector to a point on the map."""
        molecule, _ = self._read(smiles)
        moved = self._plane.moved(self.model.encode([molecule]), (x, y))
        (there,) = self.model.decode(moved)
        return self._shown(there, moved)

    def drawing(self, smiles: str) -> dict[str, Any]:
        """A drawing of a molecule as written."""
        (molecule,) = self.model.prepare([smiles])
        return self._shown(molecule, np.full((1, self.model.latent_size), np.nan))

    def _read(self, smiles: str) -> tuple[Molecule, NDArray[np.float32]]:
        (molecule,) = readable(self.model, [smiles])
        z = self.model.encode([molecule], inference_steps=0)  # as for the map and the predictions
        if not np.isfinite(z).all():
            raise InputError(f"the model cannot read {molecule.smiles}", hint="It is too long.")
        return molecule, z

    def _p_value(self, molecule: Molecule) -> float | None:
        if self.model.domain is None:
            return None
        return float(self.model.domain.score(likelihood(self.model, [molecule])).p_value[0])

    def _all_shown(self, molecules: Sequence[Molecule | Invalid]) -> list[dict[str, Any]]:
        z = self.model.encode(molecules, inference_steps=0)
        return [self._shown(item, z[[row]]) for row, item in enumerate(molecules)]

    def _shown(self, molecule: Molecule | Invalid, z: NDArray[np.floating] | None = None) -> dict[str, Any]:
        """A molecule as the page shows it: picture, values, and its place on the map."""
        if isinstance(molecule, Invalid):
            return {"smiles": None, "reason": molecule.reason, "drawing": None}
        vector = self.model.encode([molecule], inference_steps=0) if z is None else z
        predicted = self.model.predict_latent(vector)
        readable = bool(np.isfinite(vector).all())
        return {
            "smiles": molecule.smiles,
            "drawing": svg(molecule),
            "predicted": predicted.mean[0].tolist(),
            "deviation": np.sqrt(predicted.variance[0]).tolist(),
            "computed": describe(molecule, COMPUTED).tolist(),
            "at": self._plane.place(vector)[0].tolist() if readable else None,
        }


def known_molecules(model: MolVAE, texts: Sequence[str], n: int) -> list[Molecule]:
    """Up to `n` random molecules, standardized for the model; invalid ones are left out."""
    order = Seeds(0).numpy("map").permutation(len(texts))[:n]
    prepared = model.prepare([texts[row] for row in order])
    return list(dict.fromkeys(item for item in prepared if is_valid(item)))
