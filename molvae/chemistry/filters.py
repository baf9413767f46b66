"""Filters that say why: RDKit's catalogs of unwanted substructures and rules of thumb on properties."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from rdkit import rdBase
from rdkit.Chem import Crippen, Descriptors, Mol, rdMolDescriptors
from rdkit.Chem.FilterCatalog import FilterCatalog, FilterCatalogParams

from molvae.chemistry.charges import drawn_neutral
from molvae.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.chemistry.molecule import Molecule

Filter = Callable[[Mol], tuple[str, ...]]
"""A function of a sanitized RDKit molecule: the reasons it is filtered out, none when it passes."""

FILTERS: Registry[Filter] = Registry("filter", "molvae.filters")
"""Filter by name; third parties add theirs under the entry-point group `molvae.filters`."""


def filter_reasons(molecule: Molecule, names: Sequence[str]) -> tuple[str, ...]:
    """Why the named filters refuse a molecule, each reason as `filter: what`; empty when all let it pass.

    Raises:
        UnknownNameError: A name no filter is registered under.

    >>> from molvae.chemistry.molecule import parse
    >>> filter_reasons(parse("O=C1NC(=S)SC1=Cc1ccccc1"), ["pains"])
    ('pains: ene_rhod_A(235)',)
    >>> filter_reasons(parse("CCO"), ["pains", "brenk", "lipinski"])
    ()
    >>> filter_reasons(parse("CC[S+](C)[O-]"), ["brenk"])
    ()
    """
    functions = [(name, FILTERS.get(name)) for name in names]
    with rdBase.BlockLogs():
        mol = drawn_neutral(molecule.mol)  # a sulfoxide is not blamed for the charges of its standard drawing
        return tuple(f"{name}: {reason}" for name, function in functions for reason in function(mol))


def _matches(mol: Mol, *, catalog: str) -> tuple[str, ...]:
    return tuple(str(entry.GetDescription()) for entry in _catalog(catalog).GetMatches(mol))


@cache
def _catalog(name: str) -> Any:
    parameters = FilterCatalogParams()
    parameters.AddCatalog(getattr(FilterCatalogParams.FilterCatalogs, name))
    return FilterCatalog(parameters)


def _over(limits: Sequence[tuple[str, float, float]]) -> tuple[str, ...]:
    return tuple(f"{what} {value:g} over {limit:g}" for what, value, limit in limits if value > limit)


def lipinski(mol: Mol) -> tuple[str, ...]:
    """The rule of five (Lipinski 1997), with no violation forgiven."""
    return _over(
        [
            ("molecular weight", round(Descriptors.MolWt(mol), 1), 500),
            ("logP", round(Crippen.MolLogP(mol), 2), 5),
            ("hydrogen-bond donors", rdMolDescriptors.CalcNumLipinskiHBD(mol), 5),
            ("hydrogen-bond acceptors", rdMolDescriptors.CalcNumLipinskiHBA(mol), 10),
        ]
    )


def veber(mol: Mol) -> tuple[str, ...]:
    """Oral bioavailability by flexibility and polarity (Veber 2002)."""
    return _over(
        [
            ("rotatable bonds", rdMolDescriptors.CalcNumRotatableBonds(mol), 10),
            ("polar surface area", round(rdMolDescriptors.CalcTPSA(mol), 1), 140),
        ]
    )


for _name, _rule in (("lipinski", lipinski), ("veber", veber)):
    FILTERS.add(_name, _rule)
for _catalog_name in (
    "PAINS",  # assay interference; Baell and Holloway 2010
    "BRENK",  # unwanted in leads; Brenk 2008
    "NIH",  # reactive or unwanted; Doveston 2015, Jadhav 2010
    "ZINC",  # drug-likeness and unwanted groups of ZINC
    "CHEMBL",  # all of the seven sets below
    "CHEMBL_BMS",
    "CHEMBL_Dundee",
    "CHEMBL_Glaxo",
    "CHEMBL_Inpharmatica",
    "CHEMBL_LINT",
    "CHEMBL_MLSMR",
    "CHEMBL_SureChEMBL",
):
    FILTERS.add(_catalog_name.lower(), partial(_matches, catalog=_catalog_name))
