"""The sequence VAE: padding has no effect, nats add up, gradients reach all parameters."""

from __future__ import annotations

import math

import pytest
import torch

from molvae.models.config import BOS, EOS, PAD, UNK, ModelSettings
from molvae.models.network import Posterior, Prediction
from molvae.models.vae import SequenceVAE, gaussian_nll, hide, reconstruction_nll, shifted

SMALL = {"latent_size": 6, "embedding_size": 5, "encoder_hidden": 7, "decoder_hidden": 9, "head_hidden": 4}


def _model(**changes):
    torch.manual_seed(0)
    return SequenceVAE(ModelSettings(**{**SMALL, **changes}), vocabulary_size=11, n_properties=2).double()


def _batch(padding=0):
    tokens = torch.tensor([[4, 5, 6, 7, EOS], [8, 9, EOS, PAD, PAD], [10, 4, 4, EOS, PAD]])
    lengths = torch.tensor([5, 3, 4])
    tokens = torch.nn.functional.pad(tokens, (0, padding), value=PAD)
    properties = torch.tensor([[0.5, -1.0], [0.0, 0.0], [2.0, 0.3]], dtype=torch.double)
    observed = torch.tensor([[True, True], [False, False], [True, False]])
    return {
        "tokens": tokens,
        "lengths": lengths,
        "properties": properties,
        "observed": observed,
    }


@pytest.mark.parametrize("layers", [1, 2])
def test_padding_and_neighbours_change_nothing(layers):
    model = _model(decoder_layers=layers).eval()
    batch, padded = _batch(), _batch(padding=3)
    whole = model.encoder(batch["tokens"], batch["lengths"])
    torch.testing.assert_close(model.encoder(padded["tokens"], padded["lengths"]).mu, whole.mu)
    for row, length in enumerate(batch["lengths"].tolist()):
        alone = model.encoder(batch["tokens"][row : row + 1, :length], batch["lengths"][row : row + 1])
        torch.testing.assert_close(alone.mu[0], whole.mu[row])
        torch.testing.assert_close(alone.logvar[0], whole.logvar[row])
    logits = model.decoder(padded["tokens"], whole.mu)
    short = model.decoder(batch["tokens"], whole.mu)
    torch.testing.assert_close(
        reconstruction_nll(logits, padded["tokens"], padded["lengths"]),
        reconstruction_nll(short, batch["tokens"], batch["lengths"]),
    )


def test_the_encoder_reads_every_token_from_both_ends():
    model = _model().eval()
    batch = _batch()
    before = model.encoder(batch["tokens"], batch["lengths"]).mu
    for position in range(4):
        changed = batch["tokens"].clone()
        changed[0, position] = 3
        after = model.encoder(changed, batch["lengths"]).mu
        assert not torch.allclose(after[0], before[0])
        torch.testing.assert_close(after[1:], before[1:])


def test_reconstruction_is_the_sum_of_token_surprises():
    model = _model().eval()
    batch = _batch()
    z = torch.randn(3, 6, dtype=torch.double)
    begun = torch.cat([torch.full((3, 1), BOS), batch["tokens"][:, :-1]], dim=1)
    logits = model.decoder(begun, z)
    expected = [
        -sum(
            logits[t, row].log_softmax(-1)[batch["tokens"][row, t]].item()
            for t in range(int(batch["lengths"][row]))
        )
        for row in range(3)
    ]
    torch.testing.assert_close(
        reconstruction_nll(logits, batch["tokens"], batch["lengths"]).float(), torch.tensor(expected)
    )


def test_kl_is_the_closed_form_of_monte_carlo():
    generator = torch.Generator().manual_seed(0)
    mu, logvar = torch.tensor([[0.7, -1.2, 0.0]]), torch.tensor([[-0.5, 0.4, 0.0]])
    posterior = Posterior(mu.expand(200_000, -1), logvar.expand(200_000, -1))
    z = posterior.rsample(generator)
    log_q = -0.5 * ((z - mu) ** 2 / logvar.exp() + logvar + math.log(2 * math.pi))
    log_p = -0.5 * (z**2 + math.log(2 * math.pi))
    estimate = (log_q - log_p).sum(-1).mean()
    assert Posterior(mu, logvar).kl().item() == pytest.approx(estimate.item(), abs=0.02)
    assert Posterior(torch.zeros(1, 3), torch.zeros(1, 3)).kl().item() == 0.0


def test_the_reparameterized_gradient_equals_finite_differences():
    def sampled(mu, logvar):
        return Posterior(mu, logvar).rsample(torch.Generator().manual_seed(3)).pow(3)

    mu = torch.randn(2, 3, dtype=torch.double, requires_grad=True)
    logvar = torch.randn(2, 3, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(sampled, (mu, logvar))


def test_missing_properties_teach_nothing():
    mean = torch.zeros(1, 2, requires_grad=True)
    prediction = Prediction(mean, torch.ones(1, 2))
    observed = torch.tensor([[True, False]])
    nll = gaussian_nll(prediction, torch.tensor([[2.0, float("nan")]]), observed)
    assert nll.item() == pytest.approx(0.5 * (4.0 + math.log(2 * math.pi)))
    assert torch.autograd.grad(nll.sum(), mean)[0].tolist() == [[-2.0, 0.0]]
    nothing = gaussian_nll(prediction, torch.full((1, 2), float("nan")), torch.zeros(1, 2, dtype=torch.bool))
    assert nothing.item() == 0.0


def test_a_sure_head_has_no_larger_gradients():
    mean = torch.zeros(1, 1, requires_grad=True)
    variance = torch.full((1, 1), 0.04, requires_grad=True)
    target, observed = torch.full((1, 1), 0.3), torch.ones(1, 1, dtype=torch.bool)
    nll = gaussian_nll(Prediction(mean, variance), target, observed)
    plain = -torch.distributions.Normal(mean, variance.sqrt()).log_prob(target)
    assert nll.item() == pytest.approx(plain.item())
    wanted = torch.autograd.grad(plain.sum(), (mean, variance))
    for found, undamped in zip(torch.autograd.grad(nll.sum(), (mean, variance)), wanted, strict=True):
        assert found.item() == pytest.approx(0.2 * undamped.item())  # times the standard deviation


def test_loss_adds_its_terms_and_reaches_every_weight():
    model = _model()
    elbo = model(**_batch(), generator=torch.Generator().manual_seed(0))
    expected = (elbo.reconstruction + 0.3 * elbo.kl + 2.0 * elbo.property).mean()
    loss = elbo.loss(0.3, property_weight=2.0)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_token_dropout_hides_inputs_only_while_training():
    inputs = shifted(_batch()["tokens"])
    hidden = hide(inputs, 1.0, torch.Generator().manual_seed(0))
    assert (hidden[:, 0] == BOS).all()
    assert (hidden[:, 1:] == UNK).all()

    def nll(model):
        return model(**_batch(), generator=torch.Generator().manual_seed(0)).reconstruction

    hiding, whole = _model(token_dropout=0.9), _model(token_dropout=0.0)
    assert not torch.allclose(nll(hiding.train()), nll(whole.train()))
    assert torch.equal(nll(hiding.eval()), nll(whole.eval()))


def test_half_precision_gives_nearly_the_same_loss_and_gradients():
    model = _model(decoder_layers=2).float()
    batch = {**_batch(), "properties": _batch()["properties"].float()}
    results = []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            loss = model(**batch, generator=torch.Generator().manual_seed(0)).loss(0.1)
        assert loss.dtype == torch.float32
        results.append([loss, *torch.autograd.grad(loss, list(model.parameters()))])
    for full, half in zip(*results, strict=True):
        assert half.dtype == torch.float32
        torch.testing.assert_close(half, full, rtol=0.1, atol=0.05 * float(full.detach().abs().max()) + 1e-4)
