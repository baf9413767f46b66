"""What travels through a screen: a row on its way, and what became of the rows of one part."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from molvae.chemistry.molecule import Molecule
    from molvae.data.records import BadRow, Row
    from molvae.screening.funnel import Funnel
    from molvae.screening.ranking import Range


@dataclass(slots=True, eq=False)
class Entry:
    """A row on its way.

    Attributes:
        row: As it was read.
        molecule: Standardized; None only if it was dropped for having none.
        values: Numbers by column name.
        leads: Whether it can be among the best.
        z: Latent vector, `d`, where vectors are kept.
        reason: Why it was dropped, or "".
    """

    row: Row | BadRow
    molecule: Molecule | None
    values: dict[str, float] = field(default_factory=dict)
    leads: bool = False
    z: NDArray[np.float32] | None = None
    reason: str = ""

    @property
    def valid(self) -> Molecule:
        """The molecule of an entry that has not been dropped."""
        assert self.molecule is not None  # noqa: S101 - what has none goes no further
        return self.molecule


@dataclass(frozen=True)
class Screened:
    """What became of the rows of one part.

    Attributes:
        funnel: Their account.
        entries: What is kept, in order: all rows, all hits, or those that can be among the best.
        over: Range of each goal over all hits.
        rejected: (line, identifier, text, stage, reason) of the rows to be reported.
        seconds: Processor time spent, by stage.
    """

    funnel: Funnel
    entries: list[Entry]
    over: Range
    rejected: list[tuple[int, str, str, str, str]]
    seconds: dict[str, float]
