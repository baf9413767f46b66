"""A search tells a decoder that knows noise levels how much of each latent point is noise."""

from __future__ import annotations

import numpy as np
from fake_model import FakeModel

from molvae.campaign.model import decoded, drawn


class Taught(FakeModel):
    """Remembers the levels its decoder was told."""

    noise_levels, prior_level = True, 1.0

    def __init__(self):
        super().__init__()
        self.told = []

    def decode_moved(self, z, level, *, seed):
        self.told.append((level.tolist(), seed))
        return self.decode(z)


def test_noise_levels_are_passed_to_models_that_have_them():
    z, level = np.zeros((3, 6), dtype=np.float32), np.array([0.0, 0.3, 1.0])
    model, generator = Taught(), np.random.default_rng(0)
    decoded(model, z, level, generator)
    drawn(model, 2, generator)
    assert [told for told, _ in model.told] == [level.tolist(), [1.0, 1.0]]
    assert model.told[0][1] != model.told[1][1]
    plain, untouched, expected = FakeModel(), np.random.default_rng(5), np.random.default_rng(5)
    decoded(plain, z, level, untouched)
    assert [m.smiles for m in drawn(plain, 4, untouched) if hasattr(m, "smiles")] == [
        m.smiles for m in plain.decode(plain.sample_latent(4, generator=expected)) if hasattr(m, "smiles")
    ]
    assert untouched.random() == expected.random()
