"""The poses that dockings of a campaign have kept, put together: the best molecules in their pockets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from molvae.chemistry.sdf import inchikey
from molvae.config import parse_assignment
from molvae.oracles.references import named_within

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from molvae.chemistry.molecule import Molecule


def kept_poses(texts: Iterable[str], molecules: Sequence[Molecule]) -> str:
    """SDF of the poses of molecules, in their order, one for each docking that kept one.

    Args:
        texts: What makes the oracles; of those that are no dockings, or keep no poses, there are none.
        molecules: As they were scored.
    """
    places = dict.fromkeys(Path(place) for text in texts for place in _places(text))
    names = [f"{inchikey(molecule)}.sdf" for molecule in molecules] if places else []
    files = [(place / name, molecule) for name, molecule in zip(names, molecules) for place in places]
    records = [(path.read_text(encoding="utf-8"), molecule) for path, molecule in files if path.is_file()]
    # tautomers share an InChIKey: the title says which one it was
    return "".join(text for text, molecule in records if text.partition("\n")[0] == molecule.smiles)


def _places(text: str) -> Iterable[str]:
    for inner in named_within(text):
        if inner.name == "docking":
            options = dict(parse_assignment(option) for option in inner.options if "=" in option)
            if "poses" in options:
                yield str(options["poses"])
