"""Scale properties to zero mean and unit spread, and back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from molvae.errors import InputError
from molvae.persistence.files import DAMAGED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class PropertyScaler:
    """Mean and standard deviation of each property over the training molecules.

    Attributes:
        names: ``p`` properties.
        mean: Of each, original units.
        scale: Standard deviation of each, original units; 1 for a property that never varies.

    >>> scaler = PropertyScaler.fit(np.array([[1.0], [3.0], [np.nan]]), ["logp"])
    >>> scaler.mean, scaler.scale
    ((2.0,), (1.0,))
    >>> scaler.from_unit(scaler.to_unit(np.array([[5.0]]))).tolist()
    [[5.0]]
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]

    def __post_init__(self) -> None:
        numbers = np.array([*self.mean, *self.scale])
        if not len(self.names) == len(self.mean) == len(self.scale):
            raise InputError("a property scaler needs one mean and one scale for each name")
        if not np.isfinite(numbers).all() or min(self.scale, default=1.0) <= 0:
            raise InputError("a property scaler needs finite means and positive scales")

    @classmethod
    def fit(cls, labels: NDArray[np.floating], names: Sequence[str]) -> PropertyScaler:
        """Take mean and standard deviation of the labels of training molecules, ``n x p``, NaN if missing."""
        values = np.asarray(labels, dtype=np.float64)
        observed = np.isfinite(values)
        count = np.maximum(observed.sum(axis=0), 1)
        mean = np.where(observed, values, 0.0).sum(axis=0) / count
        spread = np.sqrt(np.where(observed, (values - mean) ** 2, 0.0).sum(axis=0) / count)
        tiny = spread <= 1e-12 * np.maximum(np.abs(mean), 1.0)  # rounding of a constant
        return cls(tuple(names), tuple(mean.tolist()), tuple(np.where(tiny, 1.0, spread).tolist()))

    def to_unit(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """Scale original units to zero mean and unit spread; ``... x p``, NaN stays NaN."""
        return ((np.asarray(values, dtype=np.float64) - self.mean) / self.scale).astype(np.float32)

    def from_unit(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return to original units; ``... x p``."""
        return np.asarray(values, dtype=np.float64) * self.scale + self.mean

    def variance_from_unit(self, variance: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return variances to original units squared; ``... x p``."""
        return np.asarray(variance, dtype=np.float64) * np.square(self.scale)

    def to_json(self) -> str:
        """Write the scaler as JSON, from which `from_json` restores the exact numbers."""
        return json.dumps({"names": self.names, "mean": self.mean, "scale": self.scale}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> PropertyScaler:
        """Read what `to_json` wrote.

        Raises:
            InputError: If the text is something else.
        """
        try:
            fields = json.loads(text)
            names = tuple(str(name) for name in fields["names"])
            mean, scale = (tuple(float(number) for number in fields[key]) for key in ("mean", "scale"))
        except DAMAGED as error:
            raise InputError(f"this is not a property scaler: {error}") from error
        return cls(names, mean, scale)
