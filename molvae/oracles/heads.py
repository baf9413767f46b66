"""Predictions as oracles: property heads of a model, `predicted_NAME`, and ADMET-AI, `admet:NAME`."""

from __future__ import annotations

import csv
import math
from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from molvae.errors import MissingDependencyError, UnknownNameError, suggest
from molvae.oracles.base import OracleText, Score
from molvae.oracles.command import external_settings, isolated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.chemistry.molecule import Molecule
    from molvae.oracles.external import ExternalOracle

PREDICTED = "predicted_"
"""Prefix of a property in the name of its oracle."""
_REMEMBERED = 20_000


class Heads:
    """The property heads of a model; their oracles have no values until it is loaded.

    Attributes:
        asked: Whether an oracle was requested, which requires the model.
    """

    def __init__(self, model: Any = None) -> None:
        self._model = model
        self._memory: OrderedDict[str, tuple[float, ...]] = OrderedDict()
        self.asked = False

    @property
    def ready(self) -> bool:
        """Whether there is a model."""
        return self._model is not None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the oracles."""
        return tuple(f"{PREDICTED}{name}" for name in getattr(self._model, "property_names", ()))

    def oracle(self, name: str) -> HeadOracle:
        """The oracle of a head.

        Raises:
            UnknownNameError: The model has no such head.
        """
        self.asked = True
        if self.ready and name not in self.names:
            raise UnknownNameError(
                f"the model does not predict '{name}'{suggest(name, self.names)}",
                hint=f"It predicts {', '.join(self.names)}." if self.names else "It predicts nothing.",
            )
        return HeadOracle(name, self)

    def predict(self, name: str, molecules: Sequence[Molecule]) -> list[float]:
        """One property of molecules, rounded to six digits, as further ones depend on the batch."""
        new = list({m.smiles: m for m in molecules if m.smiles not in self._memory}.values())
        if new:
            rows = self._model.predict(new).mean
            self._memory |= zip((m.smiles for m in new), map(tuple, rows.tolist()), strict=True)
        column = self.names.index(name)
        found = [float(f"{self._memory[molecule.smiles][column]:.6g}") for molecule in molecules]
        while len(self._memory) > max(_REMEMBERED, len(molecules)):
            self._memory.popitem(last=False)
        return found


class HeadOracle:
    """A property predicted by a model, `predicted_NAME`, in its own units."""

    computed: ClassVar[bool] = True

    def __init__(self, name: str, heads: Heads) -> None:
        self.name = name
        self._heads = heads

    def __call__(self, molecules: Sequence[Molecule]) -> list[Score]:
        """The predicted value of each molecule."""
        if not self._heads.ready:
            return [Score.skipped("the model is needed to predict it")] * len(molecules)
        return [
            Score.ok(value) if math.isfinite(value) else Score.failed("the model cannot encode it")
            for value in self._heads.predict(self.name, molecules)
        ]


def is_head(text: str) -> bool:
    """Whether a text names a property head.

    >>> is_head("predicted_logp"), is_head("predicted_logp:score"), is_head("logp")
    (True, False, False)
    """
    return text.startswith(PREDICTED) and text.isidentifier()


INSTALL = "pip install 'molvae[admet]'"


class Admet:
    """The oracle of `admet:NAME` in this process (Swanson 2024); loading takes seconds."""

    def __init__(self, text: str) -> None:
        from admet_ai import ADMETModel

        self.name = text
        self._endpoint = OracleText.read(text).argument
        self._model = ADMETModel(include_physchem=False, drugbank_path=None, num_workers=0)

    def __call__(self, molecules: Sequence[Molecule]) -> list[Score]:
        """One score for each molecule, to five digits, as further ones depend on the batch."""
        smiles = [molecule.smiles for molecule in molecules]
        found = self._model.predict(smiles)[self._endpoint]
        if list(found.index) != smiles:  # it drops molecules it cannot read
            return [Score.failed("ADMET-AI omitted molecules of this request")] * len(smiles)
        return [Score.of(float(f"{value:.5g}")) for value in found]


def admet_oracle(text: OracleText) -> ExternalOracle:
    """`admet:NAME`: a prediction of ADMET-AI, such as hERG, AMES, Solubility_AqSolDB or BBB_Martins.

    Raises:
        ConfigError: Unknown option.
        MissingDependencyError: ADMET-AI is not installed.
        UnknownNameError: There is no such endpoint.
        UsageError: No endpoint, or the worker does not start.
    """
    text.require_argument("admet needs an endpoint", example="admet:hERG")
    settings = external_settings(text)
    known = endpoints()
    if text.argument not in known:
        listed = ", ".join(f"{name} ({unit})" if unit else name for name, unit in known.items())
        raise UnknownNameError(
            f"ADMET-AI has no endpoint '{text.argument}'{suggest(text.argument, known)}",
            hint=f"Known (probabilities if without unit): {listed}.",
        )
    return isolated(str(text), settings, maker="molvae.oracles.heads:Admet")


def endpoints() -> dict[str, str]:
    """The unit of each endpoint by name; empty for probabilities.

    Raises:
        MissingDependencyError: ADMET-AI is not installed.
    """
    found = find_spec("admet_ai")
    if found is None or not found.submodule_search_locations:
        raise MissingDependencyError("ADMET-AI is not installed", hint=INSTALL)
    path = Path(found.submodule_search_locations[0]) / "resources" / "data" / "admet.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["category"] != "Physicochemical"]
    return {row["id"]: row["units"].strip("-") for row in rows}
