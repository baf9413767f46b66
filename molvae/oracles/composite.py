"""Multi-property objectives (MPO): in Python, in a TOML file as `mpo:FILE.toml`, and published ones by name.

A file has one objective, or several by name. Names of its molecules can replace a SMILES, or a number of a
desirability, where they mean the score of that molecule:

    mean = "geometric"
    terms = [
        "clipped[0.8]:similarity[fcfp4]:lead",       # at least 0.8 like the lead
        "gaussian[lead,0.5]:logp",                   # as lipophilic as the lead
        { score = "max_gaussian[90,10]:tpsa", weight = 2 },
        "substructure[absent]:[N+](=O)[O-]",
    ]
    [molecules]
    lead = "CC(=O)Nc1ccc(O)cc1"

The objectives of PMO and GuacaMol are defined in `benchmarks.toml`, such a file. Three PMO tasks that need a
pickled scikit-learn model (drd2, gsk3b, jnk3) are left out, as loading a pickle runs its code.
"""

from __future__ import annotations

import math
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molvae.chemistry.facts import REMEMBERED
from molvae.chemistry.molecule import Invalid, Molecule
from molvae.chemistry.standardize import standardize
from molvae.config import read_toml, settings_from
from molvae.errors import ConfigError, UnknownNameError, UsageError, suggest
from molvae.oracles.base import OracleText, Score, ask, is_computed, n_workers, span_of
from molvae.oracles.config import MEANS, Mean, MpoSettings
from molvae.oracles.desirability import SHAPES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from molvae.oracles.base import Oracle

FILE = Path(__file__).with_name("benchmarks.toml")


class CompositeOracle:
    """The weighted mean of several oracles.

    Terms are usually desirabilities between 0 and 1, of equal weight by default. A molecule without a value
    for one of them has no value. Fingerprints and descriptors that terms share are computed once.

    Raises:
        UsageError: No term, an unknown mean, or not one positive weight for each term.

    >>> from molvae.chemistry.molecule import parse
    >>> from molvae.oracles.plugins import load_oracle
    >>> both = CompositeOracle([load_oracle(t) for t in ("falling[2,6]:heavy_atoms", "substructure:O")])
    >>> [score.value for score in both([parse("O"), parse("CCC")])]
    [1.0, 0.0]
    """

    def __init__(
        self,
        terms: Sequence[Oracle],
        mean: Mean = "geometric",
        weights: Sequence[float] | None = None,
        *,
        name: str = "mpo",
    ) -> None:
        shares = [1.0] * len(terms) if weights is None else list(weights)
        if not terms:
            raise UsageError("an objective of several terms needs at least one")
        if mean not in MEANS:
            raise UsageError(f"unknown mean '{mean}', expected {' or '.join(MEANS)}")
        if len(shares) != len(terms) or not all(share > 0 for share in shares):
            raise UsageError(f"expected {len(terms)} positive weights, got {shares}")
        self.terms = tuple(terms)
        self.mean = mean
        self.weights = tuple(share / sum(shares) for share in shares)
        self.name = name

    @property
    def computed(self) -> bool:
        """Whether all terms are computed."""
        return all(is_computed(term) for term in self.terms)

    @property
    def span(self) -> tuple[float, float]:
        """Lowest and highest value of the terms."""
        lows, highs = zip(*(span_of(term) for term in self.terms), strict=True)
        return min(lows), max(highs)

    @property
    def workers(self) -> int:
        """Molecules scored in parallel: the maximum over the terms."""
        return max(n_workers(term) for term in self.terms)

    def __call__(self, molecules: Sequence[Molecule]) -> list[Score]:
        """The mean of each molecule."""
        size = REMEMBERED // 4  # so that shared features are still cached for the last term
        found: list[Score] = []
        for first in range(0, len(molecules), size):
            columns = [ask(term, molecules[first : first + size]) for term in self.terms]
            found += map(self.combined, zip(*columns, strict=True))
        return found

    def combined(self, scores: Sequence[Score]) -> Score:
        """The mean of the scores of all terms for one molecule."""
        for term, score in zip(self.terms, scores, strict=True):
            if not score.is_ok:
                return Score(math.nan, score.status, f"{term.name}: {score.detail}")
        values = [score.value for score in scores]
        if self.mean == "arithmetic":
            return Score.ok(math.fsum(w * value for w, value in zip(self.weights, values)))
        for term, value in zip(self.terms, values):
            if value < 0:
                return Score.failed(f"{term.name} is {value:g}: a geometric mean needs terms from 0 up")
        return Score.ok(math.prod(value**w for w, value in zip(self.weights, values)))


def mpo_oracle(text: OracleText, load: Callable[[str], Oracle]) -> CompositeOracle:
    """`mpo:FILE.toml`: a custom objective of several scores; `mpo[name]:FILE.toml` selects one of several.

    Raises:
        ConfigError: The file cannot be read, or is incomplete.
        UsageError: There is no file, or a term is not an oracle.
    """
    if not text.argument or len(text.options) > 1:
        raise UsageError(f"an mpo is written mpo:FILE.toml or mpo[name]:FILE.toml, got '{text}'")
    path = Path(text.argument)
    objectives, molecules = read_objectives(path)
    names = list(objectives)
    wanted = text.options[0] if text.options else names[0]
    if wanted not in objectives:
        raise UnknownNameError(
            f"{path} has no objective '{wanted}'{suggest(wanted, names)}",
            hint=f"It has: {', '.join(name for name in names if name)}." if any(names) else None,
        )
    if not text.options and len(names) > 1:
        raise UsageError(
            f"{path} has {len(names)} objectives: {', '.join(names)}",
            hint=f"Choose one: mpo[{names[0]}]:{path}.",
        )
    return composite(objectives[wanted], molecules, load, name=str(text))


def composite(
    settings: MpoSettings, molecules: Mapping[str, Molecule], load: Callable[[str], Oracle], *, name: str
) -> CompositeOracle:
    """The oracle of some settings, whose terms may refer to `molecules`.

    Raises:
        UsageError: A term is not an oracle; the message names the objective.
    """
    terms = []
    for term in settings.terms:
        try:
            terms.append(load(spelled_out(term.score, molecules, load)))
        except UsageError as error:
            raise type(error)(f"{error.message}, in {name}", hint=error.hint) from None
    return CompositeOracle(terms, settings.mean, [term.weight for term in settings.terms], name=name)


def spelled_out(text: str, molecules: Mapping[str, Molecule], load: Callable[[str], Oracle]) -> str:
    """The text of a term with SMILES and numbers in place of the names of molecules.

    >>> from molvae.chemistry.molecule import parse
    >>> from molvae.oracles.plugins import load_oracle
    >>> spelled_out("gaussian[lead,1]:heavy_atoms", {"lead": parse("CCO")}, load_oracle)
    'gaussian[3.0,1]:heavy_atoms'
    """
    parts = OracleText.read(text)
    if parts.argument in molecules:
        return str(OracleText(parts.name, parts.options, molecules[parts.argument].smiles))
    if parts.name not in SHAPES:
        return text
    score = spelled_out(parts.argument, molecules, load)
    numbers = (str(_value(molecules[o], score, load)) if o in molecules else o for o in parts.options)
    return str(OracleText(parts.name, tuple(numbers), score))


def read_objectives(path: Path) -> tuple[dict[str, MpoSettings], dict[str, Molecule]]:
    """The objectives of a file by name (a single one has the empty name), and its molecules.

    Raises:
        ConfigError: The file cannot be read, or is incomplete.
    """
    if path.exists() and not path.is_file():
        raise ConfigError(f"cannot read the objective {path}: it is not a file")
    values = read_toml(path, "the objective")
    molecules = _molecules(values.pop("molecules", {}), path)
    several = values and all(isinstance(value, dict) for value in values.values())
    named = values if several else {"": values}
    return {name: _settings(table, name, path) for name, table in named.items()}, molecules


def _settings(table: dict[str, Any], name: str, path: Path) -> MpoSettings:
    terms = table.get("terms")
    if isinstance(terms, list):
        table = {**table, "terms": [{"score": t} if isinstance(t, str) else t for t in terms]}
    return settings_from(MpoSettings, table, f"[{name}] of {path}" if name else str(path))


def _molecules(table: Any, path: Path) -> dict[str, Molecule]:
    if not isinstance(table, dict):
        raise ConfigError(f"'molecules' in {path} must be a table: [molecules], then name = \"SMILES\"")
    found = {}
    for name, smiles in table.items():
        molecule = standardize(smiles) if isinstance(smiles, str) else Invalid(str(smiles), "not a text")
        if isinstance(molecule, Invalid):
            raise ConfigError(f"the molecule '{name}' in {path} is not valid: {molecule}")
        found[name] = molecule
    return found


def _value(molecule: Molecule, score: str, load: Callable[[str], Oracle]) -> float:
    answer = ask(load(score), [molecule])[0]
    if not answer.is_ok:
        raise UsageError(f"{score} has no value for {molecule.smiles}: {answer.detail}")
    return answer.value


def benchmark_names() -> list[str]:
    """Names of the objectives of the file."""
    tables = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return [name for name in tables if name != "molecules"]


def benchmark_oracle(text: OracleText, load: Callable[[str], Oracle]) -> CompositeOracle:
    """The published objective with this name.

    Raises:
        UsageError: The text has options or an argument.
    """
    if text.options or text.argument:
        raise UsageError(f"the oracle '{text.name}' takes no options and no argument, got '{text}'")
    objectives, molecules = _published()
    return composite(objectives[text.name], molecules, load, name=text.name)


def benchmark_about(name: str) -> str:
    """A short description of a published objective."""
    return _published()[0][name].about


@cache
def _published() -> tuple[dict[str, MpoSettings], dict[str, Molecule]]:
    return read_objectives(FILE)
