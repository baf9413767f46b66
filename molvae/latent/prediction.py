"""Predicted properties, in their own units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from molvae.chemistry.depiction import table_html
from molvae.data.columnar import arrow_stream

if TYPE_CHECKING:
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

    def columns(self) -> dict[str, list[float | None]]:
        """Mean and standard deviation of each property, `n` each; `None` for invalid molecules."""
        deviation = np.sqrt(self.variance)
        found: dict[str, list[float | None]] = {}
        for index, name in enumerate(self.names):
            for key, values in ((name, self.mean), (f"{name}_sd", deviation)):
                found[key] = [float(v) if np.isfinite(v) else None for v in values[:, index]]
        return found

    def _repr_html_(self) -> str:
        columns = self.columns()
        return table_html(
            list(columns), list(zip(*columns.values(), strict=True)), f"{len(self.mean):,} molecules"
        )

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Mean and standard deviation as a table, a row per molecule."""
        return arrow_stream(self.columns(), requested_schema)
