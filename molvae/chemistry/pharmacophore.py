"""Two-dimensional pharmacophore fingerprints: which features lie how many bonds apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rdkit import rdBase

if TYPE_CHECKING:
    from molvae.chemistry.molecule import Molecule


def pharmacophore_bits(molecule: Molecule) -> Any:
    """Pairs and triples of pharmacophore features with their distances, as RDKit's sparse bit vector.

    Features are those of Gobbi and Poppinger (Biotechnol. Bioeng. 1998): hydrophobic, donor, acceptor,
    aromatic and aliphatic ring atoms, attachment, basic and acidic. What GuacaMol calls PHCO. It takes
    milliseconds where other fingerprints take microseconds.

    >>> from molvae.chemistry.molecule import parse
    >>> pharmacophore_bits(parse("NCCCO")).GetNumOnBits() > 0
    True
    """
    from rdkit.Chem.Pharm2D import Generate, Gobbi_Pharm2D  # reads its feature definitions when imported

    with rdBase.BlockLogs():
        return Generate.Gen2DFingerprint(molecule.mol, Gobbi_Pharm2D.factory)
