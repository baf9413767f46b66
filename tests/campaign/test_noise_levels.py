"""A search passes the noise level of each latent point to the decoder."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from fake_model import FakeModel

from molvae.campaign.molecules import Latents, MoleculeMemory, drawn
from molvae.campaign.search.base import Parents
from molvae.campaign.search.sources import LatentMoves


class Taught(FakeModel):
    """Records the noise levels and seeds given to its decoder."""

    noise_levels, prior_level = True, 1.0

    def __init__(self):
        super().__init__()
        self.given = []

    def decode_moved(self, z, level, *, seed):
        self.given.append((level.tolist(), seed))
        return self.decode(z)


def offspring(model, generator):
    """Two pCN steps and a sample of the prior."""
    moves = LatentMoves(SimpleNamespace(model=model), Latents(model, {}, MoleculeMemory()), 1.0)
    parents = Parents([molecule.smiles for molecule in model.molecules[:3]], np.arange(3.0))
    return moves.offspring(parents, {"pcn": 2, "prior": 1}, generator)


def test_noise_levels_are_passed_to_models_that_have_them():
    model, generator = Taught(), np.random.default_rng(0)
    moves = [attempt.move for attempt in offspring(model, generator)]
    drawn(model, 2, generator)
    (levels, seed), (of_draws, other) = model.given
    assert {move: level == 1.0 for move, level in zip(moves, levels)} == {"prior": True, "pcn": False}
    assert of_draws == [1.0, 1.0]
    assert seed != other
    assert min(levels) > 0


def test_models_without_noise_levels_draw_no_seed():
    model, generator, expected = FakeModel(), np.random.default_rng(5), np.random.default_rng(5)
    assert [m.smiles for m in drawn(model, 4, generator) if hasattr(m, "smiles")] == [
        m.smiles for m in model.decode(model.sample_latent(4, generator=expected)) if hasattr(m, "smiles")
    ]
    assert generator.random() == expected.random()
    assert len(offspring(model, generator)) == 3
