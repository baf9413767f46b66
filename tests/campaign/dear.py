"""An oracle that is dear: it remembers what it was asked."""

from molvae.oracles.base import Score


class Dear:
    """Scores by length, and remembers what it was asked."""

    name = "dear"

    def __init__(self):
        self.asked = []

    def __call__(self, molecules):
        self.asked += [molecule.smiles for molecule in molecules]
        return [Score.ok(float(len(molecule.smiles))) for molecule in molecules]
