"""The filter 'unstable' rejects unstable molecules, and no ordinary ones."""

import pytest

from molvae.chemistry.filters import UNSTABLE, filter_reasons
from molvae.chemistry.molecule import parse

EXAMPLES = {
    "peroxide": "CCOOC",
    "acyl halide": "CCC(=O)Cl",
    "sulfonyl chloride, bromide or iodide": "CS(=O)(=O)Cl",
    "nitrogen-halogen bond": "CN(C)Br",
    "oxygen-halogen bond": "CCOF",
    "sulfur-halogen bond": "CSCl",
    "phosphorus-halogen bond": "CP(C)Cl",
    "halogen with several bonds": "CI(Cl)Cl",
    "sulfurane": "CS(C)(C)C",
    "sulfenic acid or ester": "CSOC",
    "open-chain hemiaminal": "CC(O)NC",
    "open-chain hemiacetal": "CC(O)OC",
    "geminal diamine": "CC(N)NC",
    "halogen beside an amine or alcohol": "CC(Cl)N(C)C",
    "enol": "CC=C(C)O",
    "enamine with hydrogen": "CC=C(C)N",
    "imine with hydrogen": "CC(C)=N",
    "chain of three nitrogens": "CN(C)N(C)N(C)C",
    "chain of three oxygens or sulfurs": "CSSSC",
    "diazonium or diazo group": "CC(C)=[N+]=[N-]",
    "ketene or heterocumulene": "CC=C=O",
    "thioaldehyde": "CCC=S",
    "mixed anhydride": "CC(=O)OC(C)=O",
    "charged carbon": "C[C+](C)C",
    "triple bond or cumulene in a small ring": "C1CCC#CC1",
    "cyclopropene or cyclobutadiene": "CC1=CC1",
}
DRUGS = [
    "CC(=O)Oc1ccccc1C(=O)O",
    "COc1ccc2nc(S(=O)Cc3ncc(C)c(OC)c3C)[nH]c2c1",
    "NC(=N)N/N=C/c1c(Cl)cccc1Cl",
    "C#CCN(C)CC(C)(C)c1ccccc1",
    "OCC1OC(O)C(O)C(O)C1O",
    "CC1(C)SC2C(NC(=O)Cc3ccccc3)C(=O)N2C1C(=O)O",
    "O=C1CC(C(=O)O)CN1c1ccc(S(N)(=O)=O)cc1",
    "CC(=O)C=C(C)O",
]


def test_every_group_has_an_example():
    assert EXAMPLES.keys() == UNSTABLE.keys()


@pytest.mark.parametrize(("name", "smiles"), EXAMPLES.items())
def test_unstable_groups_are_named(name, smiles):
    assert f"unstable: {name}" in filter_reasons(parse(smiles), ["unstable"])


@pytest.mark.parametrize("smiles", DRUGS)
def test_ordinary_molecules_pass(smiles):
    assert filter_reasons(parse(smiles), ["unstable"]) == ()
