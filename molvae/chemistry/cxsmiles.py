"""Take the extension off a CXSMILES: coordinates and labels are not read, the molecule is its SMILES.

(docs.chemaxon.com, "ChemAxon Extended SMILES")
"""

from __future__ import annotations

import re

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
"""What an extension may say that makes it another structure than its SMILES."""


def cut_extension(text: str) -> tuple[str, str, str]:
    """The SMILES, its extension without the bars, and the name after it; both empty where there is none.

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
    """What the extension says that its SMILES does not, if that is another structure; else empty.

    >>> changed_by("$;;label$"), changed_by("Sg:n:0,1::ht")
    ('', 'a polymer or another S-group')
    """
    return next((what for pattern, what in _CHANGES if pattern.search(extension)), "")
