"""Predicted properties as the landing hands them out: arrays in the properties' own units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PropertyPrediction:
    """Gaussian predictions of properties, in their own units.

    Attributes:
        names: The `p` properties.
        mean: `n x p`, NaN rows for invalid molecules.
        variance: `n x p`, in squared units, NaN rows for invalid molecules.
    """

    names: tuple[str, ...]
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
