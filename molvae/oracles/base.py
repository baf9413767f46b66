"""The oracle protocol: molecules in, one `Score` each out; and the registry of oracles by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, SupportsFloat, runtime_checkable

from molvae.errors import UsageError
from molvae.registry import Registry
from molvae.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from molvae.chemistry.molecule import Molecule

Status = Literal["ok", "above", "below", "invalid", "failed", "timeout", "skipped", "cancelled"]
"""`ok`: there is a value. `above`, `below`: a censored value, beyond the range of the assay, which ends at
`value`. `invalid`: not a molecule. `failed`: the oracle gave no value. `timeout`: it did not answer in time.
`skipped`: it was not called, as the budget is spent. `cancelled`: the molecule will not be made."""

_LONGEST_DETAIL = 300


@dataclass(frozen=True, slots=True)
class Score:
    """The result of an oracle for one molecule: a value, or the reason why there is none.

    >>> Score.ok(0.5).value, Score.failed("no licence").status
    (0.5, 'failed')
    """

    value: float
    """The score, or the bound of a censored one; NaN unless the status is `ok`, `above` or `below`."""
    status: Status
    """Whether there is a value, and if not, why."""
    detail: str = ""
    """The error, on one line."""
    n: int = field(default=1, repr=False)
    """Number of measurements averaged."""
    sd: float | None = field(default=None, repr=False)
    """Standard deviation of these measurements, if known."""

    def __post_init__(self) -> None:
        """Make the detail one printable line."""
        if self.detail:
            object.__setattr__(self, "detail", one_line(str(self.detail), _LONGEST_DETAIL))

    @property
    def is_ok(self) -> bool:
        """Whether there is a value."""
        return self.status == "ok"

    @property
    def is_measured(self) -> bool:
        """Whether there is a value or a bound."""
        return self.status in {"ok", "above", "below"}

    @classmethod
    def ok(cls, value: float) -> Score:
        """A value, which must be finite."""
        return cls(value, "ok")

    @classmethod
    def invalid(cls, detail: str) -> Score:
        """No score: not a molecule."""
        return cls(math.nan, "invalid", detail)

    @classmethod
    def failed(cls, detail: str) -> Score:
        """No score: the oracle failed."""
        return cls(math.nan, "failed", detail)

    @classmethod
    def timed_out(cls, detail: str) -> Score:
        """No score: the oracle timed out."""
        return cls(math.nan, "timeout", detail)

    @classmethod
    def skipped(cls, detail: str) -> Score:
        """No score: the oracle was not called."""
        return cls(math.nan, "skipped", detail)

    @classmethod
    def of(cls, answer: object) -> Score:
        """The score of a raw answer: a finite number is a value, anything else a failure.

        >>> Score.of(1), Score.of(None).detail
        (Score(value=1.0, status='ok', detail=''), 'expected a number, got None')
        """
        if isinstance(answer, Score):
            return answer
        try:
            mask = getattr(answer, "mask", None)  # of a masked array
            if mask is not None and bool(mask):
                return cls.failed("expected a number, got a masked value")
            if callable(getattr(answer, "item", None)):
                answer = answer.item()  # type: ignore[attr-defined] # a numpy or torch array of one number
            if isinstance(answer, (str, bytes, bytearray)) or not isinstance(answer, SupportsFloat):
                return cls.failed(f"expected a number, got {describe_answer(answer)}")
            value = float(answer)
        except Exception as error:  # noqa: BLE001 - a third party's __float__ may raise anything
            return cls.failed(f"expected a number, got {describe_answer(answer)} ({describe_error(error)})")
        return cls.ok(value) if math.isfinite(value) else cls.failed(f"expected a finite number, got {value}")


def value_of(score: Score | None) -> float | None:
    """The number of a score, if it has one."""
    return score.value if score is not None and score.is_ok else None


def trouble_of(scores: Iterable[Score | None]) -> str:
    """The errors in the scores of a molecule; empty if there are none."""
    errors = [
        f"{s.status}: {s.detail}" if s.detail else s.status for s in scores if s is not None and not s.is_ok
    ]
    return "; ".join(dict.fromkeys(errors))


@runtime_checkable
class Oracle(Protocol):
    """A function from molecules to scores, with a name.

    An oracle returns a score for each molecule, in order, and never raises because of a molecule: one it
    cannot score is a `Score.failed` with the reason.
    """

    @property
    def name(self) -> str:
        """The text that specifies this oracle (`qed`, `similarity:CCO`, `docking:score`)."""

    def __call__(self, molecules: Sequence[Molecule]) -> list[Score]:
        """One score for each molecule."""


@dataclass(frozen=True, slots=True)
class OracleText:
    """The parts of the text that names an oracle: `name[option,...]:argument`.

    >>> OracleText.read("similarity[fcfp4]:C[C@H]O")
    OracleText(name='similarity', options=('fcfp4',), argument='C[C@H]O')
    >>> OracleText.read("qed")
    OracleText(name='qed', options=(), argument='')
    """

    name: str
    """Name in the registry."""
    options: tuple[str, ...] = ()
    """The texts in brackets after the name."""
    argument: str = ""
    """Everything after the first colon."""

    @classmethod
    def read(cls, text: str) -> OracleText:
        """Parse a text; any text is valid."""
        head, _, argument = text.strip().partition(":")
        name, bracket, rest = head.partition("[")
        if not bracket or not rest.endswith("]"):
            return cls(head.strip(), (), argument.strip())
        options = tuple(option.strip() for option in rest[:-1].split(",") if option.strip())
        return cls(name.strip(), options, argument.strip())

    def require_argument(self, complaint: str, *, example: str) -> None:
        """Refuse a text without argument.

        Raises:
            UsageError: With this complaint and example.
        """
        if not self.argument:
            raise UsageError(complaint, hint=f"Write it after a colon: {example}.")

    def option(self, complaint: str) -> str:
        """The only option, or "".

        Raises:
            UsageError: There are several, with this complaint.
        """
        if len(self.options) > 1:
            raise UsageError(f"{complaint}, got {', '.join(self.options)}")
        return self.options[0] if self.options else ""

    def __str__(self) -> str:
        options = f"[{','.join(self.options)}]" if self.options else ""
        return f"{self.name}{options}" + (f":{self.argument}" if self.argument else "")


OracleFactory = Callable[[OracleText], Oracle]
"""Makes an oracle from its text; raises `UsageError` for wrong options or argument."""

ORACLES: Registry[OracleFactory] = Registry("oracle", "molvae.oracles")
"""Oracle factory by name; third parties add theirs under the entry-point group `molvae.oracles`."""


def ask(oracle: Oracle, molecules: Sequence[Molecule]) -> list[Score]:
    """The scores of any oracle: always one `Score` for each molecule.

    If it raises or breaks the protocol, all of these molecules fail.
    """
    try:
        answers = list(oracle(molecules))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - third-party code; a failure is a value
        return [Score.failed(describe_error(error))] * len(molecules)
    if len(answers) != len(molecules):
        detail = f"{len(answers)} answers for {len(molecules)} molecules"
        return [Score.failed(detail)] * len(molecules)
    return [Score.of(answer) for answer in answers]


def scores_of(oracle: Oracle, smiles: Sequence[str]) -> list[Score]:
    """One score for each text, whether it is a valid SMILES or not."""
    from molvae.chemistry.molecule import Invalid, Molecule, parse

    read = [parse(text) for text in smiles]
    scores = iter(ask(oracle, [molecule for molecule in read if isinstance(molecule, Molecule)]))
    return [Score.invalid(m.reason) if isinstance(m, Invalid) else next(scores) for m in read]


def is_computed(oracle: Oracle) -> bool:
    """Whether molvae computes the oracle from the molecule, in milliseconds.

    It has the attribute `computed`. A search uses such scores for every molecule, without a surrogate or
    charge.
    """
    return bool(getattr(oracle, "computed", False))


def span_of(oracle: Oracle) -> tuple[float, float]:
    """Lowest and highest possible score, from the attribute `span`; infinite by default."""
    low, high = getattr(oracle, "span", (-math.inf, math.inf))
    return float(low), float(high)


def n_workers(oracle: Oracle) -> int:
    """Number of molecules an oracle scores in parallel, from the attribute `workers`; 1 by default."""
    return int(getattr(oracle, "workers", 1))


def describe_error(error: BaseException) -> str:
    """Type and message of an exception, on one line, even if its `__str__` fails."""
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - a third party's __str__
        message = ""
    kind = type(error).__name__
    return one_line(f"{kind}: {message}" if message else kind, _LONGEST_DETAIL)


def describe_answer(answer: object) -> str:
    """A wrong answer for error messages."""
    if answer is None:
        return "None"
    try:
        shown = repr(answer)
    except Exception:  # noqa: BLE001 - a third party's __repr__
        shown = "..."
    return one_line(f"{type(answer).__name__} {shown}")[:80]
