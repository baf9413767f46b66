"""Filters with reasons: RDKit's catalogs, rules of thumb on properties, and the MOSES filters."""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from rdkit import Chem, DataStructs, rdBase
from rdkit.Chem import Crippen, Descriptors, Mol, MolFromSmarts, rdMolDescriptors
from rdkit.Chem.FilterCatalog import FilterCatalog, FilterCatalogParams

from molvae.chemistry.charges import drawn_neutral
from molvae.errors import InputError
from molvae.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

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
        mol = drawn_neutral(molecule.mol)  # no filter sees the charges of a sulfoxide
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
    """The rule of five (Lipinski 1997); a single violation is a reason."""
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


UNSTABLE = {
    "peroxide": "[OX2][OX2]",
    "acyl halide": "[CX3](=[OX1])[F,Cl,Br,I]",
    "sulfonyl chloride, bromide or iodide": "[SX4](=[OX1])(=[OX1])[Cl,Br,I]",
    "nitrogen-halogen bond": "[#7][F,Cl,Br,I]",
    "oxygen-halogen bond": "[OX2][F,Cl,Br,I]",
    "sulfur-halogen bond": "[SX2,SX3;!$(S(=O)=O)][F,Cl,Br,I]",
    "phosphorus-halogen bond": "[#15][F,Cl,Br,I]",
    "halogen with several bonds": "[F,Cl,Br,I;X2,X3,X4]",
    "sulfurane": "[SX4;!$(S=[O,N,S])]",
    "sulfenic acid or ester": "[SX2][OX2]",
    "open-chain hemiaminal": "[CX4;!R]([OX2H])[NX3;!$(N[C,S]=[O,S,N])]",
    "open-chain hemiacetal": "[CX4;!R]([OX2H])[OX2;!$(OC=O)]",
    "geminal diamine": "[CX4;!R]([NX3;H2])[NX3;!$(N[C,S]=[O,S,N])]",
    "halogen beside an amine or alcohol": "[CX4]([Cl,Br,I])[NX3,OX2H;!$(N[C,S]=[O,S,N])]",
    "enol": "[OX2H][CX3;!R]=[CX3;!$(C[CX3]=[OX1]);!$(CC#N)]",
    "enamine with hydrogen": "[NX3;H2][CX3;!R]=[CX3;!$(C[C,S,N]=[OX1,N]);!$(CC#N);!$(C=N)]",
    "imine with hydrogen": "[CX3;!$(C[N,O,S,n])]=[NX2H1]",
    "chain of three nitrogens": "[NX3;!R][NX3;!R][NX3;!R]",
    "chain of three oxygens or sulfurs": "[O,S;X2;!R][O,S;X2;!R][O,S;X2;!R]",
    "diazonium or diazo group": "[#6]=,-[N+]#,=[N;!$(N-*)]",
    "ketene or heterocumulene": "[CX3,CX2]=[CX2]=[O,S,N]",
    "thioaldehyde": "[CX3;H1,H2]=[SX1]",
    "mixed anhydride": "[CX3](=[OX1])[OX2][CX3](=[OX1])",
    "charged carbon": "[#6;+,-;!$([#6-]#[N+])]",
    "triple bond or cumulene in a small ring": "[r3,r4,r5,r6,r7]#[r]",
    "cyclopropene or cyclobutadiene": "[CX3;r3]=[CX3;r3]",
}
"""SMARTS of unstable or very reactive groups by name, for proposals; a few drugs have one (artemisinin)."""


def unstable(mol: Mol) -> tuple[str, ...]:
    """Names of the unstable or reactive groups of a molecule, see `UNSTABLE`."""
    return tuple(name for name, pattern in _unstable_patterns() if mol.HasSubstructMatch(pattern))


@cache
def _unstable_patterns() -> tuple[tuple[str, Any], ...]:
    return tuple((name, MolFromSmarts(smarts)) for name, smarts in UNSTABLE.items())


for _name, _rule in (("lipinski", lipinski), ("veber", veber), ("unstable", unstable)):
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


ALERT_FILES = ("mcf.csv", "wehi_pains.csv")
"""The 22 medicinal-chemistry and 480 PAINS alerts of MOSES: columns names, smarts; and smarts, name."""

_ELEMENTS = frozenset({"C", "N", "S", "O", "F", "Cl", "Br", "H"})
_LARGEST_RING = 7
_SCREEN_BITS = 1024


def moses_reasons(molecule: Molecule, alerts: Path | None = None) -> tuple[str, ...]:
    """Why the MOSES filters refuse a molecule; empty when it passes (Polykovskiy 2020).

    No ring of eight or more atoms, no formal charge (those of a sulfoxide do not count), only C N S O F Cl Br
    H, and none of the alerts, which are matched with all hydrogens explicit.

    Alerts are read from a directory of `ALERT_FILES`. Without it, RDKit's PAINS catalog is used, which
    has the 480 PAINS alerts but not the 22 of medicinal chemistry.

    Raises:
        InputError: The files are missing or not alerts.

    >>> from molvae.chemistry.molecule import parse
    >>> moses_reasons(parse("C1CCCCCCC1"))
    ('a ring of 8 atoms',)
    >>> moses_reasons(parse("C[N+](C)(C)CI"))
    ('charged', 'element I')
    """
    mol = drawn_neutral(molecule.mol)
    found = list(_simple_reasons(mol))
    if alerts is None:
        return (*found, *filter_reasons(molecule, ["pains"]))
    with rdBase.BlockLogs():
        explicit = Chem.AddHs(mol)
        bits = Chem.PatternFingerprint(explicit, _SCREEN_BITS)
        return (*found, *_alert_names(explicit, bits, alerts))


def _simple_reasons(mol: Chem.Mol) -> Iterator[str]:
    rings = [len(ring) for ring in mol.GetRingInfo().AtomRings()]
    if rings and max(rings) > _LARGEST_RING:
        yield f"a ring of {max(rings)} atoms"
    if any(atom.GetFormalCharge() for atom in mol.GetAtoms()):
        yield "charged"
    symbols = {atom.GetSymbol() for atom in mol.GetAtoms()}
    yield from (f"element {symbol}" for symbol in sorted(symbols - _ELEMENTS))


def _alert_names(mol: Chem.Mol, bits: Any, directory: Path) -> Iterator[str]:
    # The bits of a pattern are among those of every molecule it matches, so few need the slow match.
    for name, query, query_bits in _alerts(directory):
        if DataStructs.AllProbeBitsMatch(query_bits, bits) and mol.HasSubstructMatch(query):
            yield name


@cache
def _alerts(directory: Path) -> tuple[tuple[str, Any, Any], ...]:
    alerts = []
    for name, smarts in _read(directory):
        with rdBase.BlockLogs():
            query = Chem.MolFromSmarts(smarts)
        if query is None:
            raise InputError(f"the alert '{name}' in {directory} is not SMARTS: {smarts[:80]}")
        alerts.append((name, query, Chem.PatternFingerprint(query, _SCREEN_BITS)))
    return tuple(alerts)


def _read(directory: Path) -> Iterator[tuple[str, str]]:
    medicinal, pains = (directory / name for name in ALERT_FILES)
    try:
        with medicinal.open(encoding="utf-8", newline="") as file:
            yield from ((row["names"].strip(), row["smarts"].strip()) for row in csv.DictReader(file))
        with pains.open(encoding="utf-8", newline="") as file:
            for smarts, name in csv.reader(file):
                yield name.strip(' "<>').removeprefix("regId="), smarts.strip()
    except (OSError, KeyError, ValueError, AttributeError, csv.Error) as error:
        raise InputError(
            f"cannot read the alerts of {directory}: {error}",
            hint=f"It must hold {' and '.join(ALERT_FILES)} as in the MOSES repository.",
        ) from None
