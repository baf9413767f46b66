"""Salts, solvents and metals: find the main fragment, refuse what has no standard form."""

from __future__ import annotations

import re
from functools import cache, lru_cache

from rdkit import Chem
from rdkit.Chem import Descriptors

from molvae.chemistry.charges import uncharged

_NOT_METALS = frozenset(
    {0, 1, 2, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 32, 33, 34, 35, 36, 52, 53, 54, 85, 86}
)
_ALKALINE = frozenset({3, 11, 19, 37, 55, 4, 12, 20, 38, 56})
_IN_SALTS = _ALKALINE | {13, 30, 47, 83}
"""Metals whose ions go with organic acids as mere counter-ions: alkali, alkaline earth, Al, Zn, Ag, Bi."""
_IN_SALT_BONDS = frozenset({7, 8, 9, 16, 17, 35, 53})
_OXYGEN = 8
_FRAMEWORK = Chem.MolFromSmarts("[$([#6]~[#6]),$([#6;!H0])]")


def why_refused(mol: Chem.Mol) -> str:
    """Why a molecule has no standard form, "" if it has one.

    A complex would become its ligand (cisplatin ammonia), so it is refused; a salt of sodium would not.

    >>> why_refused(Chem.MolFromSmiles("N.N.Cl[Pt]Cl"))
    'organometallic or inorganic (Pt)'
    >>> why_refused(Chem.MolFromSmiles("CC(=O)O[Na]"))
    ''
    """
    metals = [atom for atom in mol.GetAtoms() if is_metal(atom)]
    bound = sorted({atom.GetSymbol() for atom in metals if not _is_counter_ion(atom)})
    if bound:
        return f"organometallic or inorganic ({', '.join(bound)})"
    for atom in mol.GetAtoms():
        if atom.GetNumRadicalElectrons() and not is_metal(atom):
            return f"a radical (unpaired electron at {atom.GetSymbol()})"
    return ""


def is_metal(atom: Chem.Atom) -> bool:
    """Whether an atom is a metal; wildcards are not."""
    return atom.GetAtomicNum() not in _NOT_METALS


def has_framework(mol: Chem.Mol) -> bool:
    """Whether there is a carbon with a hydrogen or another carbon: carbonates and cyanides have none."""
    return bool(mol.HasSubstructMatch(_FRAMEWORK))


def _is_counter_ion(atom: Chem.Atom) -> bool:
    """Whether a metal atom is an ion, or bound only as salts are drawn: `CC(=O)O[Na]`, not `C[Mg]Br`."""
    number = atom.GetAtomicNum()
    if number not in _IN_SALTS:
        return False
    for bond in atom.GetBonds():
        other = bond.GetOtherAtom(atom).GetAtomicNum()
        chelated = bond.IsInRing() and not (number in _ALKALINE and other == _OXYGEN)
        if other not in _IN_SALT_BONDS or chelated:
            return False
    return True


_KNOWN = """
water O | hydrogen peroxide OO | ammonia N | hydrogen fluoride F | hydrogen chloride Cl | hydrogen bromide Br
hydrogen iodide I | nitric acid O[N+](=O)[O-] | nitrous acid ON=O | sulfuric acid OS(=O)(=O)O
sulfurous acid OS(=O)O | thiosulfuric acid OS(=O)(=O)S | sulfamic acid NS(=O)(=O)O
phosphoric acid OP(=O)(O)O | phosphorous acid OP(O)O | phosphonic acid O[PH](=O)O
hypophosphorous acid O[PH2]=O | pyrophosphoric acid OP(=O)(O)OP(=O)(O)O | carbonic acid OC(=O)O
carbon dioxide O=C=O | boric acid OB(O)O | perchloric acid O[Cl](=O)(=O)=O | chloric acid OCl(=O)=O
hydrogen cyanide C#N | thiocyanic acid SC#N | isothiocyanic acid N=C=S | hydrazoic acid N=[N+]=[N-]
silicic acid O[Si](O)(O)O | tetrafluoroborate F[B-](F)(F)F | hexafluorophosphate F[P-](F)(F)(F)(F)F
hexafluoroantimonate F[Sb-](F)(F)(F)(F)F | triiodide I[I-]I | selenious acid O[Se](O)=O
tetraphenylborate c1ccccc1[B-](c1ccccc1)(c1ccccc1)c1ccccc1 | hydroxylamine NO | hydrazine NN

methanol CO | ethanol CCO | propanol CCCO | isopropanol CC(C)O | butanol CCCCO | isobutanol CC(C)CO
sec-butanol CCC(C)O | tert-butanol CC(C)(C)O | ethylene glycol OCCO | propylene glycol CC(O)CO
butylene glycol CC(O)CCO | glycerol OCC(O)CO | acetone CC(C)=O | butanone CCC(C)=O | acetonitrile CC#N
ethyl acetate CCOC(C)=O | isopropyl acetate CC(C)OC(C)=O | methyl acetate COC(C)=O | butyl acetate CCCCOC(C)=O
diethyl ether CCOCC | diisopropyl ether CC(C)OC(C)C | methyl tert-butyl ether COC(C)(C)C
cyclopentyl methyl ether COC1CCCC1 | dimethoxyethane COCCOC | methoxyethanol COCCO | ethoxyethanol CCOCCO
tetrahydrofuran C1CCOC1 | methyltetrahydrofuran CC1CCCO1 | dioxane C1COCCO1 | dichloromethane ClCCl
chloroform ClC(Cl)Cl | carbon tetrachloride ClC(Cl)(Cl)Cl | dichloroethane ClCCCl | dimethyl sulfoxide CS(C)=O
dimethylformamide CN(C)C=O | dimethylacetamide CN(C)C(C)=O | formamide NC=O | N-methylpyrrolidone CN1CCCC1=O
pentane CCCCC | hexane CCCCCC | heptane CCCCCCC | cyclohexane C1CCCCC1 | benzene c1ccccc1 | toluene Cc1ccccc1
xylene Cc1ccccc1C | xylene Cc1cccc(C)c1 | xylene Cc1ccc(C)cc1 | anisole COc1ccccc1 | chlorobenzene Clc1ccccc1
nitromethane C[N+](=O)[O-] | pyridine c1ccncc1 | trifluoroethanol OCC(F)(F)F
hexafluoroisopropanol OC(C(F)(F)F)C(F)(F)F

formic acid OC=O | acetic acid CC(=O)O | trifluoroacetic acid OC(=O)C(F)(F)F | chloroacetic acid OC(=O)CCl
dichloroacetic acid OC(=O)C(Cl)Cl | trichloroacetic acid OC(=O)C(Cl)(Cl)Cl | propionic acid CCC(=O)O
butyric acid CCCC(=O)O | isobutyric acid CC(C)C(=O)O | pivalic acid CC(C)(C)C(=O)O | hexanoic acid CCCCCC(=O)O
enanthic acid CCCCCCC(=O)O | octanoic acid CCCCCCCC(=O)O | 2-ethylhexanoic acid CCCCC(CC)C(=O)O
decanoic acid CCCCCCCCCC(=O)O | undecylenic acid C=CCCCCCCCCC(=O)O | lauric acid CCCCCCCCCCCC(=O)O
myristic acid CCCCCCCCCCCCCC(=O)O | palmitic acid CCCCCCCCCCCCCCCC(=O)O | stearic acid CCCCCCCCCCCCCCCCCC(=O)O
oleic acid CCCCCCCCC=CCCCCCCCC(=O)O | sorbic acid CC=CC=CC(=O)O | linoleic acid CCCCCC=CCC=CCCCCCCCC(=O)O
arachidic acid CCCCCCCCCCCCCCCCCCCC(=O)O | behenic acid CCCCCCCCCCCCCCCCCCCCCC(=O)O | glycolic acid OCC(=O)O
lactic acid CC(O)C(=O)O | glyoxylic acid OC(=O)C=O | pyruvic acid CC(=O)C(=O)O | levulinic acid CC(=O)CCC(=O)O
hydroxybutyric acid CC(O)CC(=O)O | oxalic acid OC(=O)C(=O)O | malonic acid OC(=O)CC(=O)O
succinic acid OC(=O)CCC(=O)O | glutaric acid OC(=O)CCCC(=O)O | adipic acid OC(=O)CCCCC(=O)O
pimelic acid OC(=O)CCCCCC(=O)O | azelaic acid OC(=O)CCCCCCCC(=O)O | sebacic acid OC(=O)CCCCCCCCC(=O)O
maleic or fumaric acid OC(=O)C=CC(=O)O | malic acid OC(=O)CC(O)C(=O)O | tartaric acid OC(=O)C(O)C(O)C(=O)O
2-oxoglutaric acid OC(=O)CCC(=O)C(=O)O | citric acid OC(=O)CC(O)(CC(=O)O)C(=O)O
aconitic acid OC(=O)CC(C(=O)O)=CC(=O)O | gluconic acid OCC(O)C(O)C(O)C(O)C(=O)O
glucoheptonic acid OCC(O)C(O)C(O)C(O)C(O)C(=O)O | glucaric or mucic acid OC(=O)C(O)C(O)C(O)C(O)C(=O)O
glucuronic acid OC1OC(C(O)C(O)C1O)C(=O)O | glucuronic acid O=CC(O)C(O)C(O)C(O)C(=O)O
lactobionic acid OCC1OC(OC(C(O)CO)C(O)C(O)C(=O)O)C(O)C(O)C1O | ascorbic acid OCC(O)C1OC(=O)C(O)=C1O
quinic acid OC1CC(O)(CC(O)C1O)C(=O)O | orotic acid OC(=O)c1cc(=O)[nH]c(=O)[nH]1
dibenzoyltartaric acid OC(=O)C(OC(=O)c1ccccc1)C(OC(=O)c1ccccc1)C(=O)O
ditoluoyltartaric acid Cc1ccc(cc1)C(=O)OC(C(OC(=O)c1ccc(C)cc1)C(=O)O)C(=O)O
camphoric acid CC1(C)C(C(=O)O)CCC1(C)C(=O)O | benzoic acid OC(=O)c1ccccc1 | salicylic acid OC(=O)c1ccccc1O
4-hydroxybenzoic acid OC(=O)c1ccc(O)cc1 | gentisic acid OC(=O)c1cc(O)ccc1O
gallic acid OC(=O)c1cc(O)c(O)c(O)c1 | 4-aminobenzoic acid Nc1ccc(cc1)C(=O)O
4-aminosalicylic acid Nc1ccc(C(=O)O)c(O)c1 | 4-acetamidobenzoic acid CC(=O)Nc1ccc(cc1)C(=O)O
anthranilic acid Nc1ccccc1C(=O)O | anisic acid COc1ccc(cc1)C(=O)O | 4-chlorobenzoic acid OC(=O)c1ccc(Cl)cc1
nitrobenzoic acid OC(=O)c1ccc(cc1)[N+](=O)[O-] | phthalic acid OC(=O)c1ccccc1C(=O)O
terephthalic acid OC(=O)c1ccc(cc1)C(=O)O | nicotinic acid OC(=O)c1cccnc1 | isonicotinic acid OC(=O)c1ccncc1
mandelic acid OC(=O)C(O)c1ccccc1 | phenylacetic acid OC(=O)Cc1ccccc1 | cinnamic acid OC(=O)C=Cc1ccccc1
hydrocinnamic acid OC(=O)CCc1ccccc1 | cypionic acid OC(=O)CCC1CCCC1 | hippuric acid OC(=O)CNC(=O)c1ccccc1
xinafoic acid OC(=O)c1ccc2ccccc2c1O | naphthoic acid OC(=O)c1ccc2ccccc2c1
3-hydroxy-2-naphthoic acid OC(=O)c1cc2ccccc2cc1O | triphenylacetic acid OC(=O)C(c1ccccc1)(c1ccccc1)c1ccccc1
pamoic acid OC(=O)c1cc2ccccc2c(Cc2c(O)c(cc3ccccc23)C(=O)O)c1O
picric acid Oc1c(cc(cc1[N+](=O)[O-])[N+](=O)[O-])[N+](=O)[O-]
fendizoic acid OC(=O)c1ccccc1C(=O)c1ccc(O)c(c1)-c1ccccc1 | hybenzic acid OC(=O)c1ccccc1C(=O)c1ccc(O)cc1
pyroglutamic acid OC(=O)C1CCC(=O)N1 | N-acetylglycine CC(=O)NCC(=O)O | phenol Oc1ccccc1
resorcinol Oc1cccc(O)c1 | saccharin O=C1NS(=O)(=O)c2ccccc12 | acesulfame CC1=CC(=O)NS(=O)(=O)O1
cyclamic acid OS(=O)(=O)NC1CCCCC1 | 8-chlorotheophylline Cn1c(=O)c2[nH]c(Cl)nc2n(C)c1=O

methanesulfonic acid CS(=O)(=O)O | ethanesulfonic acid CCS(=O)(=O)O | isethionic acid OCCS(=O)(=O)O
taurine NCCS(=O)(=O)O | edisylic acid OS(=O)(=O)CCS(=O)(=O)O | triflic acid OS(=O)(=O)C(F)(F)F
benzenesulfonic acid OS(=O)(=O)c1ccccc1 | toluenesulfonic acid Cc1ccc(cc1)S(=O)(=O)O
closylic acid OS(=O)(=O)c1ccc(Cl)cc1 | xylenesulfonic acid Cc1ccc(C)c(c1)S(=O)(=O)O
naphthalene-2-sulfonic acid OS(=O)(=O)c1ccc2ccccc2c1 | naphthalene-1-sulfonic acid OS(=O)(=O)c1cccc2ccccc12
naphthalene-1,5-disulfonic acid OS(=O)(=O)c1cccc2c(cccc12)S(=O)(=O)O
camphorsulfonic acid CC1(C)C2CCC1(CS(=O)(=O)O)C(=O)C2
bromocamphorsulfonic acid CC1(C)C2CCC1(CS(=O)(=O)O)C(=O)C2Br
hydroxynaphthoylsulfonic acid OC(=O)c1cc2ccccc2c(S(=O)(=O)O)c1O
sulfosalicylic acid OC(=O)c1cc(ccc1O)S(=O)(=O)O | methyl sulfate COS(=O)(=O)O | ethyl sulfate CCOS(=O)(=O)O
lauryl sulfate CCCCCCCCCCCCOS(=O)(=O)O | lauryl sulfonic acid CCCCCCCCCCCCS(=O)(=O)O
triflimide O=S(=O)(NS(=O)(=O)C(F)(F)F)C(F)(F)F | docusate CCCCC(CC)COC(=O)CC(C(=O)OCC(CC)CCCC)S(=O)(=O)O
8-chlorotheophylline Cn1c(=O)c2nc(Cl)[nH]c2n(C)c1=O
hydroxynaphthalenesulfonic acid OS(=O)(=O)c1ccc2cc(O)ccc2c1 | methylphosphonic acid CP(=O)(O)O
glycerophosphoric acid OCC(O)COP(=O)(O)O | glycerophosphoric acid OCC(CO)OP(=O)(O)O

methylamine CN | dimethylamine CNC | trimethylamine CN(C)C | ethylamine CCN | diethylamine CCNCC
triethylamine CCN(CC)CC | propylamine CCCN | isopropylamine CC(C)N | diisopropylamine CC(C)NC(C)C
diisopropylethylamine CCN(C(C)C)C(C)C | butylamine CCCCN | tert-butylamine CC(C)(C)N
tributylamine CCCCN(CCCC)CCCC | cyclohexylamine NC1CCCCC1 | dicyclohexylamine C1CCC(CC1)NC1CCCCC1
benzylamine NCc1ccccc1 | 1-phenylethylamine CC(N)c1ccccc1 | dibenzylamine c1ccc(CNCc2ccccc2)cc1
erbumine CC(C)(C)CN | hydrabamine CC(C)c1ccc2c(CCC3C(C)(CNCCNCC4(C)CCCC5(C)c6ccc(C(C)C)cc6CCC45)CCCC23C)c1
ethylenediamine NCCN | benzathine c1ccc(CNCCNCc2ccccc2)cc1 | hexamethylenediamine NCCCCCCN | ethanolamine NCCO
diethanolamine OCCNCCO | trolamine OCCN(CCO)CCO | deanol CN(C)CCO | diolamine CN(CCO)CCO
diethylaminoethanol CCN(CC)CCO | aminomethylpropanol CC(C)(N)CO | aminopropanol CC(N)CO
tromethamine NC(CO)(CO)CO | meglumine CNCC(O)C(O)C(O)C(O)CO | eglumine CCNCC(O)C(O)C(O)C(O)CO
glucamine NCC(O)C(O)C(O)C(O)CO | glucosamine NC1C(O)OC(CO)C(O)C1O | choline C[N+](C)(C)CCO
pyrrolidine C1CCNC1 | piperidine C1CCNCC1 | piperazine C1CNCCN1 | morpholine C1COCCN1 | epolamine OCCN1CCCC1
N-methylmorpholine CN1CCOCC1 | hydroxyethylmorpholine OCCN1CCOCC1 | N-methylpiperidine CN1CCCCC1
dimethylaminopyridine CN(C)c1ccncc1 | DBU C1CCC2=NCCCN2CC1 | DABCO C1CN2CCN1CC2 | imidazole c1cnc[nH]1
quinoline c1ccc2ncccc2c1 | lutidine Cc1cccc(C)n1 | picoline Cc1ccccn1 | aniline Nc1ccccc1 | guanidine NC(=N)N
procaine CCN(CC)CCOC(=O)c1ccc(N)cc1 | chloroprocaine CCN(CC)CCOC(=O)c1ccc(N)cc1Cl | urea NC(N)=O
tetramethylammonium C[N+](C)(C)C | tetraethylammonium CC[N+](CC)(CC)CC
tetrabutylammonium CCCC[N+](CCCC)(CCCC)CCCC | tetrapropylammonium CCC[N+](CCC)(CCC)CCC
benzyltrimethylammonium C[N+](C)(C)Cc1ccccc1
tetraphenylphosphonium c1ccc(cc1)[P+](c1ccccc1)(c1ccccc1)c1ccccc1
cinchonidine OC(C1CC2CCN1CC2C=C)c1ccnc2ccccc12
brucine COc1cc2N3C(=O)CC4OCC=C5CN6CCC7(C6CC5C4C37)c2cc1OC

glycine NCC(=O)O | alanine CC(N)C(=O)O | valine CC(C)C(N)C(=O)O | leucine CC(C)CC(N)C(=O)O
proline OC(=O)C1CCCN1 | serine NC(CO)C(=O)O | aspartic acid NC(CC(=O)O)C(=O)O
glutamic acid NC(CCC(=O)O)C(=O)O | asparagine NC(CC(N)=O)C(=O)O | glutamine NC(CCC(N)=O)C(=O)O
cysteine NC(CS)C(=O)O | lysine NCCCCC(N)C(=O)O | arginine N=C(N)NCCCC(N)C(=O)O
histidine NC(Cc1c[nH]cn1)C(=O)O | ornithine NCCCC(N)C(=O)O | phenylalanine NC(Cc1ccccc1)C(=O)O
tyrosine NC(Cc1ccc(O)cc1)C(=O)O | tryptophan NC(Cc1c[nH]c2ccccc12)C(=O)O | betaine C[N+](C)(C)CC(=O)[O-]
carnitine C[N+](C)(C)CC(O)CC(=O)[O-] | acetylleucine CC(=O)NC(CC(C)C)C(=O)O | sorbitol OCC(O)C(O)C(O)C(O)CO
xylitol OCC(O)C(O)C(O)CO | glucose OCC1OC(O)C(O)C(O)C1O
"""
"""Names and structures of what compounds are salts or solvates of, without stereochemistry. The kinds are
those of ChEMBL's list (Bento, J. Cheminform. 12, 51, 2020); names and structures are written down afresh."""


def main_fragment(mol: Chem.Mol) -> tuple[Chem.Mol, str]:
    """The fragment that a record is about, and what is doubtful about the choice ("" if nothing is).

    Known counter-ions, solvents and what has no carbon framework are set aside; of the rest the fragment with
    most heavy atoms is kept. If nothing is left, a known organic acid, base or solvent is kept, else an
    inorganic one. The choice is doubtful where different molecules are left to choose from.

    >>> kept, doubt = main_fragment(Chem.MolFromSmiles("NCCS.OC(=O)C(O)C(O)C(=O)O"))
    >>> Chem.MolToSmiles(kept), doubt
    ('NCCS', '')
    >>> main_fragment(Chem.MolFromSmiles("CC(=O)Nc1ccccc1.CN1CCCC1=S"))[1]
    'a mixture of 2 molecules, the largest is kept'
    """
    tiers: dict[int, list[Chem.Mol]] = {}
    for fragment in Chem.GetMolFrags(mol, asMols=True, sanitizeFrags=False):
        tiers.setdefault(_tier(fragment), []).append(fragment)
    best = min(tiers)
    candidates = tiers[best]
    doubt = "inorganic, the largest part is kept" if best == _INORGANIC else ""
    if len(candidates) > 1:
        # the weight is a sum: its last digits depend on the order of atoms
        named = [(-f.GetNumHeavyAtoms(), -round(Descriptors.MolWt(f), 3), _neutral(f), f) for f in candidates]
        different = len({name for _, _, name, _ in named})
        if different > 1 and not doubt:
            doubt = f"a mixture of {different} molecules, the largest is kept"
        candidates = [min(named, key=lambda entry: entry[:3])[-1]]
    return candidates[0], doubt


_UNKNOWN, _SET_ASIDE, _INORGANIC = range(3)


def _tier(fragment: Chem.Mol) -> int:
    if not has_framework(fragment):
        return _INORGANIC
    known = _known().get(_heavy(fragment))
    return _SET_ASIDE if known and _flat(str(Chem.MolToSmiles(fragment))) in known else _UNKNOWN


def _heavy(mol: Chem.Mol) -> tuple[int, ...]:
    """The heavy atoms by element, which most fragments share with no known counter-ion."""
    return tuple(sorted(atom.GetAtomicNum() for atom in mol.GetAtoms() if atom.GetAtomicNum() > 1))


def _neutral(mol: Chem.Mol) -> str:
    return str(Chem.MolToSmiles(uncharged(mol)))


@lru_cache(maxsize=1024)
def _flat(smiles: str) -> str:
    """Without the charges that protons remove, isotopes and stereochemistry; "" for what cannot be read."""
    mol = Chem.MolFromSmiles(smiles)
    if mol is None:
        return ""
    mol = uncharged(mol)
    for atom in mol.GetAtoms():
        atom.SetIsotope(0)
    Chem.RemoveStereochemistry(mol)
    return str(Chem.MolToSmiles(Chem.RemoveHs(mol)))


@cache
def _known() -> dict[tuple[int, ...], set[str]]:
    """The known counter-ions and solvents by their heavy atoms."""
    found: dict[tuple[int, ...], set[str]] = {}
    for entry in re.split(r" \| |\n+", _KNOWN.strip()):
        smiles = _flat(entry.rpartition(" ")[2])
        found.setdefault(_heavy(Chem.MolFromSmiles(smiles)), set()).add(smiles)
    return found
