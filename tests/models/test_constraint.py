"""Laws of constrained generation: nothing refused is written, and what is left keeps its proportions."""

from __future__ import annotations

import pytest
import torch

from molvae.models.beam import beam_search
from molvae.models.config import ModelSettings
from molvae.models.generation import generate
from molvae.models.vae import BOS, EOS, PAD, UNK, SequenceVAE

V, D, LONGEST = 11, 6, 14
MARKS = {"bos": BOS, "eos": EOS, "pad": PAD, "forbidden": (UNK,), "max_length": LONGEST}


class Ladder:
    """No token twice in a row, 4 opens what 5 must close, and nothing open may end; the state is readable."""

    def start(self):
        return (0, 0)  # the last token, how many are open

    def after(self, state, token):
        last, n_open = state
        if token == EOS:
            return None if n_open or not last else (EOS, -1)
        n_open += (token == 4) - (token == 5)
        return None if token == last or n_open < 0 else (token, n_open)

    def needs(self, state):
        last, n_open = state  # between two closings, something else must stand
        return n_open + 1 + (n_open > 1) * (n_open - 1) + (last == 5 and n_open > 0) if n_open >= 0 else 0


class Nothing(Ladder):
    def after(self, state, token):
        return None if state[0] else super().after(state, token)


def _decoder():
    torch.manual_seed(3)
    sizes = {"latent_size": D, "embedding_size": 5, "decoder_hidden": 9}
    decoder = SequenceVAE(ModelSettings(**sizes), vocabulary_size=V, n_properties=0).double().decoder
    with torch.no_grad():
        decoder.output.weight.mul_(6.0)
        decoder.output.bias[[4, 5]] += 1.0  # so that the constraint has work to do
    return decoder.eval()


def _points(n, seed=0):
    return 3.0 * torch.randn(n, D, dtype=torch.double, generator=torch.Generator().manual_seed(seed))


def _write(decoder, z, constraint=None, temperature=0.0, seed=0, **others):
    generator = torch.Generator().manual_seed(seed)
    options = {**MARKS, "temperature": temperature, "generator": generator, **others}
    return generate(decoder, z, constraint=constraint, **options)


def _states(row, constraint):
    state = constraint.start()
    for token in row[row != PAD].tolist():
        state = constraint.after(state, token) if state is not None else None
    return state


def _shares(decoder, tokens, z):
    """Teacher-forced probabilities of every next token, `t x b x v`."""
    begun = torch.cat([torch.full((len(tokens), 1), BOS), tokens[:, :-1]], dim=1)
    logits = decoder(begun, z).detach()
    logits[..., [BOS, PAD, UNK]] = -torch.inf
    return logits.softmax(-1)


@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_every_row_is_allowed_and_ends_in_time(temperature):
    decoder, z, ladder = _decoder(), _points(150), Ladder()
    free = _write(decoder, z, temperature=temperature).tokens
    held = _write(decoder, z, ladder, temperature).tokens
    wrong = [_states(row, ladder) is None or row[-1] not in {EOS, PAD} for row in free]
    assert sum(wrong) > 30, "or the test shows nothing"
    assert all(_states(row, ladder) == (EOS, -1) for row in held)
    for a, b, bad in zip(free, held, wrong, strict=True):
        if not bad:
            assert a[a != PAD].tolist() == b[b != PAD].tolist(), "what is allowed anyway stays what it was"


def test_greedy_takes_the_most_likely_of_what_is_allowed():
    decoder, z, ladder = _decoder(), _points(60), Ladder()
    tokens = _write(decoder, z, ladder).tokens
    shares = _shares(decoder, tokens, z)
    for row, written in enumerate(tokens):
        state = ladder.start()
        for step, token in enumerate(written[written != PAD].tolist()):
            left = LONGEST - 1 - step
            allowed = [
                t
                for t in range(4, V)
                if (found := ladder.after(state, t)) is not None and ladder.needs(found) <= left
            ]
            allowed += [EOS] if ladder.after(state, EOS) else []
            assert token == max(allowed, key=lambda t: shares[step, row, t].item())
            state = ladder.after(state, token)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_draws_keep_the_proportions_of_what_is_allowed(temperature):
    decoder, n, ladder = _decoder(), 6000, Ladder()
    z = _points(1).expand(n, -1)
    tokens = _write(decoder, z, ladder, temperature, max_length=4).tokens
    seen = int(tokens[:, 0].mode().values)
    after = tokens[:, 0] == seen
    found = torch.bincount(tokens[after, 1], minlength=V) / after.sum()
    expected = _shares(decoder, torch.tensor([[seen, PAD]]), z[:1])[1, 0].double() ** (1.0 / temperature)
    state = ladder.after(ladder.start(), seen)
    expected[[t for t in range(V) if t in {BOS, PAD, UNK} or ladder.after(state, t) is None]] = 0.0
    torch.testing.assert_close(found.double(), expected / expected.sum(), atol=0.03, rtol=0.0)
    assert expected[seen] == 0.0


@pytest.mark.parametrize("temperature", [0.0, 1.2])
def test_a_row_knows_nothing_of_others_nor_of_the_window(temperature):
    decoder, z, ladder = _decoder(), _points(50), Ladder()
    whole = _write(decoder, z, ladder, temperature).tokens
    for window in (1, 7, 50):
        assert torch.equal(_write(decoder, z, ladder, temperature, window=window).tokens, whole), window
    first = _write(decoder, z[:20], ladder, temperature).tokens
    assert [row[row != PAD].tolist() for row in first] == [row[row != PAD].tolist() for row in whole[:20]]


def test_log_probability_is_the_decoder_s_own():
    decoder, z = _decoder(), _points(25)
    written = _write(decoder, z, Ladder(), 1.0, log_prob=True)
    inside = written.tokens != PAD
    taken = _shares(decoder, written.tokens, z).log().gather(2, written.tokens.t()[:, :, None])[:, :, 0].t()
    torch.testing.assert_close(written.log_prob, taken.masked_fill(~inside, 0.0).sum(1))


def test_a_row_of_which_nothing_is_left_ends_there():
    tokens = _write(_decoder(), _points(12), Nothing()).tokens
    assert tokens.shape == (12, 2)
    assert (tokens[:, 1] == EOS).all()
    assert _write(_decoder(), _points(0), Ladder()).tokens.shape[0] == 0


def test_a_beam_under_a_constraint_finds_the_most_likely_of_the_allowed_texts():
    decoder, z, ladder = _decoder(), _points(30), Ladder()
    options = {**MARKS, "max_length": 4, "margin": 1e9}
    everything = beam_search(decoder, z, **options, width=400, n_best=400)
    held = beam_search(decoder, z, **options, width=100, n_best=5, constraint=ladder)
    for row in range(len(z)):
        pairs = zip(everything.tokens[row], everything.log_prob[row], strict=True)
        allowed = [(text, p) for text, p in pairs if p > -torch.inf and _states(text, ladder) == (EOS, -1)][
            :5
        ]
        n_found = int(held.log_prob[row].isfinite().sum())
        assert n_found == len(allowed) > 0
        torch.testing.assert_close(held.log_prob[row, :n_found], torch.stack([p for _, p in allowed]))
        for text, (expected, _) in zip(held.tokens[row], allowed, strict=False):
            assert text[text != PAD].tolist() == expected[expected != PAD].tolist()
    alone = beam_search(decoder, z[29:], **options, width=100, n_best=5, constraint=ladder)
    torch.testing.assert_close(alone.log_prob[0], held.log_prob[29])
    assert (
        not beam_search(decoder, z[:2], **options, width=3, n_best=2, constraint=Nothing())
        .log_prob.isfinite()
        .any()
    )
