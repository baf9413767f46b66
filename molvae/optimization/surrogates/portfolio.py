"""A portfolio of surrogates of the same observations."""

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
    """Several surrogates of one gallery, which share its similarities.

    No single kernel is best for every score: for similarities to a molecule it is an unfitted fingerprint
    kernel that keeps exploring, for formulas and properties a fit that finds the relevant numbers.

    Args:
        members: Settings of each.
        gallery: Observations, then pending candidates.
        y: Scores of the observations, `n x m`; NaN where missing.
        n_pending: Number of pending rows of the gallery.
        remembered: What `remembered()` returned for the last batch.
        evidence: Censoring and replicates, if any.
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
        """Posterior of each surrogate for candidates compared with the gallery."""
        return tuple(surrogate.posterior(comparison, joint=joint) for surrogate in self.surrogates)

    def remembered(self) -> dict[str, Any]:
        """State for the next portfolio, as JSON values."""
        return {name: surrogate.remembered() for name, surrogate in zip(self.names, self.surrogates)}
