"""Likeness to a given molecule as an oracle: `similarity:SMILES`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from molvae.chemistry.facts import AnyFingerprint, Facts, facts_of
from molvae.chemistry.molecule import Invalid
from molvae.chemistry.standardize import standardize
from molvae.errors import InputError, UsageError, suggest
from molvae.oracles.base import OracleText, Score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.chemistry.molecule import Molecule

FINGERPRINTS: dict[str, tuple[AnyFingerprint, int | None]] = {
    "ecfp4": ("morgan", 2),
    "ecfp6": ("morgan", 3),
    "fcfp4": ("feature_morgan", 2),
    "fcfp6": ("feature_morgan", 3),
    "atom_pair": ("atom_pair", None),
    "phco": ("pharmacophore", None),
}
"""Fingerprint by the name chemists know it by: `(kind, radius)`."""


class SimilarityOracle:
    """Scores a molecule by its Tanimoto similarity to a target, as GuacaMol and PMO do.

    On unfolded counts; on bits where the fingerprint is the pharmacophore. Both molecules are compared in
    their standard form, so that every drawing and salt of the target has similarity 1.

    Args:
        target: SMILES of the molecule to resemble.
        kind: Fingerprint kind.
        radius: Of the environments, in bonds; `None` is the kind's own default.
        name: What the oracle is called; by default the text that makes it.

    Raises:
        UsageError: The target is no molecule.

    >>> from molvae.chemistry.molecule import parse
    >>> oracle = SimilarityOracle("CCO")
    >>> oracle.name, oracle([parse("OCC")])[0].value
    ('similarity:CCO', 1.0)
    """

    computed: ClassVar[bool] = True
    span: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __init__(
        self,
        target: str,
        kind: AnyFingerprint = "morgan",
        radius: int | None = 2,
        *,
        name: str | None = None,
    ) -> None:
        molecule = standardize(target)
        if isinstance(molecule, Invalid):
            raise UsageError(f"the target of a similarity is no molecule: {molecule}")
        self.target = molecule
        self.kind = kind
        self.radius = None if kind in {"atom_pair", "pharmacophore"} else radius
        self._name = name or f"similarity:{target}"
        self._facts = Facts(molecule)
        try:
            self._facts.fingerprint(kind, self.radius)  # a wrong kind or radius is told now, not later
        except InputError as error:
            raise UsageError(f"the target of '{self._name}': {error.message}") from None

    @property
    def name(self) -> str:
        """The text that makes this oracle."""
        return self._name

    def __call__(self, molecules: Sequence[Molecule]) -> list[Score]:
        """Similarity of each molecule to the target, 0 to 1."""
        return [self._one(molecule) for molecule in molecules]

    def _one(self, molecule: Molecule) -> Score:
        try:
            return Score.ok(facts_of(molecule).standard.similarity(self._facts, self.kind, self.radius))
        except InputError as error:
            return Score.failed(error.message)


def similarity_oracle(text: OracleText) -> SimilarityOracle:
    """`similarity[ecfp4]:SMILES`: likeness to a molecule, 0 to 1; or ecfp6, fcfp4, fcfp6, atom_pair, phco.

    The fingerprint is one of `FINGERPRINTS`, ecfp4 where none is named. `rediscovery` is another name for it.

    Raises:
        UsageError: No molecule, or an unknown fingerprint.
    """
    text.require_argument(
        f"a {text.name} needs a molecule to resemble", example=f"{text.name}:CC(=O)Nc1ccccc1"
    )
    if len(text.options) > 1:
        raise UsageError(f"a {text.name} has one fingerprint, got {', '.join(text.options)}")
    fingerprint = text.options[0].lower() if text.options else "ecfp4"
    if fingerprint not in FINGERPRINTS:
        raise UsageError(
            f"unknown fingerprint '{fingerprint}' in '{text}'{suggest(fingerprint, FINGERPRINTS)}",
            hint=f"Known: {', '.join(FINGERPRINTS)}.",
        )
    return SimilarityOracle(text.argument, *FINGERPRINTS[fingerprint], name=str(text))
