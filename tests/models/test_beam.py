"""Beam search: a wide beam finds the most likely texts, and rows are independent."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from molvae.models.beam import beam_search
from molvae.models.config import BOS, EOS, PAD, UNK, ModelSettings
from molvae.models.generation import generate
from molvae.models.vae import SequenceVAE

V, D = 8, 6


def decoder_of(layers: int = 1) -> torch.nn.Module:
    sizes = {"latent_size": D, "embedding_size": 5, "decoder_hidden": 9, "decoder_layers": layers}
    torch.manual_seed(layers)
    decoder = SequenceVAE(ModelSettings(**sizes), vocabulary_size=V, n_properties=0).double().decoder
    with torch.no_grad():
        decoder.output.weight.mul_(4.0)
    return decoder.eval()


ROWS = range(0, 150, 3)


def points(n: int) -> torch.Tensor:
    return 3.0 * torch.randn(n, D, dtype=torch.double, generator=torch.Generator().manual_seed(0))


def log_prob_of(decoder: torch.nn.Module, ids: tuple[int, ...], z: torch.Tensor) -> float:
    """Log-probability of a text with its end token, token by token."""
    tokens = torch.tensor([ids])
    begun = torch.cat([torch.tensor([[BOS]]), tokens[:, :-1]], dim=1)
    logits = decoder(begun, z).detach()
    logits[..., [BOS, PAD, UNK]] = -torch.inf
    return float(logits.log_softmax(-1)[:, 0].gather(1, tokens[0][:, None]).sum())


@pytest.mark.parametrize("layers", [1, 2])
def test_a_beam_that_is_wide_enough_finds_the_most_likely_texts_of_all(layers: int) -> None:
    decoder, z, longest = decoder_of(layers), points(3), 4
    letters = [token for token in range(V) if token not in {PAD, BOS, EOS, UNK}]
    texts = [(*text, EOS) for n in range(longest) for text in product(letters, repeat=n)]
    found = beam_search(decoder, z, max_length=longest, width=64, n_best=5, margin=1e9)
    for row in range(len(z)):
        expected = sorted(((log_prob_of(decoder, ids, z[row : row + 1]), ids) for ids in texts), reverse=True)
        for k, (log_prob, ids) in enumerate(expected[:5]):
            assert found.log_prob[row, k].item() == pytest.approx(log_prob, abs=1e-5)
            assert tuple(token for token in found.tokens[row, k].tolist() if token != PAD) == ids


def test_a_beam_of_one_begins_like_greedy_decoding() -> None:
    decoder, z = decoder_of(), points(20)
    greedy = generate(decoder, z, max_length=9, log_prob=True)
    found = beam_search(decoder, z, max_length=9, width=1, n_best=9, margin=1e9)
    ended = (greedy.tokens == EOS).any(1)
    for row in ended.nonzero()[:, 0].tolist():
        own = greedy.tokens[row][greedy.tokens[row] != PAD].tolist()
        texts = [[token for token in text if token != PAD] for text in found.tokens[row].tolist()]
        assert own in texts
        place = texts.index(own)
        assert found.log_prob[row, place].item() == pytest.approx(greedy.log_prob[row].item(), abs=1e-5)


def test_texts_are_ranked_within_the_margin_and_rows_do_not_know_of_one_another() -> None:
    decoder, z = decoder_of(), points(150)
    found = beam_search(decoder, z, max_length=12, width=8, margin=3.0)
    alone = [beam_search(decoder, z[row : row + 1], max_length=12, width=8, margin=3.0) for row in ROWS]
    assert (found.log_prob[:, :-1] >= found.log_prob[:, 1:]).all()
    kept = found.log_prob > -torch.inf
    assert (found.log_prob[kept] >= (found.log_prob[:, :1] - 3.0).expand_as(found.log_prob)[kept]).all()
    assert (found.tokens[~kept] == PAD).all()
    assert ((found.tokens[kept] == EOS).sum(1) == 1).all()
    for row, own in zip(ROWS, alone, strict=True):
        torch.testing.assert_close(own.log_prob[0], found.log_prob[row])
        together = found.tokens[row, :, : own.tokens.shape[2]]
        assert torch.equal(own.tokens[0], together)
        assert (found.tokens[row, :, own.tokens.shape[2] :] == PAD).all()
    n_steps = {own.tokens.shape[2] for own in alone}
    assert len(n_steps) > 2, "all are done at the same time: the test says nothing"
    assert not kept.all(), "the margin was never met: the test says nothing"


def test_no_latent_vector_has_no_text() -> None:
    assert beam_search(decoder_of(), points(0), max_length=5).tokens.shape[0] == 0
