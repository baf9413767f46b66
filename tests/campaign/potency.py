"""An expensive oracle that records its calls."""

from molvae.oracles.base import Score


class Potency:
    """Scores SMILES by length, and records the molecules."""

    name = "potency"

    def __init__(self):
        self.asked = []

    def __call__(self, molecules):
        self.asked += [molecule.smiles for molecule in molecules]
        return [Score.ok(float(len(molecule.smiles))) for molecule in molecules]
