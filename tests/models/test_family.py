"""All members of the autoencoder family agree with their formulas."""

from __future__ import annotations

import pytest
import torch
from torch.autograd.functional import jacobian
from torch.distributions import Normal, kl_divergence

from molvae.models.config import EOS, PAD, UNK, ModelSettings
from molvae.models.generation import generate
from molvae.models.network import Posterior
from molvae.models.regularizers import contraction, forget, mean_discrepancy, sparsity, swap
from molvae.models.vae import SequenceVAE, hide

SMALL = {"latent_size": 6, "embedding_size": 5, "encoder_hidden": 7, "decoder_hidden": 9, "head_hidden": 4}
TOKENS = torch.tensor([[4, 5, 6, 7, EOS], [8, 9, EOS, PAD, PAD], [10, 4, 4, EOS, PAD]])
LENGTHS = torch.tensor([5, 3, 4])
BATCH = {
    "tokens": TOKENS,
    "lengths": LENGTHS,
    "properties": torch.tensor([[0.5, -1.0], [0.0, float("nan")], [2.0, 0.3]], dtype=torch.double),
    "observed": torch.tensor([[True, True], [True, False], [True, True]]),
}


def _model(**changes):
    torch.manual_seed(0)
    return SequenceVAE(ModelSettings(**{**SMALL, **changes}), vocabulary_size=11, n_properties=2).double()


def _seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    "member",
    [
        {"posterior": "dirac"},
        {"source_dropout": 0.3, "source_swap": 0.3},
        {"penalties": {"sparse": 0.5}},
        {"penalties": {"contractive": 0.1}},
        {"posterior": "dirac", "penalties": {"mmd": 10.0}},
        {"conditional": True},
    ],
)
def test_each_member_has_a_finite_loss_that_reaches_the_weights_it_uses(member):
    model = _model(**member)
    elbo = model(**BATCH, generator=_seeded())
    elbo.loss(0.3, free_bits=0.1).backward()
    assert all(
        torch.isfinite(p.grad).all() and p.grad.abs().sum() > 0
        for name, p in model.named_parameters()
        if p.grad is not None and not name.endswith("embedding.weight")
    )
    without = {name for name, p in model.named_parameters() if p.grad is None}
    assert without == set()
    read = model.eval().decoder_input(elbo.posterior.mu.detach())
    written = generate(model.decoder, read, max_length=7)
    assert written.tokens.shape[0] == 3


def test_a_dirac_posterior_is_its_mean_and_has_no_kl():
    model = _model(posterior="dirac")
    elbo = model(**BATCH, generator=_seeded())
    assert elbo.posterior.is_dirac
    assert torch.equal(elbo.posterior.rsample(_seeded()), elbo.posterior.mu)
    assert elbo.kl.tolist() == [0.0, 0.0, 0.0]


def test_the_kl_is_the_closed_form():
    mu, logvar = torch.randn(2, 5, 3, dtype=torch.double, generator=_seeded())
    expected = kl_divergence(Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0)).sum(-1)
    torch.testing.assert_close(Posterior(mu, logvar).kl(), expected)


def test_free_bits_make_small_dimensions_cost_a_constant():
    model = _model()
    elbo = model(**BATCH, generator=_seeded())
    by_dimension = elbo.kl_by_dimension.mean(0)
    threshold = by_dimension.median().item()
    expected = elbo.loss(0.0) + 0.7 * torch.where(by_dimension > threshold, by_dimension, threshold).sum()
    torch.testing.assert_close(elbo.loss(0.7, free_bits=threshold), expected)
    assert elbo.loss(0.7, free_bits=threshold) > elbo.loss(0.7)


class TestContraction:
    def setup_method(self):
        self.model = _model().eval()
        self.embedded = self.model.encoder.embedding(TOKENS.t()).detach()

    def _means(self, embedded):
        return self.model.encoder.from_embedded(embedded, LENGTHS).mu

    def test_embedded_rows_have_the_posterior_of_their_tokens(self):
        torch.testing.assert_close(self._means(self.embedded), self.model.encoder(TOKENS, LENGTHS).mu)

    def test_it_is_the_jacobian_along_its_direction(self):
        full = jacobian(self._means, self.embedded)  # b x d x t x b x e
        direction = torch.randn(self.embedded.shape, generator=_seeded(7), dtype=torch.double)
        along = torch.einsum("bdtce,tce->bd", full, direction)
        found = contraction(self._means, self.embedded, _seeded(7))
        torch.testing.assert_close(found, along.square().sum(-1), rtol=1e-4, atol=1e-10)

    def test_its_mean_is_the_squared_frobenius_norm(self):
        full = jacobian(self._means, self.embedded)
        generator = _seeded(1)
        draws = torch.stack([contraction(self._means, self.embedded, generator) for _ in range(3000)])
        expected = full.square().sum(dim=(1, 2, 3, 4))
        torch.testing.assert_close(draws.mean(0).detach(), expected, rtol=0.1, atol=0.0)

    def test_its_gradient_is_that_of_the_penalty(self):
        weight = self.model.encoder.posterior.weight

        def penalty():
            return contraction(self._means, self.embedded, _seeded(3)).sum()

        (gradient,) = torch.autograd.grad(penalty(), weight)
        step = 1e-4
        with torch.no_grad():
            weight[1, 2] += step
            above = penalty()
            weight[1, 2] -= 2 * step
            below = penalty()
        assert gradient[1, 2].item() == pytest.approx(((above - below) / (2 * step)).item(), rel=1e-4)


def test_sparsity_is_the_sum_of_absolute_means():
    assert sparsity(torch.tensor([[1.0, -2.0], [0.0, 0.5]])).tolist() == [3.0, 0.5]


def test_the_discrepancy_is_zero_for_the_prior_itself_and_grows_away_from_it():
    generator = _seeded()
    same = [float(mean_discrepancy(torch.randn(64, 8, generator=generator), generator)[0]) for _ in range(60)]
    shifted = [
        float(mean_discrepancy(torch.randn(64, 8, generator=generator) + 1.0, generator)[0])
        for _ in range(10)
    ]
    assert abs(sum(same) / 60) < 0.01
    assert min(shifted) > 0.1
    assert mean_discrepancy(torch.randn(1, 8)).tolist() == [0.0]


class TestCorruption:
    def test_a_share_of_zero_leaves_tokens_unchanged(self):
        assert torch.equal(hide(TOKENS, 0.0), TOKENS)
        assert torch.equal(swap(TOKENS, LENGTHS, 0.0), TOKENS)

    def test_the_share_is_hidden(self):
        tokens = torch.full((200, 50), 5)
        share = (hide(tokens, 0.3, _seeded()) == UNK).double().mean().item()
        assert share == pytest.approx(0.3, abs=0.02)

    def test_swaps_move_by_one_place_and_keep_the_end(self):
        tokens = torch.arange(4, 24).repeat(50, 1)
        lengths = torch.randint(1, 21, (50,), generator=_seeded(2))
        swapped = swap(tokens, lengths, 0.5, _seeded())
        moved = (swapped - tokens).abs()
        assert moved.max() == 1
        for row, length in enumerate(lengths.tolist()):
            assert sorted(swapped[row].tolist()) == tokens[row].tolist()
            assert swapped[row, length - 1 :].tolist() == tokens[row, length - 1 :].tolist()


class TestConditions:
    def test_the_decoder_heeds_what_is_known_and_only_that(self):
        model = _model(conditional=True).eval()
        z = torch.randn(1, 6, dtype=torch.double, generator=_seeded())
        known = torch.tensor([[True, False]])

        def logits(first, second):
            properties = torch.tensor([[first, second]], dtype=torch.double)
            return model.decoder(TOKENS[:1], model.decoder_input(z, (properties, known)))

        assert not torch.allclose(logits(0.0, 0.0), logits(3.0, 0.0))
        assert torch.equal(logits(1.0, 0.0), logits(1.0, float("nan")))

    def test_what_is_forgotten_was_known(self):
        observed = torch.rand(500, 4, generator=_seeded()) < 0.6
        kept = forget(observed, 0.25, _seeded(1))
        assert (kept <= observed).all()
        assert (kept.sum() / observed.sum()).item() == pytest.approx(0.75, abs=0.04)
