"""Objectives that others have published results for: those of PMO and GuacaMol, by name.

What each is made of stands in `benchmarks.toml`, in the language a user writes too. The three PMO tasks that
need somebody's pickled scikit-learn model (drd2, gsk3b, jnk3) are left out: loading a pickle runs its code.
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
    "albuterol_similarity",
    "amlodipine_mpo",
    "celecoxib_rediscovery",
    "deco_hop",
    "fexofenadine_mpo",
    "isomers_c7h8n2o2",
    "isomers_c9h10n2o2pf2cl",
    "median1",
    "median2",
    "mestranol_similarity",
    "osimertinib_mpo",
    "perindopril_mpo",
    "qed",
    "ranolazine_mpo",
    "scaffold_hop",
    "sitagliptin_mpo",
    "thiothixene_rediscovery",
    "troglitazone_rediscovery",
    "valsartan_smarts",
    "zaleplon_mpo",
)
"""The tasks of PMO (practical molecular optimization) that need RDKit alone."""


def benchmark_names() -> list[str]:
    """The objectives of the file."""
    tables = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return [name for name in tables if name != "molecules"]


def benchmark_oracle(text: OracleText, load: Callable[[str], Oracle]) -> CompositeOracle:
    """The published objective of this name.

    Raises:
        UsageError: Options or an argument, which it does not take.
    """
    if text.options or text.argument:
        raise UsageError(f"the oracle '{text.name}' takes no options and no argument, got '{text}'")
    objectives, molecules = _published()
    return composite(objectives[text.name], molecules, load, name=text.name)


def about(name: str) -> str:
    """What a published objective wants, in a few words."""
    return _published()[0][name].about


@cache
def _published() -> tuple[dict[str, MpoSettings], dict[str, Molecule]]:
    return read_objectives(FILE)
