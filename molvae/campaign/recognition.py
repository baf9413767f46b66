"""Matches rows of results to the molecules of a campaign, by structure or identifier."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from molvae.campaign.forms import are_stereoisomers
from molvae.campaign.measurements import CHANGED, recognized

if TYPE_CHECKING:
    from molvae.campaign.history import History
    from molvae.data.records import Row


class Recognizer:
    """Recognizes the molecules of a campaign by structure, identifier or name.

    Args:
        history: Of the campaign.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        names = history.names
        counts = Counter(names.values())
        self._named = {name: smiles for smiles, name in names.items() if counts[name] == 1}

    def __call__(self, row: Row) -> tuple[str, str, str]:
        """As `molvae.campaign.measurements.recognized`, with the SMILES the campaign keeps."""
        word = row.identifier
        if row.text.strip() in {"", word}:
            known = self._history.identifiers.get(word) or self._named.get(word)
            return (known, "", "") if known else ("", f"'{word}' is not an identifier of this campaign", "")
        smiles, problem, changed = recognized(row)
        if problem:
            return "", problem, ""
        smiles = self._history.key(smiles)
        if problem := mismatch(self._history, word, smiles):
            return smiles, problem, ""
        if changed == CHANGED and smiles in self._history.trials:
            return smiles, "", f"{row.text} is taken for {smiles}, another form of it"
        return smiles, "", changed


def mismatch(history: History, identifier: str, smiles: str) -> str:
    """The problem with a molecule reported under the identifier of a candidate; "" if none."""
    asked = history.identifiers.get(identifier, smiles)
    if asked == smiles:
        return ""
    other = "another stereoisomer of it" if are_stereoisomers(asked, smiles) else "another compound"
    return (
        f"{identifier} is {asked} in this campaign, {smiles} is {other}. If that is what was made, "
        f"leave its identifier out, and report {identifier} as cancelled"
    )
