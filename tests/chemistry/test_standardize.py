from __future__ import annotations

import pytest
from hypothesis import assume, given, settings

from molvae.chemistry.molecule import Invalid, Molecule, parse
from molvae.chemistry.standardize import inchikey, standardization, standardize
from molvae.errors import UnknownNameError
from tests.strategies import reordered, smiles


@pytest.mark.parametrize(
    ("text", "standard"),
    [
        ("[Na+].CC(=O)[O-]", "CC(=O)O"),
        ("C[NH+](C)C.[Cl-]", "CN(C)C"),
        ("CN(=O)=O", "C[N+](=O)[O-]"),
        ("CS(C)=O", "C[S+](C)[O-]"),
        ("C[N+](C)(C)C.[Br-]", "C[N+](C)(C)C"),
        ("[CH3:1][CH2:2]O", "CCO"),
        ("O.O.O.CCN", "CCN"),
        ("[NH3+]CC(=O)[O-]", "NCC(=O)O"),
        ("CC(=O)O[Na]", "CC(=O)O"),
    ],
)
def test_basic(text, standard):
    assert standardize(parse(text)).smiles == standard


@pytest.mark.parametrize(
    "text",
    ["OC(=O)C[C@H](N)C", "CS(=O)(=O)c1cc[nH]c1", "C[N+](=O)[O-]", "C/C=C/Cl", "Cn1ccnc1Sc1ccco1"],
)
def test_what_is_standard_already_comes_back_as_it_is(text):
    """The fast path agrees with the full one, which is taken if the molecule has a salt."""
    molecule = parse(text)
    assert standardize(molecule).smiles == molecule.smiles
    assert standardize(parse(f"{text}.[Na+].[Cl-]")).smiles == molecule.smiles


MEGLUMINE = "CNC[C@H](O)[C@@H](O)[C@H](O)[C@H](O)CO"
LACTOBIONATE = "OC[C@H]1O[C@@H](O[C@@H]([C@H](O)[C@@H](O)C(=O)O)[C@H](O)CO)[C@H](O)[C@@H](O)[C@H]1O"
DOCUSATE = "CCCCC(CC)COC(=O)CC(C(=O)OCC(CC)CCCC)S(=O)(=O)O"
PAMOATE = "OC(=O)c1cc2ccccc2c(Cc2c(O)c(C(=O)O)cc3ccccc23)c1O"


@pytest.mark.parametrize(
    ("drug", "counter_ion"),
    [
        ("O=C(O)c1ccc2nc(-c3cc(Cl)cc(Cl)c3)oc2c1", MEGLUMINE),  # tafamidis
        ("CC(CCc1ccc(O)cc1)NCCc1ccc(O)c(O)c1", LACTOBIONATE),  # dobutamine
        ("C[C@@H]1O[C@@H]1P(=O)(O)O", "NC(CO)(CO)CO"),  # fosfomycin trometamol
        ("NCCS", "OC(=O)C(O)C(O)C(=O)O"),  # cysteamine bitartrate
        ("O=C(O)c1cccnc1N", "C1CCC(CC1)NC1CCCCC1"),  # a dicyclohexylamine salt
        ("O=C(O)c1cccnc1N", "CCCC[N+](CCCC)(CCCC)CCCC"),  # a tetrabutylammonium salt
        ("CN(C)C(=N)NC(=N)N", PAMOATE),  # metformin
        ("CC(C)NCC(O)COc1cccc2ccccc12", DOCUSATE),  # propranolol
        ("CN1CCC[C@H]1c1cccnc1", "CCCCCCCCCCCCCCCCCC(=O)O"),  # nicotine stearate
        ("Cn1c(=O)c2[nH]cnc2n(C)c1=O", "C[N+](C)(C)CCO"),  # oxtriphylline
    ],
)
def test_the_drug_is_kept_and_not_the_larger_counter_ion(drug, counter_ion):
    for record in (f"{drug}.{counter_ion}.O", f"[Na+].{counter_ion}.{drug}"):
        done = standardization(record)
        assert done.molecule == standardize(drug)
        assert done.doubt == ""


@pytest.mark.parametrize(
    ("record", "kept", "doubt"),
    [
        ("C1CNCCN1.OC(=O)CC(O)(CC(=O)O)C(=O)O", "O=C(O)CC(O)(CC(=O)O)C(=O)O", "a mixture of 2 molecules"),
        ("CC(=O)Nc1ccccc1.CN1CCCC1=S", "CC(=O)Nc1ccccc1", "a mixture of 2 molecules"),
        ("C[C@H](N)Cc1ccccc1.C[C@@H](N)Cc1ccccc1", "C[C@@H](N)Cc1ccccc1", "a mixture of 2 molecules"),
        ("C[C@H](N)Cc1ccccc1.C[C@H]([NH3+])Cc1ccccc1.[Cl-]", "C[C@H](N)Cc1ccccc1", ""),
        ("[Na+].[O-]S([O-])(=O)=O.[Na+]", "O=S(=O)(O)O", "inorganic"),
        ("CCO.[Na+].[OH-]", "CCO", ""),
    ],
)
def test_what_is_doubtful_about_a_record_is_said(record, kept, doubt):
    done = standardization(record)
    assert done.molecule.smiles == kept
    assert done.doubt.startswith(doubt)
    assert bool(done.doubt) == bool(doubt)


@pytest.mark.parametrize(
    "racemate",
    [
        "CC(O)(C(=O)O)[C@@H](CC(=O)O)C(=O)O.CC(O)(C(=O)O)[C@H](CC(=O)O)C(=O)O",
        "CC1(C)Oc2ccc(C#N)cc2[C@@H](N2CCCC2=O)[C@@H]1O.CC1(C)Oc2ccc(C#N)cc2[C@H](N2CCCC2=O)[C@H]1O",
        "N[C@@H](C(=O)O)[C@@H](OCc1ccccc1)C(=O)O.N[C@H](C(=O)O)[C@H](OCc1ccccc1)C(=O)O",
    ],
)
def test_of_two_enantiomers_the_same_is_kept_however_they_are_written(racemate):
    written = [reordered(parse(racemate), seed) for seed in range(1, 61)]
    assert len({standardize(molecule).smiles for molecule in written}) == 1


@pytest.mark.parametrize(
    "drawings",
    [
        (
            "C[N+](C)(C)CC(=O)[O-]",
            "C[N+](C)(C)CC(=O)O",
            "C[N+](C)(C)CC(=O)O.[Cl-]",
            "C[N+](C)(C)CC(=O)[O-].Cl",
        ),
        ("C[N+](C)(C)CP(=O)([O-])O", "C[N+](C)(C)CP(=O)(O)O", "[Na+].C[N+](C)(C)CP(=O)([O-])[O-]"),
        ("C[n+]1cccc(C(=O)[O-])c1", "C[n+]1cccc(C(=O)O)c1", "C[n+]1cccc(C(=O)O)c1.[I-]"),
        (
            "C[N+](C)(CC(=O)[O-])CS(=O)(=O)O",
            "C[N+](C)(CC(=O)O)CS(=O)(=O)[O-]",
            "C[N+](C)(CC(=O)O)CS(=O)(=O)O.[Br-]",
        ),
        ("CS(C)=O", "C[S+](C)[O-]"),
        ("CN(=O)=O", "C[N+](=O)[O-]"),
        ("CN=N#N", "C[N-][N+]#N", "CN=[N+]=[N-]"),
        ("C=[N+]=[N-]", "[CH2-][N+]#N", "C=[N]#N"),
        ("CN1C=CC=CC1=O.[K+].[OH-]", "Cn1ccccc1=O"),
    ],
)
def test_the_drawings_of_a_compound_have_one_form(drawings):
    forms = {standardize(text).smiles for text in drawings}
    assert len(forms) == 1
    assert standardize(forms.pop()).smiles in {standardize(text).smiles for text in drawings}


@pytest.mark.parametrize(
    "text",
    [
        "[O-]c1c[n+](no1)-c1ccccc1",  # phenylsydnone
        "CCOC(=O)[N-]c1c[n+](N2CCOCC2)no1",  # molsidomine
        "[NH-]c1c[n+](no1)N1CCOCC1",  # linsidomine
        "CC(C)[n+]1cc([O-])on1",
        "CCCN(C(=O)C[c-]1cccc1)C",
    ],
)
def test_a_readable_molecule_stays_readable(text):
    done = standardization(text)
    assert isinstance(done.molecule, Molecule)
    assert parse(done.molecule.smiles) == done.molecule
    assert standardize(done.molecule.smiles) == done.molecule


def test_a_step_that_makes_a_molecule_unreadable_is_left_out_and_named():
    done = standardization("CCCN(C(=O)C[c-]1cccc1)C.[Na+]")
    assert done.changed == ("main fragment",)
    assert done.left_out == ("charges",)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("N.N.Cl[Pt]Cl", "organometallic or inorganic (Pt)"),  # cisplatin
        ("[NH3+][Pt-2](Cl)(Cl)[NH3+]", "organometallic or inorganic (Pt)"),
        ("N.N.[Cl-].[Cl-].[Pt+2]", "organometallic or inorganic (Pt)"),
        ("[Fe+2].c1cc[cH-]c1.c1cc[cH-]c1", "organometallic or inorganic (Fe)"),  # ferrocene
        ("C[Mg]Br", "organometallic or inorganic (Mg)"),
        ("CC[Hg]Sc1ccccc1C(=O)O", "organometallic or inorganic (Hg)"),  # thiomersal
        ("CC(=O)O[Zn]OC(C)=O.N[Pt]N", "organometallic or inorganic (Pt)"),
        ("CC1(C)CCCC(C)(C)N1[O]", "a radical (unpaired electron at O)"),  # TEMPO
        ("[CH2]CC", "a radical (unpaired electron at C)"),
        ("[N]=O", "a radical (unpaired electron at N)"),
    ],
)
def test_what_has_no_standard_form_is_refused_by_name(text, reason):
    refused = standardize(text)
    assert isinstance(refused, Invalid)
    assert refused.reason.startswith(reason)
    assert standardize(text, "none") == parse(text)


@pytest.mark.parametrize(
    "salt",
    ["CC(=O)O[Na]", "CC(=O)O[Ca]OC(C)=O", "CC(=O)[O-].CC(=O)[O-].[Zn+2]", "CC(=O)O[Al](OC(C)=O)OC(C)=O"],
)
def test_salts_of_metals_are_no_complexes(salt):
    assert standardize(salt).smiles == "CC(=O)O"


@pytest.mark.parametrize("anion", ["F[P-](F)(F)(F)(F)F", "F[B-](F)(F)c1ccccc1", "I[I-]I", "C[Si-](F)(F)(F)F"])
def test_saturated_anions_keep_their_charge(anion):
    assert standardize(f"[K+].{anion}.CCCC[N+](CCCC)(CCCC)CCCC") != standardize("[K+]")
    assert standardize(anion) == parse(anion)


def test_parent_drops_isotopes_and_settles_tautomers():
    assert standardize(parse("[2H]C([2H])([2H])O"), "parent").smiles == "CO"
    two = [standardize(parse(text), "parent") for text in ("Oc1ccccn1", "O=c1cccc[nH]1")]
    assert two[0] == two[1]
    assert standardize(parse("C[C@H](N)c1ccccc1"), "parent").smiles == "C[C@H](N)c1ccccc1"


def test_none_changes_nothing_but_stereo_when_asked():
    salt = parse("[Na+].C/C=C/[C@H](N)C(=O)[O-]")
    assert standardize(salt, "none") is salt
    flat = standardize(salt, "none", keep_stereo=False)
    assert flat.smiles == "CC=CC(N)C(=O)[O-].[Na+]"
    assert "@" in salt.smiles


@given(smiles())
@settings(max_examples=60)
def test_standardizing_twice_is_standardizing_once(text):
    for keep_stereo in (True, False):
        once = standardize(parse(text), keep_stereo=keep_stereo)
        assume(isinstance(once, Molecule) or "radical" not in once.reason)
        assert isinstance(once, Molecule)
        assert standardize(once, keep_stereo=keep_stereo) == once


def test_unknown_levels_are_errors():
    with pytest.raises(UnknownNameError, match="did you mean 'basic'"):
        standardize(parse("C"), "basics")


def test_inchikeys():
    assert inchikey(parse("Oc1ccccn1")) == inchikey(parse("O=c1cccc[nH]1"))
    assert inchikey(parse("C[C@H](N)O")) != inchikey(parse("C[C@@H](N)O"))
    assert inchikey(parse("C->[Pt]")) != inchikey(parse("N->[Pt]"))  # InChI has no dative bonds
