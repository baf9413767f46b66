"""Text to molecule: `Molecule | Invalid`, with checks before RDKit's parser.

RDKit silently misreads some texts (`"C C"` as methane, `""` as a molecule without atoms) and takes minutes
for others (very long chains, very deep nesting). Both are rejected here first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rdkit import Chem, rdBase

from molvae.chemistry import diagnosis

if TYPE_CHECKING:
    from typing_extensions import TypeIs

_STEREO_GROUP = re.compile(r"(?:^|,)[&o]\d*:")
_CHANGES = (
    (re.compile(r"(?:^|,)\^\d:"), "radicals"),
    (re.compile(r"(?:^|,)Sg:(?!gen)"), "a polymer or another S-group"),
    (re.compile(r"(?:^|,)m:"), "bonds to varying positions"),
    (re.compile(r"(?:^|,)LN:"), "links of varying length"),
    (re.compile(r"(?:^|,)RG:"), "R-groups"),
    (re.compile(r"(?:^|,)[CH]:"), "coordinate or hydrogen bonds"),
    (re.compile(r"\$[^$]*_R\d"), "R-groups"),
)
"""Features of an extension that make the structure another than that of the SMILES."""


def cut_extension(text: str) -> tuple[str, str, str]:
    """The SMILES, its extension without the bars, and the name after it; both may be empty.

    >>> cut_extension("C[C@H](O)F |&1:1| ethanol, fluorinated")
    ('C[C@H](O)F', '&1:1', 'ethanol, fluorinated')
    >>> cut_extension("CCO ethanol")
    ('CCO ethanol', '', '')
    """
    words = text.split(None, 1)
    if len(words) == 2 and words[1].startswith("|"):  # noqa: PLR2004 - a SMILES and what follows
        extension, bar, name = words[1][1:].partition("|")
        if bar and (not name or name[0].isspace()):
            return words[0], extension, name.strip()
    return text, "", ""


def has_stereo_groups(text: str) -> bool:
    """Whether a CXSMILES or V3000 molblock says that a drawn configuration is relative or a racemate.

    >>> has_stereo_groups("C[C@H](O)F |&1:1|"), has_stereo_groups("C[C@H](O)F")
    (True, False)
    """
    if "MDLV30/STERAC" in text or "MDLV30/STEREL" in text:
        return True
    return " |" in text and _STEREO_GROUP.search(cut_extension(text)[1]) is not None


def changed_by(extension: str) -> str:
    """The feature of the extension that changes the structure of its SMILES; empty if there is none.

    >>> changed_by("$;;label$"), changed_by("Sg:n:0,1::ht")
    ('', 'a polymer or another S-group')
    """
    return next((what for pattern, what in _CHANGES if pattern.search(extension)), "")


MAX_CHARACTERS = 1_000
"""Longest SMILES that is handed to the parser."""
MAX_NESTING = 100
"""Deepest nest of branches that is handed to the parser."""
MAX_HEAVY_ATOMS = 999
"""Largest molecule that is accepted."""

_PARAMETERS = Chem.SmilesParserParams()
_PARAMETERS.parseName = False
_PARAMETERS.allowCXSMILES = False

_INCHI = "InChI="
_PICKLED = "\xef\xbe\xad\xde"
"""What RDKit's binary molecules begin with, read as Latin-1."""
_UNREAD = "RDKit reads no molecule"
_UNWANTED = re.compile(r"[^\x21-\x7e]")


@dataclass(frozen=True, slots=True)
class Molecule:
    """A molecule that RDKit understands; equal and hashed by its canonical SMILES.

    >>> parse("OCC") == parse("CCO")
    True
    """

    smiles: str
    """Canonical isomeric SMILES."""
    mol: Chem.Mol = field(repr=False, compare=False)
    """The sanitized RDKit molecule, shared, so never to be changed in place; hydrogens are implicit."""

    def _repr_svg_(self) -> str:
        from molvae.chemistry.depiction import molecule_svg

        return molecule_svg(self)


@dataclass(frozen=True, slots=True)
class Invalid:
    """A text that is not a molecule, and why: a value, not an exception.

    >>> print(parse("CC(=O)X").pointer())
    CC(=O)X
          ^
    """

    text: str
    """What was given."""
    reason: str
    """One short sentence on one line."""
    position: int | None = None
    """Index of the character that is to blame, where it is known."""

    def pointer(self) -> str:
        """The text with a caret below the character that is to blame; empty where that is not known."""
        return "" if self.position is None else diagnosis.caret(self.text, self.position)

    def __str__(self) -> str:
        return f"{self.reason}\n{self.pointer()}" if self.position is not None else self.reason


def is_valid(thing: object) -> TypeIs[Molecule]:
    """Whether a parse, decode or standardization gave a molecule; a text is not a molecule."""
    return isinstance(thing, Molecule)


def parse(text: str | Chem.Mol | None, *, diagnose: bool = True) -> Molecule | Invalid:
    """Reads one SMILES, CXSMILES (whose coordinates and labels are ignored) or InChI; never raises.

    Refused before RDKit sees them: empty text, white space, control and non-ASCII characters, more than
    `MAX_CHARACTERS` characters, branches nested deeper than `MAX_NESTING`. Wildcards stand for no molecule.
    An RDKit molecule is read from its own SMILES; other objects (`None`, NaN) are invalid. To
    find the reason takes as long as to parse: `diagnose=False` leaves that out.

    >>> parse("C1=CC=CC=C1O").smiles
    'Oc1ccccc1'
    >>> parse("").reason
    'the text is empty'
    >>> parse(None).reason
    'a SMILES is text, this is None'
    """
    if not isinstance(text, str):
        return _from_other(text)
    text, extension, _ = cut_extension(text) if "|" in text else (text, "", "")
    refusal = _refusal(text, extension)
    if refusal is not None:
        return refusal
    with rdBase.BlockLogs():
        try:
            mol = _from_inchi(text) if text.startswith(_INCHI) else Chem.MolFromSmiles(text, _PARAMETERS)
            if mol is not None:
                return _accept(mol, text)
        except (RuntimeError, ValueError) as error:  # RDKit's own invariants; both carry a sentence
            return Invalid(text, diagnosis.first_line(str(error)))
    return Invalid(text, *diagnosis.explain(text, _PARAMETERS)) if diagnose else Invalid(text, _UNREAD)


def canonical(text: str) -> str | None:
    """The canonical SMILES of a text, or `None` if it is invalid.

    >>> canonical("OCC"), canonical("not a molecule")
    ('CCO', None)
    """
    read = parse(text)
    return read.smiles if isinstance(read, Molecule) else None


def from_mol(mol: Chem.Mol) -> Molecule | Invalid:
    """A molecule made by RDKit code (a reaction, a standardizer), read again from its own SMILES."""
    with rdBase.BlockLogs():
        try:
            smiles = str(Chem.MolToSmiles(mol))
        except (RuntimeError, ValueError) as error:
            return Invalid("", diagnosis.first_line(str(error)))
    return parse(smiles)


def _accept(mol: Chem.Mol, text: str) -> Molecule | Invalid:
    """The molecule, if it and its canonical SMILES, which is what is kept of it, are within the caps."""
    if mol.GetNumAtoms() == 0:
        return Invalid(text, "the molecule has no atoms")
    if mol.GetNumHeavyAtoms() > MAX_HEAVY_ATOMS:
        return Invalid(text, f"the molecule has {mol.GetNumHeavyAtoms()} heavy atoms, over {MAX_HEAVY_ATOMS}")
    smiles = str(Chem.MolToSmiles(mol))
    if "*" in smiles or "~" in smiles:
        position = max(text.find("*"), text.find("~"))
        reason = "a wildcard (* or ~) stands for any atom or bond: write the whole molecule"
        return Invalid(text, reason, position if position >= 0 else None)
    if len(smiles) > MAX_CHARACTERS:
        return Invalid(text, f"its canonical SMILES has {len(smiles)} characters, over {MAX_CHARACTERS}")
    if smiles.count("(") > MAX_NESTING and diagnosis.too_deep(smiles, MAX_NESTING) is not None:
        return Invalid(text, f"branches of its canonical SMILES are nested deeper than {MAX_NESTING}")
    return Molecule(smiles, mol)


def _from_inchi(text: str) -> Chem.Mol | None:
    """The molecule of an InChI; none where its formula is not the InChI's, as when a layer is cut off."""
    mol = Chem.MolFromInchi(text)
    complete = mol is not None and Chem.MolToInchi(mol).split("/")[1:2] == text.split("/")[1:2]
    return mol if complete else None


def _from_other(thing: object) -> Molecule | Invalid:
    """Read an object that is not text: an RDKit molecule, or a gap in a column."""
    if isinstance(thing, Molecule | Invalid):
        return thing
    if isinstance(thing, Chem.Mol):
        return from_mol(thing)
    return Invalid("", f"a SMILES is text, this is {str(thing)[:40]}")


def _refusal(text: str, extension: str) -> Invalid | None:
    """The reason not to hand this text to the parser at all."""
    if extension and (changed := changed_by(extension)):
        return Invalid(text, f"its CXSMILES extension says that it has {changed}")
    if not text:
        return Invalid(text, "the text is empty")
    if len(text) > MAX_CHARACTERS:
        return Invalid(text, f"the text has {len(text)} characters, over {MAX_CHARACTERS}")
    unwanted = _UNWANTED.search(text)
    if unwanted is not None:
        reason = diagnosis.unwanted_character(unwanted.group(), unwanted.start())
        if text.startswith(_PICKLED):
            reason = "a pickled RDKit molecule, not text: write SMILES into the table"
        return Invalid(text, reason, unwanted.start())
    if text.count("(") > MAX_NESTING and (position := diagnosis.too_deep(text, MAX_NESTING)) is not None:
        return Invalid(text, f"branches are nested deeper than {MAX_NESTING}", position)
    return None
