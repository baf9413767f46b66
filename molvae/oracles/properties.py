"""Every descriptor as an oracle: `qed`, `logp`, `sa`, ..."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from molvae.chemistry.descriptors import DESCRIPTORS, span
from molvae.chemistry.facts import facts_of
from molvae.oracles.base import Score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.chemistry.molecule import Molecule


class DescriptorOracle:
    """Scores a molecule by one descriptor.

    Args:
        name: A name of `molvae.chemistry.descriptors.DESCRIPTORS`.

    Raises:
        UnknownNameError: No descriptor has this name.

    >>> from molvae.chemistry.molecule import parse
    >>> DescriptorOracle("heavy_atoms")([parse("CCO")])
    [Score(value=3.0, status='ok', detail='')]
    """

    computed: ClassVar[bool] = True

    def __init__(self, name: str) -> None:
        DESCRIPTORS.get(name)
        self._name = name

    @property
    def name(self) -> str:
        """The descriptor's name."""
        return self._name

    @property
    def span(self) -> tuple[float, float]:
        """The least and the greatest value the descriptor can have."""
        return span(self._name)

    def __call__(self, molecules: Sequence[Molecule]) -> list[Score]:
        """The descriptor of each molecule; `failed` where it has none."""
        values = [facts_of(molecule).descriptor(self._name) for molecule in molecules]
        no_value = Score.failed(f"the descriptor {self._name} has no value for this molecule")
        return [no_value if math.isnan(value) else Score.ok(value) for value in values]
