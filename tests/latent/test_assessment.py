"""The assessment of a model agrees with the model, and depends only on the seed."""

from __future__ import annotations

import numpy as np
import pytest

from molvae.chemistry.molecule import parse
from molvae.chemistry.precedent import Precedent
from molvae.errors import InputError, UsageError
from molvae.evaluation.molecules import MoleculeSet
from molvae.latent.assessment import assess
from molvae.latent.codec import MolVAE

SMILES = ["CCc1ccc(C)cc1", "CCCc1ccc(N)cc1", "CC(=O)NCC", "CCC1CCC(C)CC1", "Nc1ccc(CO)s1", "Clc1ccc(CC)cc1"]
PARTS = ("fingerprints", "fragments")


@pytest.fixture(scope="module")
def assessed(tiny_model):
    labels = np.column_stack([np.arange(7.0), np.full(7, 0.5), np.full(7, np.nan)])
    return assess(
        tiny_model,
        [*SMILES, "not a molecule"],
        labels,
        training=SMILES,
        known=set(SMILES),
        references=[MoleculeSet(SMILES, name="held-out")],
        n_samples=40,
        n_variants=20,
        parts=PARTS,
        fcd=False,
        seed=3,
    )


def test_every_figure_is_the_models_own(tiny_model, assessed):
    table = assessed.table
    assert (table["encoded"], len(assessed.truth)) == (6 / 7, 6)
    back = tiny_model.reconstruct(SMILES)
    same = sum(a == parse(b) for a, b in zip(back, SMILES, strict=True))
    assert table["molecule match (mu)"] == pytest.approx(same / 6)
    assert table["string match (mu)"] <= table["molecule match (mu)"]
    mean = tiny_model.predict(SMILES).mean
    assert table["MAE weight"] == pytest.approx(np.abs(mean[:, 0] - np.arange(6)).mean(), rel=1e-4)
    assert np.isnan(table["MAE logp"]), "no label, no error"
    mu, sigma = tiny_model.posterior(SMILES)
    kl = 0.5 * (mu**2 + sigma**2 - 1 - 2 * np.log(sigma)).sum(axis=1).mean()
    assert table["KL"] == pytest.approx(kl, rel=1e-4)
    drawn = [item for item in tiny_model.sample(40, seed=3) if hasattr(item, "smiles")]
    assert table["valid"] == pytest.approx(len(drawn) / 40)
    assert assessed.samples.profile(()).smiles == [item.smiles for item in drawn]
    assert table["valid normal, in 5 tries"] >= table["valid normal, greedy"]
    assert {"valid posterior, greedy", "unique posterior, T = 1", "SNN/held-out", "novelty"} <= set(
        table.values()
    )


def test_what_is_not_finite_is_written_as_nothing(tiny_model):
    z = np.vstack([tiny_model.encode(SMILES[:1]), np.full((1, 16), np.nan)])
    texts = tiny_model.decoder.write(z)
    assert (texts[1], len(texts)) == ("", 2)
    drawn = [tiny_model.decoder.write(z, temperature=2.0, seed=1) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert tiny_model.decoder.write(z[:0]) == []


def test_bad_input_is_an_error(tiny_model):
    with pytest.raises(InputError, match="none of the 2 held-out molecules"):
        assess(tiny_model, ["", "C("], n_samples=0, n_variants=0)
    with pytest.raises(UsageError, match="labels must be 1 x 3"):
        assess(tiny_model, ["CCO"], np.zeros((1, 2)), n_samples=0, n_variants=0)
    only = assess(tiny_model, ["CCO"], n_samples=0, n_variants=0)
    assert (only.samples, only.truth, "valid" in only.table) == (None, None, False)


def test_a_model_that_has_counted_precedent_says_how_many_molecules_have_it(tiny_model):
    counted = Precedent.counted(map(parse, SMILES))
    model = MolVAE(tiny_model.network, tiny_model.tokenizer, tiny_model.settings, precedent=counted)
    table = assess(model, [*SMILES, "OOC1CC1"], n_samples=40, n_variants=0, parts=(), fcd=False, seed=3).table
    assert table["with precedent, held out"] == pytest.approx(6 / 7)
    drawn = [item for item in model.sample(40, seed=3) if hasattr(item, "smiles")]
    assert table["with precedent, samples"] == pytest.approx(np.mean([counted.covers(m) for m in drawn]))
    assert "with precedent, held out" not in assess(tiny_model, SMILES, n_samples=0, n_variants=0).table
