"""Count the candidates of a search that violate `--keep`, by a check that is independent of the search.

Used by sense.py. A core without attachment points has to occur in a candidate; with attachment points, its
other atoms may not have grown.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rdkit import Chem

import molvae
from molvae.campaign.campaign import Campaign

if TYPE_CHECKING:
    from molvae.latent.codec import MolVAE

CORES = (
    "c1ccc2[nH]ccc2c1",
    "[*:1]c1ncc2ccccc2n1",
    "O=C(N[*:1])c1ccc([*:2])cc1",
    "[*:1]N1CCN([*:2])CC1",
    "NS(=O)(=O)c1ccc([*:1])cc1",
)
N_EACH, BATCH = 210, 50


def violations(model: MolVAE, seed: int = 0) -> dict[str, int]:
    """Number of candidates of five searches for QED, 210 calls each, and of those that violate the core."""
    n, broken = 0, 0
    for core in CORES:
        with tempfile.TemporaryDirectory() as place:
            molvae.optimize(
                model, maximize="qed", keep=[core], budget=N_EACH, q=BATCH, seed=seed, output=place
            )
            with Campaign.open(Path(place) / "journal.sqlite", model) as campaign:
                candidates = [row.smiles for row in campaign.table()]
        n += len(candidates)
        broken += sum(not _has(smiles, core) for smiles in candidates)
    return {"keep_candidates": n, "keep_broken": broken}


def _has(smiles: str, core: str) -> bool:
    molecule, drawn = Chem.MolFromSmiles(smiles), Chem.MolFromSmiles(core)
    points = [atom for atom in drawn.GetAtoms() if atom.GetAtomicNum() == 0]
    open_atoms = {atom.GetNeighbors()[0].GetIdx() for atom in points}
    inside = [atom.GetIdx() for atom in drawn.GetAtoms() if atom.GetAtomicNum()]
    pattern = Chem.MolFromSmarts(Chem.MolFragmentToSmarts(drawn, inside))
    matches = molecule.GetSubstructMatches(pattern, uniquify=False, maxMatches=10_000)
    if not points:
        return bool(matches)
    order = pattern.GetSubstructMatch(pattern)  # the fragment keeps the order of `inside`
    return any(
        all(
            molecule.GetAtomWithIdx(match[at]).GetDegree() == drawn.GetAtomWithIdx(index).GetDegree()
            for at, index in zip(order, inside)
            if index not in open_atoms
        )
        for match in matches
    )
