"""Published objectives of PMO and GuacaMol, by name.

They are defined in `benchmarks.toml`, a file as users write them. The three PMO tasks that need a pickled
scikit-learn model (drd2, gsk3b, jnk3) are left out, as loading a pickle runs its code.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from molvae.errors import UsageError
from molvae.oracles.composite import CompositeOracle, composite, read_objectives

if TYPE_CHECKING:
    from collections.abc import Callable

    from molvae.chemistry.molecule import Molecule
    from molvae.oracles.base import Oracle, OracleText
    from molvae.oracles.config import MpoSettings

FILE = Path(__file__).with_name("benchmarks.toml")

PMO_20 = (
    "albuterol_similarity", "amlodipine_mpo", "celecoxib_rediscovery", "deco_hop",
    "fexofenadine_mpo", "isomers_c7h8n2o2", "isomers_c9h10n2o2pf2cl", "median1", "median2",
    "mestranol_similarity", "osimertinib_mpo", "perindopril_mpo", "qed", "ranolazine_mpo",
    "scaffold_hop", "sitagliptin_mpo", "thiothixene_rediscovery", "troglitazone_rediscovery",
    "valsartan_smarts", "zaleplon_mpo",
)  # fmt: skip
"""Tasks of PMO (practical molecular optimization) that need only RDKit."""


def benchmark_names() -> list[str]:
    """Names of the objectives of the file."""
    tables = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return [name for name in tables if name != "molecules"]


def benchmark_oracle(text: OracleText, load: Callable[[str], Oracle]) -> CompositeOracle:
    """The published objective of this name.

    Raises:
        UsageError: The text has options or an argument.
    """
    if text.options or text.argument:
        raise UsageError(f"the oracle '{text.name}' takes no options and no argument, got '{text}'")
    objectives, molecules = _published()
    return composite(objectives[text.name], molecules, load, name=text.name)


def about(name: str) -> str:
    """A short description of a published objective."""
    return _published()[0][name].about


@cache
def _published() -> tuple[dict[str, MpoSettings], dict[str, Molecule]]:
    return read_objectives(FILE)
