"""Checks of the applicability domain."""

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

    Vectors = NDArray[np.float32]


class Domain(Protocol):
    """A check whether molecules are in a model's domain; a pure function of each molecule."""

    meaning: str
    """One sentence: which molecules are outside, and what that means for their predictions."""

    def outside(self, molecules: Sequence[Molecule], mu: Vectors, sigma: Vectors) -> list[str]:
        """For each of `n` molecules why it is outside; empty if it is inside.

        `mu` and `sigma` are the means and standard deviations of their posteriors, `n x d`.
        """


DOMAINS: Registry[Callable[[MolVAE], Domain]] = Registry("domain check", "molvae.domains")
"""Makes a check for a model; third parties add theirs under the entry-point group `molvae.domains`."""


@DOMAINS.register("unknown-tokens")
class KnownTokens:
    """Outside: tokens that are not in the training set."""

    meaning = (
        "outside: a molecule with a token (element, charge, ring) that is not in the training set; the model "
        "reads it as unknown, so vector and predictions are those of another molecule"
    )

    def __init__(self, model: MolVAE) -> None:
        self._tokenizer = model.tokenizer

    def outside(self, molecules: Sequence[Molecule], mu: Vectors, sigma: Vectors) -> list[str]:
        """The unknown tokens, if any."""
        del mu, sigma
        found = [self._tokenizer.unknown(molecule.smiles) for molecule in molecules]
        return [f"unknown to the model: {' '.join(tokens)}" if tokens else "" for tokens in found]


@DOMAINS.register("reconstruction")
class Reconstructed:
    """Outside: not reconstructed by the model."""

    meaning = (
        "outside: a molecule that the model does not reconstruct; strict, as it does not reconstruct all "
        "molecules like its training set either, and slow, as each molecule is decoded"
    )

    def __init__(self, model: MolVAE) -> None:
        self._model = model

    def outside(self, molecules: Sequence[Molecule], mu: Vectors, sigma: Vectors) -> list[str]:
        """The reconstruction, if it differs."""
        del sigma
        back = self._model.decode(mu)
        return [
            "" if read == given else f"reads back as {getattr(read, 'smiles', 'no molecule')}"
            for given, read in zip(molecules, back, strict=True)
        ]


@DOMAINS.register("calibrated")
class Calibrated:
    """Outside: more unusual to the model than nearly all held-out molecules."""

    meaning = (
        "outside: a molecule more unusual to the model than 95 of 100 held-out molecules, by reconstruction "
        "and by the location of its vector; drops one in twenty training-like molecules"
    )

    def __init__(self, model: MolVAE) -> None:
        self._model, self._domain = model, require_domain(model.domain)

    def scores(self, molecules: Sequence[Molecule], mu: Vectors, sigma: Vectors) -> DomainScores:
        """How unusual each molecule is to the model."""
        return self._domain.score(likelihood(self._model, molecules, encoded=(mu, sigma)))

    def outside(self, molecules: Sequence[Molecule], mu: Vectors, sigma: Vectors) -> list[str]:
        """The p-value, if it is too low."""
        scores = self.scores(molecules, mu, sigma)
        return [
            "" if inside else f"unusual to the model: p {p_value:.2g}"
            for inside, p_value in zip(scores.inside(), scores.p_value, strict=True)
        ]


@DOMAINS.register("precedent")
class Precedented:
    """Outside: a bond or a ring system that no training molecule has."""

    meaning = (
        "outside: a molecule with a ring system, or a bond in its surroundings, that no training molecule "
        "has; searches propose none of these"
    )

    def __init__(self, model: MolVAE) -> None:
        if model.precedent is None:
            raise UsageError(
                "this model has no counts of the bonds and ring systems of its training molecules",
                hint="Run 'molvae calibrate CHECKPOINT --corpus CORPUS' once.",
            )
        self._known = model.precedent

    def outside(self, molecules: Sequence[Molecule], mu: Vectors, sigma: Vectors) -> list[str]:
        """The rarest bond or ring system, if no training molecule has it."""
        del mu, sigma
        weakest = [self._known.weakest(molecule) for molecule in molecules]
        return ["" if w is None or w.count else f"{w.name}: in no training molecule" for w in weakest]
