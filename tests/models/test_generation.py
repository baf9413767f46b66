"""Generation: samples of the decoder's distribution, and independent rows."""

from __future__ import annotations

import pytest
import torch

from molvae.models import generation
from molvae.models.config import BOS, EOS, PAD, UNK, ModelSettings
from molvae.models.generation import generate
from molvae.models.vae import SequenceVAE

V, D = 11, 6


def _decoder(layers=1):
    sizes = {"latent_size": D, "embedding_size": 5, "decoder_hidden": 9, "decoder_layers": layers}
    torch.manual_seed(layers)
    decoder = SequenceVAE(ModelSettings(**sizes), vocabulary_size=V, n_properties=0).double().decoder
    with torch.no_grad():
        decoder.output.weight.mul_(6.0)  # so that rows differ, and end at different lengths
    return decoder.eval()


def _points(n, seed=0):
    return 3.0 * torch.randn(n, D, dtype=torch.double, generator=torch.Generator().manual_seed(seed))


def _seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def _log_probs(decoder, tokens, z):
    """Teacher-forced log-probabilities of every next token, `t x b x v`."""
    begun = torch.cat([torch.full((len(tokens), 1), BOS), tokens[:, :-1]], dim=1)
    logits = decoder(begun, z).detach()
    logits[..., [BOS, PAD, UNK]] = -torch.inf
    return logits.log_softmax(-1)


def _naive(decoder, z, max_length, temperature, generator):
    """Naive sampling, row by row, with the whole prefix through the decoder for each token."""
    draws = torch.rand(len(z), max_length, generator=generator)
    written = []
    for row in range(len(z)):
        ids = []
        while len(ids) < max_length and EOS not in ids:
            seen = torch.tensor([[*ids, PAD]])  # the last one is not read
            log_probs = _log_probs(decoder, seen, z[row : row + 1])[-1, 0]
            if temperature == 0.0:
                ids.append(int(log_probs.argmax()))
                continue
            shares = (log_probs / temperature).softmax(0).cumsum(0)
            ids.append(int((shares <= draws[row, len(ids)] * shares[-1]).sum()))
        written.append(ids + [PAD] * (max_length - len(ids)))
    tokens = torch.tensor(written)
    return tokens[:, : int((tokens != PAD).sum(1).max())]


@pytest.mark.parametrize("temperature", [0.0, 0.7])
@pytest.mark.parametrize("layers", [1, 2])
def test_every_window_writes_what_one_row_after_the_other_writes(layers, temperature, monkeypatch):
    decoder, z = _decoder(layers), _points(40)
    expected = _naive(decoder, z, 14, temperature, _seeded(3))
    ends = (expected == EOS).sum(1)
    assert 0 < int(ends.sum()) < len(z), "some rows end and some are cut, or the test shows nothing"
    for window in (1, 7, 40, 256):
        monkeypatch.setattr(generation, "WINDOW", window)
        written = generate(decoder, z, max_length=14, temperature=temperature, generator=_seeded(3))
        assert torch.equal(written.tokens, expected), window
        assert written.log_prob is None


def test_calls_one_after_the_other_are_one_call():
    decoder, z = _decoder(), _points(30)
    options = {"max_length": 12, "temperature": 1.0}
    whole = generate(decoder, z, **options, generator=_seeded(1)).tokens
    generator = _seeded(1)
    parts = [generate(decoder, part, **options, generator=generator).tokens for part in z.split([11, 4, 15])]
    for one, other in zip(whole, (row for part in parts for row in part), strict=True):
        assert one[one != PAD].tolist() == other[other != PAD].tolist()


@pytest.mark.parametrize("temperature", [0.0, 1.3])
def test_greedy_is_argmax_and_the_log_probability_is_the_decoder_s(temperature, monkeypatch):
    monkeypatch.setattr(generation, "WINDOW", 8)
    decoder, z = _decoder(2), _points(25)
    written = generate(decoder, z, max_length=12, temperature=temperature, generator=_seeded(), log_prob=True)
    log_probs = _log_probs(decoder, written.tokens, z)
    inside = written.tokens != PAD
    taken = log_probs.gather(2, written.tokens.t()[:, :, None])[:, :, 0].t()
    torch.testing.assert_close(written.log_prob, taken.masked_fill(~inside, 0.0).sum(1))
    if temperature == 0.0:
        assert torch.equal(written.tokens[inside], log_probs.argmax(-1).t()[inside])


def test_special_tokens_are_never_written_and_padding_follows_the_end():
    tokens = generate(_decoder(), _points(200), max_length=10, temperature=2.0, generator=_seeded()).tokens
    assert not ((tokens == UNK) | (tokens == BOS)).any()
    ended = (tokens == EOS).cumsum(1) - (tokens == EOS).int()
    assert torch.equal(tokens == PAD, ended > 0)


def test_draws_follow_the_decoder_s_distribution_at_their_temperature():
    decoder, n = _decoder(), 20_000
    z = _points(1).expand(n, -1)
    for temperature in (1.0, 2.5):
        tokens = generate(decoder, z, max_length=2, temperature=temperature, generator=_seeded(5)).tokens
        for step, seen in enumerate(([PAD], [int(tokens[:, 0].mode().values), PAD])):
            after = (tokens[:, :step] == torch.tensor(seen[:step])).all(1)
            shares = torch.bincount(tokens[after, step], minlength=V) / after.sum()
            expected = _log_probs(decoder, torch.tensor([seen]), z[:1])[-1, 0].div(temperature).softmax(-1)
            torch.testing.assert_close(shares.double(), expected, atol=0.02, rtol=0.0)


def test_draws_depend_on_the_generator_alone():
    decoder, z = _decoder(), _points(64)

    def draw(seed):
        return generate(decoder, z, max_length=10, temperature=1.0, generator=_seeded(seed)).tokens.tolist()

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


@pytest.mark.parametrize(("bias", "length"), [(-1e9, 13), (1e9, 1)])
def test_rows_are_cut_at_the_longest_length_and_may_end_at_once(bias, length, monkeypatch):
    monkeypatch.setattr(generation, "WINDOW", 6)
    decoder = _decoder()
    with torch.no_grad():
        decoder.output.bias[EOS] = bias
    tokens = generate(decoder, _points(20), max_length=13).tokens
    assert tokens.shape == (20, length)
    assert not (tokens == PAD).any()
    assert bool((tokens == EOS).any()) == (bias > 0)


def test_no_rows_give_no_rows():
    written = generate(_decoder(), _points(0), max_length=9, temperature=1.0, log_prob=True)
    assert (written.tokens.shape[0], written.log_prob.shape) == (0, (0,))
