"""Oracles computed from the molecule: descriptors, similarity, isomers, substructures, penalized logP."""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING, ClassVar

from molvae.chemistry.descriptors import DESCRIPTORS, span
from molvae.chemistry.facts import AnyFingerprint, Facts, facts_of, parse_formula
from molvae.chemistry.molecule import Invalid
from molvae.chemistry.standardize import standardize
from molvae.chemistry.substructure import pattern
from molvae.errors import InputError, UsageError, suggest
from molvae.oracles.base import OracleText, Score
from molvae.oracles.config import MEANS
from molvae.oracles.desirability import gaussian

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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


class ComputedOracle:
    """A function of a molecule that molvae computes; `span` is the lowest and the highest score."""

    computed: ClassVar[bool] = True

    def __init__(
        self, name: str, score: Callable[[Molecule], Score], span: tuple[float, float] = (0.0, 1.0)
    ) -> None:
        self.name, self.score, self.span = name, score, span

    def __call__(self, molecules: Sequence[Molecule]) -> list[Score]:
        """The score of each molecule."""
        return [self.score(molecule) for molecule in molecules]


def descriptor_oracle(name: str) -> ComputedOracle:
    """A descriptor as a score; `failed` if it has no value.

    Raises:
        UnknownNameError: There is no such descriptor.

    >>> from molvae.chemistry.molecule import parse
    >>> descriptor_oracle("heavy_atoms")([parse("CCO")])
    [Score(value=3.0, status='ok', detail='')]
    """
    DESCRIPTORS.get(name)

    def score(molecule: Molecule) -> Score:
        value = facts_of(molecule).descriptor(name)
        if math.isnan(value):
            return Score.failed(f"the descriptor {name} has no value for this molecule")
        return Score.ok(value)

    return ComputedOracle(name, score, span(name))


def similarity_oracle(text: OracleText) -> ComputedOracle:
    """`similarity[ecfp4]:SMILES`: similarity to a molecule, 0 to 1; or ecfp6, fcfp4, fcfp6, atom_pair, phco.

    Tanimoto similarity on unfolded counts, as in GuacaMol and PMO; `phco` and `ecfp4_bits` (2,048 bits, as in
    most lead optimization) are bits. Both molecules are standardized first, so that every form and salt of
    the target has similarity 1. `rediscovery` is another name for it.

    Raises:
        UsageError: Invalid molecule, or unknown fingerprint.

    >>> from molvae.chemistry.molecule import parse
    >>> similarity_oracle(OracleText.read("similarity:CCO"))([parse("OCC")])[0].value
    1.0
    """
    example = f"{text.name}:CC(=O)Nc1ccccc1"
    text.require_argument(f"a {text.name} needs a target molecule", example=example)
    fingerprint = (text.option(f"a {text.name} has one fingerprint") or "ecfp4").lower()
    if fingerprint not in FINGERPRINTS:
        raise UsageError(
            f"unknown fingerprint '{fingerprint}' in '{text}'{suggest(fingerprint, FINGERPRINTS)}",
            hint=f"Known: {', '.join(FINGERPRINTS)}.",
        )
    kind, radius = FINGERPRINTS[fingerprint]
    molecule = standardize(text.argument)
    if isinstance(molecule, Invalid):
        raise UsageError(f"the target of a similarity is not a molecule: {molecule}")
    target = Facts(molecule)
    try:
        target.fingerprint(kind, radius)  # raises early if the target is too large
    except InputError as error:
        raise UsageError(f"the target of '{text}': {error.message}") from None

    def score(molecule: Molecule) -> Score:
        try:
            return Score.ok(facts_of(molecule).standard.similarity(target, kind, radius))
        except InputError as error:
            return Score.failed(error.message)

    return ComputedOracle(str(text), score)


def isomer_oracle(text: OracleText) -> ComputedOracle:
    """`isomers:FORMULA`: closeness to a molecular formula, 0 to 1; `isomers[arithmetic]:FORMULA` as in v1.

    The mean of one Gaussian per element of the formula (sigma 1 atom) and one of the number of all atoms
    (sigma 2): geometric in GuacaMol v2 and PMO, arithmetic in GuacaMol v1. Elements that are not in the
    formula count in the total only.

    Raises:
        UsageError: Invalid formula, or unknown mean.

    >>> from molvae.chemistry.molecule import parse
    >>> ethanol = isomer_oracle(OracleText.read("isomers:C2H6O"))
    >>> [round(score.value, 3) for score in ethanol([parse("CCO"), parse("CO")])]
    [1.0, 0.404]
    """
    text.require_argument("isomers needs a formula", example="isomers:C7H8N2O2")
    complaint = f"isomers has one mean, {' or '.join(MEANS)}"
    option = (text.option(complaint) or "geometric").lower()
    if option not in MEANS:
        raise UsageError(f"{complaint}, got {option}{suggest(option, MEANS)}")
    formula = parse_formula(text.argument)
    shapes = {symbol: gaussian(n, _SIGMA_ELEMENT) for symbol, n in formula.items()}
    total = gaussian(sum(formula.values()), _SIGMA_TOTAL)

    def score(molecule: Molecule) -> Score:
        counts = facts_of(molecule).elements()
        terms = [shape(counts.get(symbol, 0)) for symbol, shape in shapes.items()]
        terms.append(total(sum(counts.values())))
        return Score.ok(fmean(terms) if option == "arithmetic" else math.prod(terms) ** (1 / len(terms)))

    return ComputedOracle(str(text), score)


def substructure_oracle(text: OracleText) -> ComputedOracle:
    """`substructure:SMARTS`: 1 where the pattern occurs, else 0; `substructure[absent]:SMARTS` the reverse.

    Molecules are standardized first.

    Raises:
        UsageError: Not a SMARTS pattern, or an option other than `absent`.

    >>> from molvae.chemistry.molecule import parse
    >>> alcohol = substructure_oracle(OracleText.read("substructure:[OH]"))
    >>> [score.value for score in alcohol([parse("CCO"), parse("COC")])]
    [1.0, 0.0]
    """
    text.require_argument("a substructure needs a SMARTS pattern", example="substructure:[CX4][OH]")
    if text.options not in {(), ("absent",), ("present",)}:
        raise UsageError(f"a substructure is [present] or [absent], got [{','.join(text.options)}]")
    smarts, wanted = text.argument, text.options != ("absent",)
    pattern(smarts)  # raises early if it is not a SMARTS pattern
    return ComputedOracle(
        str(text), lambda m: Score.ok(float(facts_of(m).standard.contains(smarts) is wanted))
    )


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


def penalized_logp_oracle(text: OracleText) -> ComputedOracle:
    """`penalized_logp[zinc]`: logP - SA - large cycles, standardized over ZINC250k; or tdc, or raw.

    logP - synthetic accessibility - excess of the largest cycle over six, each standardized. The score grows
    without bound with the length of a carbon chain: compare it with QED, SA and the number of atoms. The
    variants differ in the third digit, `raw` in the first.

    Raises:
        UsageError: An unknown variant, or an argument.

    >>> from molvae.chemistry.molecule import parse
    >>> oracles = [penalized_logp_oracle(OracleText("penalized_logp", (name,))) for name in VARIANTS]
    >>> [round(oracle([parse("C1CCCCCCC1")])[0].value, 3) for oracle in oracles]
    [-3.865, -3.897, 0.121]
    """
    if text.argument:
        raise UsageError(f"penalized_logp takes one variant and no argument, got '{text}'")
    variant = text.option("penalized_logp takes one variant and no argument") or "zinc"
    if variant not in VARIANTS:
        raise UsageError(
            f"unknown variant '{variant}' of penalized logP{suggest(variant, VARIANTS)}",
            hint=f"Known: {', '.join(VARIANTS)}.",
        )

    def score(molecule: Molecule) -> Score:
        facts = facts_of(molecule)
        logp, sa, cycle = (facts.descriptor(name) for name in ("logp", "sa", "largest_cycle"))
        terms = (logp, sa, max(0.0, cycle - _SMALL_RING))
        first, *rest = ((x - mean) / sd for x, (mean, sd) in zip(terms, VARIANTS[variant], strict=True))
        value = first - sum(rest)
        if math.isnan(value):
            return Score.failed("logP or SA has no value for this molecule")
        return Score.ok(value)

    return ComputedOracle(str(text), score, (-math.inf, math.inf))
