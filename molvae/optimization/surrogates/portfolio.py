"""A portfolio of surrogates that look at the same observations, each in its own way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molvae.optimization.surrogates.base import make_surrogate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from molvae.optimization.config import MemberSettings
    from molvae.optimization.similarities import Comparison, Gallery
    from molvae.optimization.surrogates.base import Belief, Evidence


class Portfolio:
    """Several surrogates over one gallery: similarities are computed once for all of them.

    No single kernel wins on every score: similarities to a molecule want an unfitted fingerprint kernel that
    stays curious, scores made of formulas and properties want a fit that finds the numbers that matter.

    Args:
        members: Settings of each.
        gallery: Observations, then pending candidates.
        y: Scores of the observations, `n x m`; NaN where missing.
        n_pending: How many rows of the gallery await their scores.
        remembered: What an earlier portfolio of the same campaign has left.
        evidence: Bounds and replicates, if there are any.
    """

    def __init__(
        self,
        members: Sequence[MemberSettings],
        gallery: Gallery,
        y: Tensor,
        *,
        n_pending: int = 0,
        remembered: Mapping[str, Any] | None = None,
        evidence: Evidence | None = None,
    ) -> None:
        self.gallery = gallery
        self.names = tuple(member.name for member in members)
        self.surrogates = [make_surrogate(member) for member in members]
        more: dict[str, Any] = {} if evidence is None else {"evidence": evidence}
        for name, surrogate in zip(self.names, self.surrogates):
            surrogate.fit(
                gallery, y, n_pending=n_pending, remembered=(remembered or {}).get(name, ()), **more
            )

    def beliefs(self, comparison: Comparison, *, joint: bool = False) -> tuple[Belief, ...]:
        """What each surrogate believes of candidates compared with the gallery."""
        return tuple(surrogate.posterior(comparison, joint=joint) for surrogate in self.surrogates)

    def remembered(self) -> dict[str, Any]:
        """What the next portfolio may start from, as JSON values."""
        return {name: surrogate.remembered() for name, surrogate in zip(self.names, self.surrogates)}
