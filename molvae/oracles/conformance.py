"""Check whether an oracle follows the protocol, by calling it in several ways and comparing the answers."""

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
"""`note`: allowed, but worth knowing. `wrong`: the scores are unreliable."""

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
_LONGEST_CHECK = 30.0  # expected seconds of the large batch
_SAME = 1e-9


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    name: str
    """Which check: answers, repeatable, order, repeats, large batch, odd molecules, no molecules, crashes."""
    verdict: Verdict
    """Its outcome."""
    sentence: str
    """The finding, and what to do if it is wrong."""


@dataclass
class Examination:
    """The report on an oracle."""

    oracle: str
    """Its text."""
    findings: list[Finding] = field(default_factory=list)
    """In order."""
    first_seconds: float = math.nan
    """Time of the first call, which may include the start of a program."""
    seconds_alone: float = math.nan
    """Median time of a call with one molecule."""
    seconds_in_batch: float = math.nan
    """Time per molecule in the large batch."""
    n_molecules: int = 0
    """Molecules in all calls, including repeats."""

    @property
    def keeps_protocol(self) -> bool:
        """Whether nothing is wrong."""
        return all(finding.verdict != "wrong" for finding in self.findings)


def examine(oracle: Oracle, *, large: int = 64) -> Examination:
    """Call an oracle with ordinary, odd, repeated and many molecules, and check its answers.

    Args:
        oracle: Any; one outside this process is also called with texts that are not molecules.
        large: Molecules of the large batch; fewer for slow oracles.

    >>> from molvae.oracles.computed import descriptor_oracle
    >>> examine(descriptor_oracle("logp"), large=8).keeps_protocol
    True
    """
    checks = _Checks(oracle, Examination(oracle.name))
    ordinary = _molecules(_ORDINARY)
    started = time.perf_counter()
    first = checks.scores(ordinary)
    checks.report.first_seconds = time.perf_counter() - started
    checks.add("answers", _answers(first))
    if any(score.is_ok for score in first):
        checks.add("repeatable", _repeat(checks, ordinary, first))
        repeatable = checks.report.findings[-1].verdict == "good"
        order = _order(checks, ordinary, first)
        if repeatable:  # otherwise differences are meaningless
            checks.add("order", order)
        checks.add("large batch", _large_batch(checks, large))
    checks.add("odd molecules", _odd_molecules(checks, first))
    if isinstance(oracle, ExternalOracle):
        checks.add("no molecules", _no_molecules(checks))
        checks.add("crashes", _crashes(oracle))
    return checks.report


class _Checks:
    """Scores molecules with an oracle, and writes the report on it."""

    def __init__(self, oracle: Oracle, report: Examination) -> None:
        self.oracle = oracle
        self.report = report

    def scores(self, molecules: Sequence[Molecule]) -> list[Score]:
        self.report.n_molecules += len(molecules)
        return ask(self.oracle, molecules)

    def add(self, name: str, finding: tuple[Verdict, str]) -> None:
        self.report.findings.append(Finding(name, *finding))


def _answers(scores: Sequence[Score]) -> tuple[Verdict, str]:
    values = [score.value for score in scores if score.is_ok]
    bad = [score.detail for score in scores if not score.is_ok]
    n = len(scores)
    if not values:
        return "wrong", f"None of {n} ordinary molecules has a score: {bad[0]}."
    if bad:
        return "note", f"{len(bad)} of {n} ordinary molecules have no score; the first error: {bad[0]}."
    if len(set(values)) == 1:
        return "note", (
            f"All {n} ordinary molecules have the same score, {values[0]:g}: typical of a broken program, "
            "and nothing can be learned from it."
        )
    return "good", f"All {n} ordinary molecules have a score, from {min(values):g} to {max(values):g}."


def _repeat(checks: _Checks, molecules: Sequence[Molecule], first: Sequence[Score]) -> tuple[Verdict, str]:
    different = _first_difference(molecules, first, checks.scores(molecules))
    if not different:
        return "good", "The same molecules have the same scores in a second call."
    return "note", (
        f"The same molecules have other scores in a second call: {different}. A campaign keeps the first "
        "value; fix the seed, or score the mean of several runs."
    )


def _order(checks: _Checks, molecules: Sequence[Molecule], first: Sequence[Score]) -> tuple[Verdict, str]:
    turned = checks.scores(list(molecules)[::-1])[::-1]
    alone, times = [], []
    for molecule in molecules:
        started = time.perf_counter()
        alone += checks.scores([molecule])
        times.append(time.perf_counter() - started)
    checks.report.seconds_alone = sorted(times)[len(times) // 2]
    twice = checks.scores([molecules[0], molecules[1], molecules[0]])
    if different := _first_difference(molecules, first, turned):
        return "wrong", f"In reverse order, scores differ: {different}. Answer in the order of the request."
    if different := _first_difference(molecules, first, alone):
        return "wrong", f"Alone, a molecule has another score: {different}. Score molecules independently."
    if different := _first_difference([molecules[0]] * 2, [first[0]] * 2, [twice[0], twice[2]]):
        return "wrong", f"A molecule repeated in a batch has another score: {different}. Answer each entry."
    return "good", "Order, batch and repeats make no difference."


def _large_batch(checks: _Checks, large: int) -> tuple[Verdict, str]:
    n = max(4, min(large, int(_LONGEST_CHECK / max(checks.report.seconds_alone, 1e-9))))
    molecules = _molecules([f"{'C' * (1 + i % 20)}{'OC' * (i // 20)}N" for i in range(n)])
    started = time.perf_counter()
    scores = checks.scores(molecules)
    checks.report.seconds_in_batch = (time.perf_counter() - started) / n
    bad = [score.detail for score in scores if not score.is_ok]
    together, alone = _seconds(checks.report.seconds_in_batch), _seconds(checks.report.seconds_alone)
    speed = f"{together} per molecule, {alone} alone"
    if not bad:
        return "good", f"{n} molecules in one call: {speed}."
    failed = f"{len(bad)} of {n} molecules in one call failed: {bad[0]}."
    return ("wrong", failed) if len(bad) > n // 2 else ("note", f"{failed} {speed}.")


def _odd_molecules(checks: _Checks, first: Sequence[Score]) -> tuple[Verdict, str]:
    odd = _molecules(_ODD)
    bad = [(m.smiles, score) for m, score in zip(odd, checks.scores(odd)) if not score.is_ok]
    after = checks.scores(_molecules(_ORDINARY))
    if sum(score.is_ok for score in after) < sum(score.is_ok for score in first):
        return "wrong", "After odd molecules (salts, ions, one atom) ordinary ones fail too."
    if not bad:
        return "good", f"All {len(odd)} odd molecules have a score."
    text, score = bad[0]
    return "note", (
        f"{len(bad)} of {len(odd)} odd molecules (salts, ions, one atom, a long chain) have no score and are "
        f"recorded as failed; {text[:20]}: {score.detail}."
    )


def _no_molecules(checks: _Checks) -> tuple[Verdict, str]:
    mol = _molecules(("C",))[0].mol
    scores = checks.scores([Molecule(text, mol) for text in _NO_MOLECULES])
    scored = [(text, score) for text, score in zip(_NO_MOLECULES, scores) if score.is_ok]
    if not scored:
        return "good", "Texts that are not molecules fail."
    text, score = scored[0]
    return "note", (
        f"'{text}' is not a molecule and has the score {score.value:g}. molvae sends molecules only, but a "
        "number instead of a failure hides errors: answer null."
    )


def _crashes(oracle: ExternalOracle) -> tuple[Verdict, str]:
    if not oracle.troubles:
        return "good", "No request failed as a whole."
    return "wrong", (
        f"{len(oracle.troubles)} requests failed as a whole; the first: {oracle.troubles[0]}. Each time the "
        "oracle was restarted or called again, which is slow: answer null for what cannot be scored."
    )


def _first_difference(molecules: Sequence[Molecule], old: Sequence[Score], new: Sequence[Score]) -> str:
    for molecule, a, b in zip(molecules, old, new):
        if a.is_ok != b.is_ok or (
            a.is_ok and not math.isclose(a.value, b.value, rel_tol=_SAME, abs_tol=_SAME)
        ):
            return f"{molecule.smiles} is {_shown(a)}, then {_shown(b)}"
    return ""


def _shown(score: Score) -> str:
    return f"{score.value:.10g}" if score.is_ok else f"{score.status} ({score.detail})"


def _seconds(value: float) -> str:
    return f"{value:.2g} s" if value >= 1 else f"{value * 1e3:.2g} ms"


def _molecules(texts: Sequence[str]) -> list[Molecule]:
    read = [parse(text) for text in texts]
    return [molecule for molecule in read if not isinstance(molecule, Invalid)]
