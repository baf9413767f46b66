"""Does an oracle keep its promises? A few molecules are asked in several ways and the answers compared."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from molvae.chemistry.molecule import Invalid, Molecule, parse
from molvae.oracles.base import Score, ask
from molvae.oracles.external import ExternalOracle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.oracles.base import Oracle

Verdict = Literal["good", "note", "wrong"]
"""`note`: allowed, and worth knowing. `wrong`: scores of a campaign could not be relied on."""

_ORDINARY = (
    "CC(=O)Oc1ccccc1C(=O)O",
    "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
    "CC(C)Cc1ccc(C(C)C(=O)O)cc1",
    "CN1CCCC1c1cccnc1",
    "c1ccc2[nH]ccc2c1",
    "CC(=O)Nc1ccc(O)cc1",
)
_ODD = (
    "C",
    "[Na+].CC(=O)[O-]",
    "C[N+](C)(C)CCO",
    "F/C=C/F",
    "C[Si](C)(C)C",
    "OB(O)c1ccccc1",
    "C" * 60,
    "[CH3]",
)
_NO_MOLECULES = ("C1CC(", "hello", "CCX")
_LONGEST_CHECK = 30.0  # seconds the large batch may take, if the time of one molecule is to be believed
_SAME = 1e-9


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    """What: answers, repeatable, order, repeats, large batch, odd molecules, no molecules, crashes."""
    verdict: Verdict
    """Whether it is as it should be."""
    sentence: str
    """What was found, and what to do about it where something is wrong."""


@dataclass
class Examination:
    """What an oracle did when it was asked."""

    oracle: str
    """Its text."""
    findings: list[Finding] = field(default_factory=list)
    """In the order they were made."""
    first_seconds: float = math.nan
    """Time of the first call, which may include the start of a program."""
    seconds_alone: float = math.nan
    """Time of one molecule asked alone, the median."""
    seconds_in_batch: float = math.nan
    """Time per molecule in the large batch."""
    n_molecules: int = 0
    """Molecules asked in all, repeats counted."""

    @property
    def keeps_protocol(self) -> bool:
        """Whether nothing is wrong."""
        return all(finding.verdict != "wrong" for finding in self.findings)


def examine(oracle: Oracle, *, large: int = 64) -> Examination:
    """Ask an oracle about ordinary, odd, repeated and many molecules, and say what is wrong with the answers.

    Args:
        oracle: Any; one outside this process is also asked about texts that are no molecules.
        large: Molecules of the large batch; fewer where the oracle is slow.

    >>> from molvae.oracles.properties import DescriptorOracle
    >>> examine(DescriptorOracle("logp"), large=8).keeps_protocol
    True
    """
    asked = _Asked(oracle, Examination(oracle.name))
    ordinary = _molecules(_ORDINARY)
    begun = time.perf_counter()
    first = asked.about(ordinary)
    asked.report.first_seconds = time.perf_counter() - begun
    _look_at_answers(asked, first)
    if any(score.is_ok for score in first):
        _look_at_repetition(asked, ordinary, first)
        _look_at_order(asked, ordinary, first)
        _look_at_many(asked, large)
    _look_at_odd(asked, first)
    if isinstance(oracle, ExternalOracle):
        _look_at_no_molecules(asked)
        _look_at_troubles(asked, oracle)
    return asked.report


class _Asked:
    """An oracle with the report that is written about it."""

    def __init__(self, oracle: Oracle, report: Examination) -> None:
        self.oracle = oracle
        self.report = report

    def about(self, molecules: Sequence[Molecule]) -> list[Score]:
        self.report.n_molecules += len(molecules)
        return ask(self.oracle, molecules)

    def found(self, name: str, verdict: Verdict, sentence: str) -> None:
        self.report.findings.append(Finding(name, verdict, sentence))


def _look_at_answers(asked: _Asked, scores: Sequence[Score]) -> None:
    values = [score.value for score in scores if score.is_ok]
    bad = [score for score in scores if not score.is_ok]
    if not values:
        asked.found(
            "answers",
            "wrong",
            f"None of {len(scores)} ordinary molecules has a score: {bad[0].detail}.",
        )
    elif bad:
        asked.found(
            "answers",
            "note",
            f"{len(bad)} of {len(scores)} ordinary molecules have no score; the first says: {bad[0].detail}.",
        )
    elif len(set(values)) == 1:
        asked.found(
            "answers",
            "note",
            f"All {len(values)} ordinary molecules have the same score, {values[0]:g}: broken programs often "
            "answer so, and nothing can be learned from it.",
        )
    else:
        asked.found(
            "answers",
            "good",
            f"All {len(values)} ordinary molecules have a score, from {min(values):g} to {max(values):g}.",
        )


def _look_at_repetition(asked: _Asked, molecules: Sequence[Molecule], first: Sequence[Score]) -> None:
    again = asked.about(molecules)
    different = _first_difference(molecules, first, again)
    asked.found(
        "repeatable",
        "note" if different else "good",
        f"The same molecules asked again score differently: {different}. A campaign keeps the first value; "
        "fix the seed, or score the mean of several runs."
        if different
        else "The same molecules asked again have the same scores.",
    )


def _look_at_order(asked: _Asked, molecules: Sequence[Molecule], first: Sequence[Score]) -> None:
    repeatable = asked.report.findings[-1].verdict == "good"
    turned = asked.about(list(molecules)[::-1])[::-1]
    alone, times = [], []
    for molecule in molecules:
        begun = time.perf_counter()
        alone += asked.about([molecule])
        times.append(time.perf_counter() - begun)
    asked.report.seconds_alone = sorted(times)[len(times) // 2]
    twice = asked.about([molecules[0], molecules[1], molecules[0]])
    if not repeatable:
        return  # differences would say nothing more
    different = _first_difference(molecules, first, turned)
    if different:
        sentence = f"Turned around, molecules score differently: {different}. Answer in the order asked."
    elif different := _first_difference(molecules, first, alone):
        sentence = f"Alone a molecule scores differently than in company: {different}. Score each for itself."
    elif different := _first_difference([molecules[0]] * 2, [first[0]] * 2, [twice[0], twice[2]]):
        sentence = f"A molecule asked twice at once scores differently: {different}. Answer once per place."
    else:
        asked.found("order", "good", "Order, company and repeats make no difference.")
        return
    asked.found("order", "wrong", sentence)


def _look_at_many(asked: _Asked, large: int) -> None:
    n = max(4, min(large, int(_LONGEST_CHECK / max(asked.report.seconds_alone, 1e-9))))
    molecules = _molecules([f"{'C' * (1 + i % 20)}{'OC' * (i // 20)}N" for i in range(n)])
    begun = time.perf_counter()
    scores = asked.about(molecules)
    asked.report.seconds_in_batch = (time.perf_counter() - begun) / n
    bad = [score for score in scores if not score.is_ok]
    together, alone = asked.report.seconds_in_batch, asked.report.seconds_alone
    speed = f"{_seconds(together)} per molecule, {_seconds(alone)} alone"
    if len(bad) > n // 2:
        asked.found(
            "large batch", "wrong", f"{len(bad)} of {n} molecules asked at once failed: {bad[0].detail}."
        )
    elif bad:
        asked.found(
            "large batch",
            "note",
            f"{len(bad)} of {n} molecules asked at once failed: {bad[0].detail}. {speed}.",
        )
    else:
        asked.found("large batch", "good", f"{n} molecules asked at once: {speed}.")


def _look_at_odd(asked: _Asked, first: Sequence[Score]) -> None:
    odd = _molecules(_ODD)
    scores = asked.about(odd)
    bad = [(m.smiles, score) for m, score in zip(odd, scores) if not score.is_ok]
    after = asked.about(_molecules(_ORDINARY))
    if sum(score.is_ok for score in after) < sum(score.is_ok for score in first):
        asked.found(
            "odd molecules",
            "wrong",
            "After odd molecules (salts, ions, one atom) ordinary ones fail too.",
        )
    elif bad:
        text, score = bad[0]
        asked.found(
            "odd molecules",
            "note",
            f"{len(bad)} of {len(odd)} odd molecules (salts, ions, one atom, a long chain) have no score, "
            f"which is recorded as a failure; {text[:20]}: {score.detail}.",
        )
    else:
        asked.found("odd molecules", "good", f"All {len(odd)} odd molecules have a score.")


def _look_at_no_molecules(asked: _Asked) -> None:
    mol = _molecules(("C",))[0].mol
    scores = asked.about([Molecule(text, mol) for text in _NO_MOLECULES])
    scored = [(text, score) for text, score in zip(_NO_MOLECULES, scores) if score.is_ok]
    if scored:
        text, score = scored[0]
        asked.found(
            "no molecules",
            "note",
            f"'{text}' is no molecule and was given {score.value:g}. molvae sends molecules only, yet a "
            "number for a failure is how wrong results begin: answer null.",
        )
    else:
        asked.found("no molecules", "good", "Texts that are no molecules are failures, not numbers.")


def _look_at_troubles(asked: _Asked, oracle: ExternalOracle) -> None:
    if oracle.troubles:
        asked.found(
            "crashes",
            "wrong",
            f"{len(oracle.troubles)} requests failed as a whole; the first: {oracle.troubles[0]}. It was "
            "started or asked again each time, which costs time: answer null for what cannot be scored.",
        )
    else:
        asked.found("crashes", "good", "No request failed as a whole.")


def _first_difference(molecules: Sequence[Molecule], old: Sequence[Score], new: Sequence[Score]) -> str:
    for molecule, a, b in zip(molecules, old, new):
        if a.is_ok != b.is_ok or (
            a.is_ok and not math.isclose(a.value, b.value, rel_tol=_SAME, abs_tol=_SAME)
        ):
            return f"{molecule.smiles} is {_said(a)}, then {_said(b)}"
    return ""


def _said(score: Score) -> str:
    return f"{score.value:.10g}" if score.is_ok else f"{score.status} ({score.detail})"


def _seconds(value: float) -> str:
    return f"{value:.2g} s" if value >= 1 else f"{value * 1e3:.2g} ms"


def _molecules(texts: Sequence[str]) -> list[Molecule]:
    read = [parse(text) for text in texts]
    return [molecule for molecule in read if not isinstance(molecule, Invalid)]
