"""A model and the molecules of its report: encoded, decoded, predicted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from molvae.chemistry.descriptors import describe_many, descriptor_of
from molvae.chemistry.molecule import Invalid, Molecule, is_valid
from molvae.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from molvae.data.corpus import Corpus
    from molvae.latent.codec import MolVAE

    Array = NDArray[np.float64]

WELL_KNOWN = (
    ("paracetamol", "CC(=O)Nc1ccc(O)cc1"),
    ("ibuprofen", "CC(C)Cc1ccc(C(C)C(=O)O)cc1"),
    ("caffeine", "Cn1c(=O)c2c(ncn2C)n(C)c1=O"),
    ("lidocaine", "CCN(CC)CC(=O)Nc1c(C)cccc1C"),
    ("celecoxib", "Cc1ccc(-c2cc(C(F)(F)F)nn2-c2ccc(S(N)(=O)=O)cc2)cc1"),
    ("donepezil", "COc1cc2c(cc1OC)C(=O)C(CC1CCN(Cc3ccccc3)CC1)C2"),
    ("diazepam", "CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc21"),
    ("imatinib", "Cc1ccc(NC(=O)c2ccc(CN3CCN(C)CC3)cc2)cc1Nc1nccc(-c2cccnc2)n1"),
)
"""Molecules to reconstruct where no corpus is available."""

_MOST = 1000  # most molecules of a report, to limit encoding and decoding


@dataclass(frozen=True)
class Shown:
    """A model and the molecules of its report.

    Attributes:
        model: The model.
        where: Description of the molecules.
        molecules: n molecules it can encode.
        identifiers: Names, `n`.
        mu: Their posterior means, `n x d`.
        decoded: Results of `reconstruct`, `n`.
        truth: Known properties, `n x p`, NaN where missing.
        truth_is: Description of the known properties.
        predicted: Predictions of the heads, `n x p`.
        deviation: Their standard deviations, `n x p`.
        samples: Prior samples.
        asked: Number of leading molecules whose reconstruction is shown.
    """

    model: MolVAE
    where: str
    molecules: Sequence[Molecule]
    identifiers: Sequence[str]
    mu: NDArray[np.float32]
    decoded: Sequence[Molecule | Invalid]
    truth: Array
    truth_is: str
    predicted: Array
    deviation: Array
    samples: Sequence[Molecule | Invalid]
    asked: int

    @property
    def sample_validity(self) -> float:
        """Share of valid samples."""
        return sum(map(is_valid, self.samples)) / max(len(self.samples), 1)

    @property
    def exact(self) -> list[bool]:
        """Whether each molecule is reconstructed exactly, `n`."""
        return [is_valid(d) and d.smiles == m.smiles for m, d in zip(self.molecules, self.decoded)]


def shown_on(model: MolVAE, corpus: Corpus, samples: Sequence[Molecule | Invalid], n_rows: int) -> Shown:
    """The model on held-out molecules of a corpus: its test split, else its validation split."""
    part, name = corpus.rows("test"), "test"
    if not len(part):
        part, name = corpus.rows("valid"), "validation"
    n = min(len(part), n_rows, _MOST)
    rows = np.sort(np.random.default_rng(0).permutation(part)[:n])
    labels = corpus.labels_of(model.property_names, rows)
    where = f"{n:,} of {len(part):,} molecules of the {name} part of {corpus.path.name}"
    texts, names = corpus.smiles(rows), corpus.identifiers(rows)
    return _encoded(model, texts, names, labels, where, "label", samples, n)


def shown_on_samples(model: MolVAE, samples: Sequence[Molecule | Invalid]) -> Shown:
    """The model on well-known drugs and its own samples; known properties are computed descriptors."""
    unique = list(dict.fromkeys(item.smiles for item in samples if is_valid(item)))
    texts = [smiles for _, smiles in WELL_KNOWN] + unique
    names = [name for name, _ in WELL_KNOWN] + [f"sample {n}" for n in range(1, len(unique) + 1)]
    labels = np.full((len(texts), len(model.property_names)), np.nan)
    prepared = model.prepare(texts)
    for column, head in enumerate(model.property_names):
        if (descriptor := descriptor_of(head)) is not None:
            labels[:, column] = describe_many(prepared, [descriptor])[:, 0]
    where = f"{len(WELL_KNOWN)} well-known drugs and {len(unique):,} samples of the model"
    return _encoded(model, texts, names, labels, where, "computed", samples, len(WELL_KNOWN))


def _encoded(
    model: MolVAE,
    texts: Sequence[str],
    names: Sequence[str],
    labels: Array,
    where: str,
    truth_is: str,
    samples: Sequence[Molecule | Invalid],
    asked: int,
) -> Shown:
    prepared = model.prepare(texts)
    mu = model.encode(prepared, inference_steps=0)  # as for predictions and the map
    fine = np.flatnonzero(np.isfinite(mu).all(axis=1))
    known = [item for item in (prepared[n] for n in fine.tolist()) if is_valid(item)]
    prediction = model.predict_latent(mu[fine])
    return Shown(
        model=model,
        where=where,
        molecules=known,
        identifiers=[names[n] for n in fine.tolist()],
        mu=mu[fine],
        decoded=model.reconstruct(known),
        truth=labels[fine],
        truth_is=truth_is,
        predicted=prediction.mean,
        deviation=np.sqrt(prediction.variance),
        samples=samples,
        asked=int((fine < asked).sum()),
    )


_FEWEST = 3  # points that define a plane


class Plane:
    """The two principal axes of greatest variance of vectors `n x d`; rows that are not finite are left out.

    The largest component of each axis is positive, so that the same vectors give the same map.

    Attributes:
        axes: Orthonormal axes, the one of greater variance first, `d x 2`.
        share: Share of the total variance along each axis.

    >>> plane = Plane(np.array([[3.0, 0, 0], [-3, 0, 0], [0, 1, 0], [0, -1, 0]]))
    >>> plane.axes.round(6).tolist(), [round(s, 3) for s in plane.share]
    ([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], [0.9, 0.1])
    >>> plane.moved(np.array([[1.0, 2.0, 7.0]]), (0.0, 5.0)).tolist()
    [[0.0, 5.0, 7.0]]

    Raises:
        InputError: There are fewer than three vectors, or fewer than two dimensions.
    """

    def __init__(self, z: NDArray[np.floating]) -> None:
        from sklearn.decomposition import PCA

        known = np.asarray(z[np.isfinite(z).all(axis=1)], dtype=np.float64)
        if len(known) < _FEWEST or known.shape[1] < 2:  # noqa: PLR2004 - a plane has two
            raise InputError(f"a map needs at least {_FEWEST} molecules the model can read, got {len(known)}")
        with np.errstate(invalid="ignore"):  # 0 / 0 where all are equal
            self._fitted = PCA(2, svd_solver="covariance_eigh").fit(known)
        self.axes: Array = self._fitted.components_.T
        self.share: list[float] = np.nan_to_num(self._fitted.explained_variance_ratio_).tolist()

    def place(self, z: NDArray[np.floating]) -> Array:
        """Map coordinates `n x 2` of latent vectors `n x d`."""
        places: Array = (np.asarray(z, dtype=np.float64) - self._fitted.mean_) @ self.axes
        return places

    def moved(self, z: NDArray[np.floating], to: tuple[float, float]) -> NDArray[np.float32]:
        """Vectors `n x d` moved to a point on the map; components orthogonal to it are unchanged."""
        step = np.asarray(to, dtype=np.float64) - self.place(z)
        moved: NDArray[np.float32] = (np.asarray(z) + step @ self.axes.T).astype(np.float32)
        return moved
