"""What ADMET-AI predicts of a molecule: `admet:NAME`, in processes of their own."""

from __future__ import annotations

import csv
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from molvae.errors import MissingDependencyError, UnknownNameError, suggest
from molvae.oracles.base import Score
from molvae.oracles.command import external_settings, isolated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.chemistry.molecule import Molecule
    from molvae.oracles.base import OracleText
    from molvae.oracles.external import ExternalOracle

INSTALL = "pip install 'molvae[admet]'"


class Admet:
    """One endpoint of ADMET-AI (Swanson 2024) in this process; loading takes seconds.

    Args:
        endpoint: One of `endpoints`.
    """

    def __init__(self, endpoint: str) -> None:
        from admet_ai import ADMETModel

        self.name = f"admet:{endpoint}"
        self._endpoint = endpoint
        self._model = ADMETModel(include_physchem=False, drugbank_path=None, num_workers=0)

    def __call__(self, molecules: Sequence[Molecule]) -> list[Score]:
        """One score for each molecule, to five digits: what else was asked shows in the seventh."""
        smiles = [molecule.smiles for molecule in molecules]
        found = self._model.predict(smiles)[self._endpoint]
        if list(found.index) != smiles:  # it drops what it cannot read
            return [Score.failed("ADMET-AI left molecules of this request out")] * len(smiles)
        return [Score.of(float(f"{value:.5g}")) for value in found]


def admet_oracle(text: OracleText) -> ExternalOracle:
    """`admet:NAME`: a prediction of ADMET-AI, such as hERG, AMES, Solubility_AqSolDB or BBB_Martins.

    Raises:
        ConfigError: Unknown option.
        MissingDependencyError: ADMET-AI is not installed.
        UnknownNameError: It has no such endpoint.
        UsageError: No endpoint, or it does not start.
    """
    text.require_argument("admet needs an endpoint", example="admet:hERG")
    settings = external_settings(text)
    known = endpoints()
    if text.argument not in known:
        listed = ", ".join(f"{name} ({unit})" if unit else name for name, unit in known.items())
        raise UnknownNameError(
            f"ADMET-AI has no endpoint '{text.argument}'{suggest(text.argument, known)}",
            hint=f"Known, probabilities where there is no unit: {listed}.",
        )
    return isolated(text.argument, settings, name=str(text), kind="admet")


def endpoints() -> dict[str, str]:
    """The unit of each endpoint by its name; none of those that are probabilities.

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
