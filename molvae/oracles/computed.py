"""Oracles computed from the molecule: descriptors, similarity, isomers, substructures, penalized logP."""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING, ClassVar

from molvae.chemistry.descriptors import DESCRIPTORS, span
from molvae.chemistry.facts import AnyFingerprint, Facts, facts_of, formula_text, parse_formula
from molvae.chemistry.molecule import Invalid
from molvae.chemistry.standardize import standardize
from molvae.chemistry.substructure import pattern
from molvae.errors import InputError, UsageError, suggest
from molvae.oracles.base import OracleText, Score
from molvae.oracles.config import MEANS, Mean
from molvae.oracles.desirability import gaussian

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from molvae.chemistry.molecule import Molecule

FINGERPRINTS: dict[str, tuple[AnyFingerprint, int | None]] = {
    "ecfp4": ("morgan", 2),
    "ecfp6": ("morgan", 3),
    "ecfp4_bits": ("morgan_bits", 2),
    "fcfp4": ("feature_morgan", 2),
    "fcfp6": ("feature_morgan", 3),
    "atom_pair": ("atom_pair", None),
    "phco": ("pharmacophore", None),
}
"""`(kind, radius)` of a fingerprint by its common name."""

_SIGMA_ELEMENT, _SIGMA_TOTAL = 1.0, 2.0  # atoms
_SMALL_RING = 6


class _Computed:
    """Base of the oracles here: a function of one molecule, between 0 and 1 unless `span` says otherwise."""

    computed: ClassVar[bool] = True
    span: tuple[float, float] = (0.0, 1.0)

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, molecules: Sequence[Molecule]) -> list[Score]:
        """The score of each molecule."""
        return [self.score(molecule) for molecule in molecules]

    def score(self, molecule: Molecule) -> Score:
        """The score of one molecule."""
        raise NotImplementedError


class DescriptorOracle(_Computed):
    """A descriptor as a score; `failed` where it has no value.

    Args:
        name: A name of `molvae.chemistry.descriptors.DESCRIPTORS`.

    Raises:
        UnknownNameError: There is no such descriptor.

    >>> from molvae.chemistry.molecule import parse
    >>> DescriptorOracle("heavy_atoms")([parse("CCO")])
    [Score(value=3.0, status='ok', detail='')]
    """

    def __init__(self, name: str) -> None:
        DESCRIPTORS.get(name)
        super().__init__(name)
        self.span = span(name)

    def score(self, molecule: Molecule) -> Score:
        """The descriptor of a molecule."""
        value = facts_of(molecule).descriptor(self.name)
        if math.isnan(value):
            return Score.failed(f"the descriptor {self.name} has no value for this molecule")
        return Score.ok(value)


class SimilarityOracle(_Computed):
    """Tanimoto similarity to a target, as in GuacaMol and PMO.

    On unfolded counts, or on bits for the pharmacophore fingerprint and `morgan_bits`. Both molecules are
    compared in their standard form, so that every drawing and salt of the target has similarity 1.

    Args:
        target: SMILES of the target.
        kind: Fingerprint kind.
        radius: Of Morgan environments, in bonds.
        name: Of the oracle; by default its text.

    Raises:
        UsageError: The target is not a molecule.

    >>> from molvae.chemistry.molecule import parse
    >>> oracle = SimilarityOracle("CCO")
    >>> oracle.name, oracle([parse("OCC")])[0].value
    ('similarity:CCO', 1.0)
    """

    def __init__(
        self, target: str, kind: AnyFingerprint = "morgan", radius: int | None = 2, *, name: str | None = None
    ) -> None:
        super().__init__(name or f"similarity:{target}")
        molecule = standardize(target)
        if isinstance(molecule, Invalid):
            raise UsageError(f"the target of a similarity is not a molecule: {molecule}")
        self.target, self.kind = molecule, kind
        self.radius = None if kind in {"atom_pair", "pharmacophore"} else radius
        self._facts = Facts(molecule)
        try:
            self._facts.fingerprint(kind, self.radius)  # a wrong kind or radius is an error now
        except InputError as error:
            raise UsageError(f"the target of '{self.name}': {error.message}") from None

    def score(self, molecule: Molecule) -> Score:
        """Similarity of a molecule to the target."""
        try:
            return Score.ok(facts_of(molecule).standard.similarity(self._facts, self.kind, self.radius))
        except InputError as error:
            return Score.failed(error.message)


class IsomerOracle(_Computed):
    """Closeness to a molecular formula, as in GuacaMol and PMO.

    The mean of one Gaussian per element of the formula (sigma 1 atom) and one of the number of all atoms
    (sigma 2). Elements that are not in the formula count in the total only.

    Args:
        formula: Like C7H8N2O2.
        mean: Geometric (GuacaMol v2, PMO) or arithmetic (GuacaMol v1).
        name: Of the oracle; by default its text.

    Raises:
        UsageError: Not a formula.

    >>> from molvae.chemistry.molecule import parse
    >>> [round(score.value, 3) for score in IsomerOracle("C2H6O")([parse("CCO"), parse("CO")])]
    [1.0, 0.404]
    """

    def __init__(self, formula: str, mean: Mean = "geometric", *, name: str | None = None) -> None:
        self.counts = parse_formula(formula)
        self.mean = mean
        super().__init__(name or f"isomers:{formula_text(self.counts)}")
        self._shapes = {symbol: gaussian(n, _SIGMA_ELEMENT) for symbol, n in self.counts.items()}
        self._total = gaussian(sum(self.counts.values()), _SIGMA_TOTAL)

    def score(self, molecule: Molecule) -> Score:
        """Closeness of a molecule."""
        counts: Mapping[str, int] = facts_of(molecule).elements()
        terms = [shape(counts.get(symbol, 0)) for symbol, shape in self._shapes.items()]
        terms.append(self._total(sum(counts.values())))
        return Score.ok(fmean(terms) if self.mean == "arithmetic" else math.prod(terms) ** (1 / len(terms)))


class SubstructureOracle(_Computed):
    """1 if a SMARTS pattern occurs in the standard form of a molecule, else 0.

    Args:
        smarts: The pattern.
        absent: 1 if it does not occur.
        name: Of the oracle; by default its text.

    Raises:
        UsageError: Not a SMARTS pattern.

    >>> from molvae.chemistry.molecule import parse
    >>> [score.value for score in SubstructureOracle("[OH]")([parse("CCO"), parse("COC")])]
    [1.0, 0.0]
    """

    def __init__(self, smarts: str, *, absent: bool = False, name: str | None = None) -> None:
        pattern(smarts)
        self.smarts, self.absent = smarts, absent
        super().__init__(name or f"substructure{'[absent]' if absent else ''}:{smarts}")

    def score(self, molecule: Molecule) -> Score:
        """1 or 0."""
        present = facts_of(molecule).standard.contains(self.smarts)
        return Score.ok(float(present is not self.absent))


VARIANTS: dict[str, tuple[tuple[float, float], ...]] = {
    # weighted retraining (Tripp 2020), LOL-BO, CoBO, InvBO: ZINC250k
    "zinc": ((2.45777691, 1.43341767), (3.05352042, 0.83460587), (0.04861121, 0.28746695)),
    # the `logp` oracle of TDC; MolDQN, GCPN
    "tdc": (
        (2.4570953396190123, 1.434324401111988),
        (3.0525811293166134, 0.8335207024513095),
        (0.0485696876403053, 0.2860212110245455),
    ),
    # not standardized: logP - SA - cycle
    "raw": ((0.0, 1.0), (0.0, 1.0), (0.0, 1.0)),
}
"""Published variants of penalized logP: mean and standard deviation, over a training set, of logP, of
synthetic accessibility, and of the atoms by which the largest cycle exceeds six."""


class PenalizedLogP(_Computed):
    """logP - synthetic accessibility - excess of the largest cycle over six, each standardized.

    The score grows without bound with the length of a carbon chain: read it beside QED, SA and the number of
    atoms.

    Args:
        variant: A name of `VARIANTS`; their scores differ in the third digit, those of `raw` in the first.
        name: Of the oracle; by default its text.

    >>> from molvae.chemistry.molecule import parse
    >>> [round(PenalizedLogP(name)([parse("C1CCCCCCC1")])[0].value, 3) for name in VARIANTS]
    [-3.865, -3.897, 0.121]
    """

    span = (-math.inf, math.inf)

    def __init__(self, variant: str = "zinc", *, name: str | None = None) -> None:
        if variant not in VARIANTS:
            raise UsageError(
                f"unknown variant '{variant}' of penalized logP{suggest(variant, VARIANTS)}",
                hint=f"Known: {', '.join(VARIANTS)}.",
            )
        self.variant = variant
        super().__init__(name or f"penalized_logp[{variant}]")

    def score(self, molecule: Molecule) -> Score:
        """Penalized logP of a molecule."""
        facts = facts_of(molecule)
        logp, sa, cycle = (facts.descriptor(name) for name in ("logp", "sa", "largest_cycle"))
        terms = (logp, sa, max(0.0, cycle - _SMALL_RING))
        first, *rest = ((x - mean) / sd for x, (mean, sd) in zip(terms, VARIANTS[self.variant], strict=True))
        value = first - sum(rest)
        if math.isnan(value):
            return Score.failed("logP or SA has no value for this molecule")
        return Score.ok(value)


def similarity_oracle(text: OracleText) -> SimilarityOracle:
    """`similarity[ecfp4]:SMILES`: likeness to a molecule, 0 to 1; or ecfp6, fcfp4, fcfp6, atom_pair, phco.

    These are counts, as in GuacaMol; `ecfp4_bits` are 2,048 bits, as in most lead optimization. `rediscovery`
    is another name for it.

    Raises:
        UsageError: Not a molecule, or an unknown fingerprint.
    """
    example = f"{text.name}:CC(=O)Nc1ccccc1"
    text.require_argument(f"a {text.name} needs a molecule to resemble", example=example)
    fingerprint = (text.option(f"a {text.name} has one fingerprint") or "ecfp4").lower()
    if fingerprint not in FINGERPRINTS:
        raise UsageError(
            f"unknown fingerprint '{fingerprint}' in '{text}'{suggest(fingerprint, FINGERPRINTS)}",
            hint=f"Known: {', '.join(FINGERPRINTS)}.",
        )
    return SimilarityOracle(text.argument, *FINGERPRINTS[fingerprint], name=str(text))


def isomer_oracle(text: OracleText) -> IsomerOracle:
    """`isomers:FORMULA`: closeness to a molecular formula, 0 to 1; `isomers[arithmetic]:FORMULA` as in v1.

    Raises:
        UsageError: Not a formula, or an unknown mean.
    """
    text.require_argument("isomers needs a formula", example="isomers:C7H8N2O2")
    complaint = f"isomers has one mean, {' or '.join(MEANS)}"
    option = (text.option(complaint) or "geometric").lower()
    mean = next((mean for mean in MEANS if mean == option), None)
    if mean is None:
        raise UsageError(f"{complaint}, got {option}{suggest(option, MEANS)}")
    return IsomerOracle(text.argument, mean, name=str(text))


def substructure_oracle(text: OracleText) -> SubstructureOracle:
    """`substructure:SMARTS`: 1 where the pattern occurs, else 0; `substructure[absent]:SMARTS` the reverse.

    Raises:
        UsageError: Not a SMARTS pattern, or an option other than `absent`.
    """
    text.require_argument("a substructure needs a SMARTS pattern", example="substructure:[CX4][OH]")
    if text.options not in {(), ("absent",), ("present",)}:
        raise UsageError(f"a substructure is [present] or [absent], got [{','.join(text.options)}]")
    return SubstructureOracle(text.argument, absent=text.options == ("absent",), name=str(text))


def penalized_logp_oracle(text: OracleText) -> PenalizedLogP:
    """`penalized_logp[zinc]`: logP - SA - large cycles, standardized over ZINC250k; or tdc, or raw.

    Raises:
        UsageError: An unknown variant, or an argument.
    """
    if text.argument:
        raise UsageError(f"penalized_logp takes one variant and no argument, got '{text}'")
    variant = text.option("penalized_logp takes one variant and no argument")
    return PenalizedLogP(variant or "zinc", name=str(text))
