"""Registry of molecular descriptors; a descriptor that fails is NaN."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rdkit import Chem, RDConfig, rdBase
from rdkit.Chem import QED, Crippen, Descriptors, GraphDescriptors, Mol, rdMolDescriptors, rdmolops

from molvae.chemistry.molecule import Invalid, Molecule, parse
from molvae.errors import MissingDependencyError
from molvae.parallel.mapping import ordered_map
from molvae.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Sequence

Descriptor = Callable[[Mol], float]
"""A function of a sanitized RDKit molecule; it may raise, which makes its value NaN."""

DESCRIPTORS: Registry[Descriptor] = Registry("descriptor", "molvae.descriptors")
"""Descriptor by name; third parties add theirs under the entry-point group `molvae.descriptors`."""


def describe(molecule: Molecule | Invalid, names: Sequence[str]) -> np.ndarray:
    """The named descriptors of one molecule.

    Returns:
        `p`, float64; NaN where a descriptor fails or is not finite, all NaN for an `Invalid`.

    Raises:
        UnknownNameError: A name no descriptor is registered under.

    >>> describe(parse("CCO"), ["heavy_atoms", "logp"]).round(4).tolist()
    [3.0, -0.0014]
    """
    functions = [DESCRIPTORS.get(name) for name in names]
    if not isinstance(molecule, Molecule):
        return np.full(len(functions), np.nan)
    with rdBase.BlockLogs():
        return np.array([_evaluate(function, molecule.mol) for function in functions], dtype=np.float64)


def describe_many(molecules: Sequence[Molecule | Invalid], names: Sequence[str]) -> np.ndarray:
    """The named descriptors of many molecules: `n x p`, float64, one row per molecule, in order."""
    return _table(partial(describe, names=tuple(names)), molecules, names)


def describe_smiles(smiles: Sequence[str], names: Sequence[str], *, workers: int = 0) -> np.ndarray:
    """As `describe_many`, from SMILES, which workers parse and describe.

    >>> describe_smiles(["CCO", "no molecule"], ["hbd"]).tolist()
    [[1.0], [nan]]
    """
    return _table(partial(_describe_text, names=tuple(names)), smiles, names, workers)


def descriptor_of(label: str) -> str | None:
    """The descriptor that a label of a common data set names, if any.

    >>> descriptor_of("QED"), descriptor_of("SAS"), descriptor_of("pIC50")
    ('qed', 'sa', None)
    """
    name = {"sas": "sa"}.get(label.lower(), label.lower())
    return name if name in DESCRIPTORS else None


def _table(
    function: Callable[[Any], np.ndarray], items: Sequence[Any], names: Sequence[str], workers: int = 0
) -> np.ndarray:
    for name in names:
        DESCRIPTORS.get(name)  # fail on a wrong name before any work, in this process
    rows = np.empty((len(items), len(names)), dtype=np.float64)
    for index, row in enumerate(ordered_map(function, items, workers=workers)):
        rows[index] = row
    return rows


def _describe_text(text: str, names: Sequence[str]) -> np.ndarray:
    return describe(parse(text), names)


def _evaluate(function: Descriptor, mol: Mol) -> float:
    try:
        value = float(function(mol))
    except Exception:  # noqa: BLE001 - descriptors of plug-ins may raise anything
        return math.nan
    return value if math.isfinite(value) else math.nan


@cache
def _sa_scorer() -> Any:
    """The module `sascorer` that RDKit ships beside its package."""
    path = Path(RDConfig.RDContribDir) / "SA_Score" / "sascorer.py"
    if not path.is_file():
        raise MissingDependencyError(
            f"this RDKit does not ship the synthetic accessibility score: no {path}",
            hint="Install the rdkit wheel from PyPI (2025.3 or later).",
        )
    specification = importlib.util.spec_from_file_location("molvae_sascorer", path)
    assert specification is not None  # noqa: S101 - the file exists and ends in .py
    assert specification.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def sa(mol: Mol) -> float:
    """Synthetic accessibility, 1 (easy) to 10 (hard); Ertl and Schuffenhauer 2009."""
    return float(_sa_scorer().calculateScore(mol))


def _count_atoms(mol: Mol, *, number: int) -> float:
    return float(sum(atom.GetAtomicNum() == number for atom in mol.GetAtoms()))


def _hydrogens(mol: Mol) -> float:
    return float(sum(atom.GetTotalNumHs() + (atom.GetAtomicNum() == 1) for atom in mol.GetAtoms()))


def _largest_ring(mol: Mol) -> float:
    return float(max((len(ring) for ring in mol.GetRingInfo().AtomRings()), default=0))


def largest_cycle(mol: Mol) -> float:
    """Length of the longest cycle of a cycle basis of the molecular graph, 0 without rings.

    The cycles of penalized logP. In fused rings they can be longer than the smallest rings of RDKit, and
    which ones are found depends on the order of the atoms; here that is the order of the canonical SMILES.
    """
    rings = mol.GetRingInfo()
    if all(rings.NumAtomRings(atom) <= 1 for atom in range(mol.GetNumAtoms())):
        return _largest_ring(mol)  # without shared atoms the basis is unique
    import networkx as nx

    ordered = Chem.MolFromSmiles(Chem.MolToSmiles(mol))
    basis = nx.cycle_basis(nx.Graph(rdmolops.GetAdjacencyMatrix(ordered)))
    return float(max(len(cycle) for cycle in basis))


def meaning(name: str) -> str:
    """What a descriptor is, in a few words; of a third party's, the first line of its docstring.

    Raises:
        UnknownNameError: A name no descriptor is registered under.

    >>> meaning("tpsa")
    'topological polar surface area, square angstrom; Ertl 2000'
    """
    function = DESCRIPTORS.get(name)
    if name in _BUILT_IN and _BUILT_IN[name][0] is function:
        return _BUILT_IN[name][1]
    return next(iter((function.__doc__ or "").strip().splitlines()), "")


def span(name: str) -> tuple[float, float]:
    """The least and the greatest value a descriptor can have, infinite if unknown.

    >>> span("qed"), span("mw"), span("logp")
    ((0.0, 1.0), (0.0, inf), (-inf, inf))
    """
    low, high = _SPANS.get(name, (0.0, math.inf) if name in _BUILT_IN else (-math.inf, math.inf))
    return low, high


_SPANS = {
    "qed": (0.0, 1.0),
    "sa": (1.0, 10.0),
    "fraction_sp3": (0.0, 1.0),
    "logp": (-math.inf, math.inf),
    "formal_charge": (-math.inf, math.inf),
    "molar_refractivity": (-math.inf, math.inf),
}
"""All other built-in descriptors are sizes and counts, at least 0."""

_BUILT_IN: dict[str, tuple[Callable[[Mol], float], str]] = {
    "qed": (QED.qed, "drug-likeness, 0 to 1; Bickerton 2012"),
    "logp": (Crippen.MolLogP, "octanol-water partition, log10; Wildman and Crippen 1999"),
    "sa": (sa, "synthetic accessibility, 1 (easy) to 10; Ertl and Schuffenhauer 2009"),
    "tpsa": (rdMolDescriptors.CalcTPSA, "topological polar surface area, square angstrom; Ertl 2000"),
    "mw": (Descriptors.MolWt, "average molecular weight, g/mol"),
    "hba": (rdMolDescriptors.CalcNumHBA, "hydrogen-bond acceptors"),
    "hbd": (rdMolDescriptors.CalcNumHBD, "hydrogen-bond donors"),
    "rotatable_bonds": (rdMolDescriptors.CalcNumRotatableBonds, "rotatable bonds"),
    "rings": (rdMolDescriptors.CalcNumRings, "rings"),
    "aromatic_rings": (rdMolDescriptors.CalcNumAromaticRings, "aromatic rings"),
    "aliphatic_rings": (rdMolDescriptors.CalcNumAliphaticRings, "rings that are not aromatic"),
    "largest_ring": (_largest_ring, "atoms of the largest of the smallest rings"),
    "largest_cycle": (largest_cycle, "atoms of the longest cycle of a cycle basis, as in penalized logP"),
    "fraction_sp3": (rdMolDescriptors.CalcFractionCSP3, "share of carbons that are sp3"),
    "heavy_atoms": (rdMolDescriptors.CalcNumHeavyAtoms, "atoms except hydrogen"),
    "heteroatoms": (rdMolDescriptors.CalcNumHeteroatoms, "atoms except carbon and hydrogen"),
    "hydrogens": (_hydrogens, "hydrogen atoms"),
    "bertz": (GraphDescriptors.BertzCT, "topological complexity; Bertz 1981"),
    "formal_charge": (rdmolops.GetFormalCharge, "charge"),
    "stereocenters": (rdMolDescriptors.CalcNumAtomStereoCenters, "stereocenters of atoms"),
    "molar_refractivity": (Crippen.MolMR, "molar refractivity; Wildman and Crippen 1999"),
    "labute_asa": (rdMolDescriptors.CalcLabuteASA, "approximate surface area, square angstrom"),
    **{
        f"{element}_atoms": (partial(_count_atoms, number=number), f"{element} atoms")
        for element, number in (
            ("carbon", 6),
            ("nitrogen", 7),
            ("oxygen", 8),
            ("fluorine", 9),
            ("phosphorus", 15),
            ("sulfur", 16),
            ("chlorine", 17),
            ("bromine", 35),
            ("iodine", 53),
        )
    },
}
for _name, (_function, _) in _BUILT_IN.items():
    DESCRIPTORS.add(_name, _function)
