"""A core with attachment points grows only there."""

import pytest

from molvae.chemistry.molecule import parse
from molvae.chemistry.substructure import contains, core_molecule, core_pattern
from molvae.errors import UsageError

PYRIDINE, LINKED = "[*:1]c1ccncc1", "[*:1]Nc1nccc([*:2])n1"


@pytest.mark.parametrize(
    ("core", "smiles", "kept"),
    [
        (PYRIDINE, "CCc1ccncc1", True),
        (PYRIDINE, "c1ccncc1", True),  # nothing has to grow
        (PYRIDINE, "CCc1ccnc(C)c1", False),
        (PYRIDINE, "c1ccc2cnccc2c1", False),
        (LINKED, "COc1ccnc(Nc2ccccc2)n1", True),
        (LINKED, "COc1nc(Nc2ccccc2)ncc1C", False),
        (LINKED, "CN(C)c1nccc(C)n1", True),
        ("[*:1]S(=O)(=O)N[*:2]", "CS(=O)(=O)NC", True),
        ("[*:1]C[N+](=O)[O-]", "OCC[N+](=O)[O-]", True),
        ("c1ccncc1", "Cc1ccc2ncccc2c1", True),  # without points, wherever its atoms and bonds are
        ("[OH]c1ccc([F,Cl])cc1", "Oc1ccc(Cl)cc1", True),
        ("[OH]c1ccc([F,Cl])cc1", "COc1ccc(Cl)cc1", False),
    ],
)
def test_where_a_core_is_kept(core, smiles, kept):
    assert contains(parse(smiles), core_pattern(core)) is kept


@pytest.mark.parametrize("core", ["*=C", "C*C", "c1cc(", ""])
def test_an_invalid_core_is_an_error_that_quotes_it(core):
    with pytest.raises(UsageError):
        core_pattern(core)


@pytest.mark.parametrize(
    ("core", "smiles"),
    [
        (LINKED, "Nc1ncccn1"),
        ("[*:1]c1cc2cc[nH]c2cc1", "c1ccc2[nH]ccc2c1"),  # the pattern does not say where the hydrogen is
        ("[*:1]n1cc[n+](C)c1", "C[n+]1cc[nH]c1"),
        ("[*:1]C[N+](=O)[O-]", "C[N+](=O)[O-]"),
        ("c1ccncc1", "c1ccncc1"),
        ("[OH]c1ccc([F,Cl])cc1", None),
        ("[#7]~[#6]", None),
    ],
)
def test_a_core_as_a_molecule(core, smiles):
    found = core_molecule(core_pattern(core))
    assert (None if found is None else found.smiles) == smiles
