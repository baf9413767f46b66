"""The applicability domain: whether the model may be asked about this molecule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from molvae.errors import UsageError
from molvae.latent.calibration import likelihood
from molvae.latent.domain import require_domain
from molvae.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from molvae.chemistry.molecule import Molecule
    from molvae.latent.codec import MolVAE
    from molvae.latent.domain import DomainScores


class Domain(Protocol):
    """A check of molecules against what a model knows; a pure function of each molecule."""

    meaning: str
    """One sentence: what a molecule outside is, and what that says about its predictions."""

    def outside(
        self, molecules: Sequence[Molecule], mu: NDArray[np.float32], sigma: NDArray[np.float32]
    ) -> list[str]:
        """For each molecule why it lies outside; an empty text if it lies inside.

        Args:
            molecules: `n` molecules.
            mu: Their posterior means, `n x d`.
            sigma: Their posterior standard deviations, `n x d`.
        """


DOMAINS: Registry[Callable[[MolVAE], Domain]] = Registry("domain check", "molvae.domains")
"""Makes a check for a model; third parties add theirs under the entry-point group `molvae.domains`."""


@DOMAINS.register("unknown-tokens")
class KnownTokens:
    """Outside is what is written with tokens that the training data did not have."""

    meaning = (
        "outside: a molecule with an element, charge or ring the training data did not have; the model reads "
        "it as unknown, so vector and predictions are of some other molecule"
    )

    def __init__(self, model: MolVAE) -> None:
        self._tokenizer = model.tokenizer

    def outside(
        self, molecules: Sequence[Molecule], mu: NDArray[np.float32], sigma: NDArray[np.float32]
    ) -> list[str]:
        """Names the unknown tokens."""
        del mu, sigma
        found = [self._tokenizer.unknown(molecule.smiles) for molecule in molecules]
        return [f"unknown to the model: {' '.join(tokens)}" if tokens else "" for tokens in found]


@DOMAINS.register("reconstruction")
class Reconstructed:
    """Outside is what does not come back when it is encoded and decoded."""

    meaning = (
        "outside: a molecule whose vector decodes to another one; strict, as even of molecules like its "
        "training data a model loses some, and slow: each molecule is written out token by token"
    )

    def __init__(self, model: MolVAE) -> None:
        self._model = model

    def outside(
        self, molecules: Sequence[Molecule], mu: NDArray[np.float32], sigma: NDArray[np.float32]
    ) -> list[str]:
        """Shows what came back instead."""
        del sigma
        back = self._model.decode(mu)
        return [
            "" if read == given else f"reads back as {getattr(read, 'smiles', 'no molecule')}"
            for given, read in zip(molecules, back, strict=True)
        ]


@DOMAINS.register("calibrated")
class Calibrated:
    """Outside is what is stranger to the model than nearly all molecules like its training data."""

    meaning = (
        "outside: a molecule that is stranger to the model than 95 of 100 held-out molecules like its "
        "training data, by how well it is written again and where its vector lies; one in twenty of those is "
        "lost"
    )

    def __init__(self, model: MolVAE) -> None:
        self._model, self._domain = model, require_domain(model.domain)

    def scores(
        self, molecules: Sequence[Molecule], mu: NDArray[np.float32], sigma: NDArray[np.float32]
    ) -> DomainScores:
        """How strange each molecule is to the model."""
        return self._domain.score(likelihood(self._model, molecules, encoded=(mu, sigma)))

    def outside(
        self, molecules: Sequence[Molecule], mu: NDArray[np.float32], sigma: NDArray[np.float32]
    ) -> list[str]:
        """Says how strange."""
        scores = self.scores(molecules, mu, sigma)
        return [
            "" if inside else f"strange to the model: p {p_value:.2g}"
            for inside, p_value in zip(scores.inside(), scores.p_value, strict=True)
        ]


@DOMAINS.register("precedent")
class Precedented:
    """Outside is what has a bond or a ring system that no training molecule has."""

    meaning = (
        "outside: a molecule with a ring system, or a bond in its surroundings, that no training molecule "
        "has; searches propose none of these"
    )

    def __init__(self, model: MolVAE) -> None:
        if model.precedent is None:
            raise UsageError(
                "this model does not know the bonds and ring systems of its training molecules",
                hint="Run 'molvae calibrate CHECKPOINT --corpus CORPUS' once.",
            )
        self._known = model.precedent

    def outside(
        self, molecules: Sequence[Molecule], mu: NDArray[np.float32], sigma: NDArray[np.float32]
    ) -> list[str]:
        """Names the rarest place."""
        del mu, sigma
        weakest = [self._known.weakest(molecule) for molecule in molecules]
        return ["" if w is None or w.count else f"{w.name}: in no training molecule" for w in weakest]
