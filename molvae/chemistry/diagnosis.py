"""Explain why a text is not a molecule, and where."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from rdkit import Chem, rdBase

if TYPE_CHECKING:
    from collections.abc import Iterator

_ATOM = re.compile(r"\[[^\]]*\]|Br|Cl|[BCNOPSFIbcnops*]|(?P<skip>%\d\d|.)", re.DOTALL)
_POSITION = re.compile(r"check for mistakes around position (\d+)")
_STAMP = re.compile(r"^\[\d\d:\d\d:\d\d\] ")
_CARET_WIDTH = 72
_REACTION = re.compile(r"(?<!-)>")
_NAME = re.compile(r"[A-Z]?[a-z]{4,}(-?[0-9]+)?")
_INCHIKEY = re.compile(r"[A-Z]{14}-[A-Z]{10}-[A-Z]")
_ABBREVIATION = re.compile(
    r"(?:i|t|n|s)?(?:Me|Et|Pr|Bu|Ph|Bn|Bz|Ac|Boc|Cbz|Fmoc|Ts|Ms|Tf|TMS|TBS|Cy|Ar|Alk|R\d*)"
)
_UNKNOWN_SYMBOL = re.compile(r"Element '([^']+)' not found")


def first_line(message: str) -> str:
    """RDKit's message without its time stamp and without what follows the first line."""
    lines = [line for line in message.splitlines() if line.strip()]
    return _STAMP.sub("", lines[0]).strip() if lines else "RDKit gave no reason"


def caret(text: str, position: int) -> str:
    """Two lines: the text around a position, and a caret below it.

    >>> print(caret("CCX", 2))
    CCX
      ^
    """
    start = max(0, position - _CARET_WIDTH // 2)
    window = "".join(c if c.isprintable() else "?" for c in text[start : start + _CARET_WIDTH])
    head = "..." if start else ""
    tail = "..." if start + _CARET_WIDTH < len(text) else ""
    return f"{head}{window}{tail}\n{' ' * (len(head) + position - start)}^"


def unwanted_character(character: str, position: int) -> str:
    """The sentence about a character no SMILES contains.

    >>> unwanted_character(" ", 3)
    'white space at character 4'
    """
    if character.isspace():
        return f"white space at character {position + 1}"
    if not character.isascii():
        name = unicodedata.name(character, f"U+{ord(character):04X}").lower()
        return f"non-ASCII character ({name}) at character {position + 1}"
    return f"control character 0x{ord(character):02x} at character {position + 1}"


def too_deep(text: str, limit: int) -> int | None:
    """Index of the parenthesis that opens a branch nested deeper than `limit`, if any."""
    depth = 0
    for position, character in enumerate(text):
        if character == "(":
            depth += 1
            if depth > limit:
                return position
        elif character == ")":
            depth -= 1
    return None


def explain(text: str, parameters: Chem.SmilesParserParams) -> tuple[str, int | None]:
    """Parse an invalid SMILES again with diagnostics: `(reason, position)`."""
    other = _other_notation(text)
    if other is not None:
        return other
    raw = Chem.SmilesParserParams()
    raw.parseName, raw.allowCXSMILES = parameters.parseName, parameters.allowCXSMILES
    raw.sanitize = raw.removeHs = False
    try:
        with rdBase.BlockLogs(), rdBase.CaptureErrorLog() as log:
            mol = Chem.MolFromSmiles(text, raw)
            problems = () if mol is None else Chem.DetectChemistryProblems(mol)
        messages = str(log.messages)
    except (RuntimeError, ValueError) as error:
        return first_line(str(error)), None
    if mol is None:
        return _explain_syntax(text, messages)
    if not problems:
        return "RDKit cannot sanitize the molecule", None
    return _explain_chemistry(text, mol, problems[0])


def explain_molblock(text: str) -> str:
    """Parse an invalid molblock again, and return the reason in one sentence."""
    try:
        with rdBase.BlockLogs(), rdBase.CaptureErrorLog() as log:
            # in ASCII, for RDKit cuts fields at bytes and its log may end inside a character
            plain = text.encode("ascii", errors="replace").decode()
            mol = Chem.MolFromMolBlock(plain, sanitize=False, removeHs=False)
            problems = () if mol is None else Chem.DetectChemistryProblems(mol)
    except (RuntimeError, ValueError) as error:
        return first_line(str(error))
    if problems:
        return _sentence(mol, problems[0])
    unknown = _UNKNOWN_SYMBOL.search(str(log.messages))
    if unknown is not None:
        return (
            f"'{unknown[1]}' is not an element: expand abbreviations and remove placeholders in the drawing"
        )
    return f"not a molblock: {first_line(str(log.messages))}"


def _other_notation(text: str) -> tuple[str, int | None] | None:
    """Name the notation of a text that is not SMILES: InChI, a name, a reaction."""
    if text.startswith("InChI="):
        return "not a whole InChI: its layers do not give the formula", None
    if _INCHIKEY.fullmatch(text):
        return "an InChIKey names a molecule without holding it: give its SMILES or InChI", None
    if _NAME.fullmatch(text) and not set(text) <= set("bcnops"):
        return "a name, not a SMILES: give the structure", None
    arrow = _REACTION.search(text)
    return None if arrow is None else ("a reaction (>), not a molecule: give its product", arrow.start())


def _other_symbol(text: str, position: int) -> tuple[str, int] | None:
    """Name the non-SMILES symbol at an atom's position: an abbreviation, an R group, a pattern."""
    for found in _ABBREVIATION.finditer(text):
        if found.start() <= position < found.end():
            what = "an R group" if found[0].startswith("R") else "an abbreviation"
            where = f"at character {found.start() + 1}"
            return f"'{found[0]}' {where} is {what}, not an atom: write the group out", found.start()
    with rdBase.BlockLogs():
        if Chem.MolFromSmarts(text) is None:
            return None
    where = f"at character {position + 1}"
    return f"a pattern (SMARTS), not a molecule: {text[position]!r} {where}", position


def _explain_syntax(text: str, messages: str) -> tuple[str, int | None]:
    found = _POSITION.search(messages)
    position = None if found is None else min(int(found.group(1)), len(text)) - 1
    message = first_line(messages).removeprefix("SMILES Parse Error: ")
    message = re.split(r" while parsing: | for input: ", message)[0]
    if message == "unclosed ring":
        position = _unclosed_ring(text)
    if position is None:
        return message, None
    plain = f"{message} at character {position + 1} ({text[position]!r})"
    return _other_symbol(text, position) or (plain, position)


def _explain_chemistry(
    text: str, mol: Chem.Mol, problem: Chem.MolSanitizeException
) -> tuple[str, int | None]:
    blamed = _blamed_atoms(problem)
    starts = list(_atom_positions(text))
    # Atom numbers are positions in the text only while the scanner and RDKit agree on what an atom is.
    position = starts[blamed[0]] if blamed and len(starts) == mol.GetNumAtoms() else None
    where = "" if position is None else f" at character {position + 1}"
    return _sentence(mol, problem) + where, position


def _sentence(mol: Chem.Mol, problem: Chem.MolSanitizeException) -> str:
    blamed = _blamed_atoms(problem)
    kind = problem.GetType()
    if kind == "AtomValenceException" and blamed:
        atom = mol.GetAtomWithIdx(blamed[0])
        valence = int(sum(bond.GetValenceContrib(atom) for bond in atom.GetBonds())) + atom.GetNumExplicitHs()
        return f"{atom.GetSymbol()} has valence {valence}, more than is allowed"
    if kind == "KekulizeException":
        return f"{len(blamed)} aromatic atoms cannot be given alternating double bonds"
    if kind == "AtomKekulizeException":
        return "an atom outside any ring is marked aromatic"
    return first_line(problem.Message())


def _blamed_atoms(problem: Chem.MolSanitizeException) -> list[int]:
    if problem.GetType() == "KekulizeException":
        return list(problem.GetAtomIndices())
    if hasattr(problem, "GetAtomIdx"):
        return [problem.GetAtomIdx()]
    return []


def _atom_positions(text: str) -> Iterator[int]:
    return (match.start() for match in _ATOM.finditer(text) if match["skip"] is None)


def _unclosed_ring(text: str) -> int | None:
    """Index of the first ring-bond number that is opened and never closed."""
    opened: dict[int, int] = {}
    for match in re.finditer(r"\[[^\]]*\]|%\((\d+)\)|%(\d\d)|(\d)", text):
        digits = match[1] or match[2] or match[3]
        if digits is not None and opened.pop(int(digits), None) is None:
            opened[int(digits)] = match.start()
    return min(opened.values(), default=None)
