"""Encoder, posterior, decoder, heads and the terms of the ELBO."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from molvae.models.devices import at_least_single
from molvae.models.gru import GRULayer, embedding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from molvae.models.config import ModelSettings

_LOGVAR_OF_Z = (-14.0, 4.0)  # keeps sigma within [1e-3, 7.4], so that no exp overflows
_LOGVAR_OF_PROPERTIES, _LOGVAR_OF_PRIOR = (-8.0, 4.0), (-6.0, 3.0)


@dataclass(frozen=True, slots=True)
class Posterior:
    """A diagonal Gaussian over z for each molecule (Kingma & Welling, arXiv:1312.6114).

    A plain autoencoder's posterior is a point (Dirac): `logvar` is minus infinity everywhere. Its samples are
    mu, and its KL, infinite for any continuous prior, is left out of the loss as 0.

    Attributes:
        mu: Means, `b x d`.
        logvar: Logarithms of the variances, `b x d`.
    """

    mu: Tensor
    logvar: Tensor

    @classmethod
    def dirac(cls, mu: Tensor) -> Posterior:
        """All mass at `mu`, `b x d`."""
        return cls(mu, torch.full_like(mu, -torch.inf))

    @property
    def is_dirac(self) -> bool:
        """Whether this is a point, without noise."""
        return bool(torch.isneginf(self.logvar).all())

    def rsample(self, generator: Generator | None = None) -> Tensor:
        """A reparameterized sample `mu + sigma * noise`, `b x d`: gradients reach mu and logvar."""
        noise = torch.randn(
            self.mu.shape, generator=generator, dtype=self.mu.dtype, device=_device(generator, self.mu)
        )
        return self.mu + torch.exp(0.5 * self.logvar) * noise.to(self.mu.device)

    def scaled(self, scale: float) -> Posterior:
        """The same with its standard deviations times `scale`, from 0 (a point) on."""
        shift = 2.0 * math.log(scale) if scale > 0.0 else -math.inf
        return Posterior(self.mu, self.logvar + shift)

    def kl(self, prior: Posterior | None = None) -> Tensor:
        """KL(q(z|x) || p(z)) in nats per molecule, `b`.

        With p = N(0, I) this is ½ Σ (mu² + sigma² - 1 - log sigma²).

        Args:
            prior: A diagonal Gaussian for each molecule; N(0, I) if not given.
        """
        return self.kl_by_dimension(prior).sum(-1)

    def kl_by_dimension(self, prior: Posterior | None = None) -> Tensor:
        """The terms of `kl`, `b x d`."""
        if self.is_dirac:
            return torch.zeros_like(self.mu)
        if prior is None:
            return 0.5 * (self.mu.square() + self.logvar.exp() - 1.0 - self.logvar)
        distance = (self.mu - prior.mu).square() + self.logvar.exp()
        return 0.5 * (distance / prior.logvar.exp() - 1.0 - self.logvar + prior.logvar)


def _device(generator: Generator | None, like: Tensor) -> torch.device:
    return like.device if generator is None else generator.device


class GRUEncoder(nn.Module):
    """Token ids to a posterior over z: a bidirectional GRU whose final states become mu and logvar.

    Sequences are never packed: the backward direction reads each row reversed within its own length, so
    padding comes last in both directions and never reaches the states that are read out.
    """

    def __init__(self, settings: ModelSettings, vocabulary_size: int) -> None:
        super().__init__()
        hidden = settings.encoder_hidden
        self.is_dirac = settings.posterior == "dirac"
        self.embedding = embedding(vocabulary_size, settings.embedding_size)
        widths = [settings.embedding_size] + [2 * hidden] * (settings.encoder_layers - 1)
        self.inputs = nn.ModuleList(nn.Linear(width, 6 * hidden) for width in widths)
        self.forwards = nn.ModuleList(GRULayer(hidden) for _ in widths)
        self.backwards = nn.ModuleList(GRULayer(hidden) for _ in widths)
        self.posterior = nn.Linear(2 * hidden, 2 * settings.latent_size)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Posterior:
        """The posterior of each token row, `b x t`, of which the first `lengths` (`b`) tokens count."""
        tokens = tokens.t()
        reverse = _reversal(lengths, tokens.shape[0])
        # A row of the projected table per token, instead of a product per token.
        to_ahead, to_back = self.inputs[0](self.embedding.weight).chunk(2, dim=-1)
        first = functional.embedding(tokens, to_ahead.contiguous())
        second = functional.embedding(tokens.gather(0, reverse), to_back.contiguous())
        return self._read(first, second, lengths, reverse)

    def from_embedded(self, embedded: Tensor, lengths: Tensor) -> Posterior:
        """The posterior of rows given as embeddings `t x b x e`, for derivatives by the input."""
        reverse = _reversal(lengths, embedded.shape[0])
        first, second = self.inputs[0](embedded).chunk(2, dim=-1)
        return self._read(first, _reorder(second, reverse), lengths, reverse)

    def _read(self, first: Tensor, second: Tensor, lengths: Tensor, reverse: Tensor) -> Posterior:
        """Run both directions of every layer over the projected input, `t x b x 3h` each."""
        for layer, (ahead, back) in enumerate(zip(self.forwards, self.backwards, strict=True)):
            initial = first.new_zeros(first.shape[1], self.posterior.in_features // 2)
            read_ahead, read_back = ahead(first.contiguous(), initial), back(second.contiguous(), initial)
            if layer + 1 < len(self.inputs):
                states = torch.cat([read_ahead, _reorder(read_back, reverse)], dim=-1)
                first, second = self.inputs[layer + 1](states).chunk(2, dim=-1)
                second = _reorder(second, reverse)
        last = (lengths - 1)[None, :, None].expand(1, -1, read_ahead.shape[-1])
        final = torch.cat([read_ahead.gather(0, last)[0], read_back.gather(0, last)[0]], dim=-1)
        mu, logvar = at_least_single(self.posterior(final)).chunk(2, dim=-1)
        return Posterior.dirac(mu) if self.is_dirac else Posterior(mu, logvar.clamp(*_LOGVAR_OF_Z))


def _reversal(lengths: Tensor, n_steps: int) -> Tensor:
    """Step to read at step t when each row is reversed within its own length, `t x b`."""
    steps = torch.arange(n_steps, device=lengths.device)[:, None]
    return torch.where(steps < lengths, lengths - 1 - steps, steps)


def _reorder(states: Tensor, order: Tensor) -> Tensor:
    return states.gather(0, order[:, :, None].expand_as(states))


class GRUDecoder(nn.Module):
    """z to next-token logits: an autoregressive GRU that sees z at every step and in its initial state.

    z, with `n_conditions` columns appended, is projected once per sequence; token inputs are rows of a
    projected table.
    """

    def __init__(self, settings: ModelSettings, vocabulary_size: int, n_conditions: int = 0) -> None:
        super().__init__()
        hidden, n_layers = settings.decoder_hidden, settings.decoder_layers
        self.embedding = embedding(vocabulary_size, settings.embedding_size)
        widths = [settings.embedding_size] + [hidden] * (n_layers - 1)
        self.inputs = nn.ModuleList(nn.Linear(width, 3 * hidden, bias=False) for width in widths)
        width = settings.latent_size + n_conditions
        self.conditions = nn.ModuleList(nn.Linear(width, 3 * hidden) for _ in range(n_layers))
        self.initials = nn.ModuleList(nn.Linear(width, hidden) for _ in range(n_layers))
        self.layers = nn.ModuleList(GRULayer(hidden) for _ in range(n_layers))
        self.output = nn.Linear(hidden, vocabulary_size)

    def forward(self, tokens: Tensor, z: Tensor) -> Tensor:
        """Logits of the token after each of `tokens` (`b x t`, teacher forcing), `t x b x v`."""
        logits: Tensor = self.output(self.states(tokens, z))
        return logits

    def states(self, tokens: Tensor, z: Tensor) -> Tensor:
        """The last layer's hidden states after each input token, `t x b x h`: logits are read from them."""
        states = functional.embedding(tokens.t(), self.token_inputs())
        for layer, project in enumerate(self.inputs):
            projected = project(states) if layer else states
            states = self.layers[layer](projected.add_(self.conditions[layer](z)), self.initial(z, layer))
        return states

    def initial(self, z: Tensor, layer: int) -> Tensor:
        """Initial hidden state of a layer, `b x h`."""
        state: Tensor = self.initials[layer](z).tanh()
        return state

    def begin(self, z: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """First states (`b x h` each) and what z adds at every step (`b x 3h` each), per layer."""
        states = [self.initial(z, layer) for layer in range(len(self.layers))]
        return states, [project(z) for project in self.conditions]

    def token_inputs(self) -> Tensor:
        """The first layer's input projection of every token, `v x 3h`."""
        projected: Tensor = self.inputs[0](self.embedding.weight)
        return projected

    def bias_without(self, ids: Iterable[int]) -> Tensor:
        """The bias of the logits, `v`, with which these tokens are never written."""
        never = torch.zeros_like(self.output.bias)
        never[list(ids)] = -torch.inf
        return self.output.bias + never

    def step(self, inputs: Tensor, states: list[Tensor], conditions: list[Tensor], bias: Tensor) -> Tensor:
        """One step: logits of the next token, `b x v`; the states become those after it.

        Args:
            inputs: Rows of `token_inputs` of the tokens before, `b x 3h`; overwritten.
            states: As `begin` gives them; replaced in the list.
            conditions: As `begin` gives them.
            bias: Of the logits, `v`.
        """
        for layer, gru in enumerate(self.layers):
            if layer > 0:
                inputs = self.inputs[layer](states[layer - 1])
            states[layer] = gru.step(inputs.add_(conditions[layer]), states[layer])  # type: ignore[operator]
        return at_least_single(torch.addmm(bias, states[-1], self.output.weight.t()))


@dataclass(frozen=True, slots=True)
class Prediction:
    """Gaussian predictions of properties: `mean` and `variance` (same units squared), `b x p` each."""

    mean: Tensor
    variance: Tensor


class PropertyHead(nn.Module):
    """Latent vectors `b x d` to a Gaussian for each of `p` properties, in scaled units."""

    def __init__(self, settings: ModelSettings, n_properties: int) -> None:
        super().__init__()
        hidden = settings.head_hidden
        self.layers: Any = nn.Sequential(
            nn.Linear(settings.latent_size, hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, 2 * n_properties),
        )

    def forward(self, z: Tensor) -> Prediction:
        """Predictions from latent vectors `b x d`."""
        mean, logvar = at_least_single(self.layers(z)).chunk(2, dim=-1)
        return Prediction(mean, logvar.clamp(*_LOGVAR_OF_PROPERTIES).exp())


class ConditionalPrior(nn.Module):
    """p(z | properties): a diagonal Gaussian, from conditions `b x 2p` (Sohn et al. 2015)."""

    def __init__(self, settings: ModelSettings, n_properties: int) -> None:
        super().__init__()
        first = nn.Linear(2 * n_properties, settings.head_hidden)
        self.layers = nn.Sequential(
            first, nn.SiLU(), nn.Linear(settings.head_hidden, 2 * settings.latent_size)
        )

    def forward(self, conditions: Tensor) -> Posterior:
        """Where z lies."""
        mu, logvar = at_least_single(self.layers(conditions)).chunk(2, dim=-1)
        return Posterior(mu, logvar.clamp(*_LOGVAR_OF_PRIOR))


def condition(properties: Tensor, observed: Tensor) -> Tensor:
    """Properties `b x p` as a network sees them: values, 0 where unknown, and which are known; `b x 2p`."""
    return torch.cat([torch.where(observed, properties, 0.0), observed.to(properties.dtype)], dim=-1)


@dataclass(frozen=True, slots=True)
class Elbo:
    """Terms of the training loss, each `b` if not said otherwise, in nats per molecule.

    Attributes:
        reconstruction: -log p(x|z), summed over tokens; where there is noise, -log p(x|z_s, s).
        kl: KL(q(z|x) || p(z)); p is N(0, I) unless the model has a conditional prior.
        property: -log p(properties|z), summed over observed properties.
        penalty: Weighted sum of the regularizers.
        posterior: What the terms were computed from.
        kl_by_dimension: The terms of `kl`, `b x d`.
        noise: Level s at which the decoder read z; 0 but in the training of a model with noise levels, whose
            ELBO is made of the rows at 0.
    """

    reconstruction: Tensor
    kl: Tensor
    property: Tensor
    penalty: Tensor
    posterior: Posterior
    kl_by_dimension: Tensor
    noise: Tensor

    def reconstruction_at(self, level: float) -> Tensor:
        """Mean of `reconstruction` over the rows at a noise level, a scalar; 0 if there are none."""
        chosen = self.noise == level
        return torch.where(chosen, self.reconstruction, 0.0).sum() / chosen.sum().clamp_min(1)

    def loss(self, beta: float, property_weight: float = 1.0, free_bits: float = 0.0) -> Tensor:
        """Mean of reconstruction + beta * KL + property_weight * property + penalty, a scalar.

        The KL of a dimension, averaged over the batch, costs no less below `free_bits` nats, so that nothing
        is gained by emptying it (Kingma et al., arXiv:1606.04934).
        """
        kl = self.kl_by_dimension.mean(0)
        if free_bits > 0.0:
            kl = kl.clamp_min(free_bits)
        others = self.reconstruction + property_weight * self.property + self.penalty
        return others.mean() + beta * kl.sum()


def reconstruction_nll(logits: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
    """-log p(x|z) of token rows `b x t` of lengths `b`, from logits `t x b x v`, in nats, `b`."""
    n_steps, n_rows, n_tokens = logits.shape
    nll = functional.cross_entropy(
        at_least_single(logits).reshape(-1, n_tokens), tokens.t().reshape(-1), reduction="none"
    ).view(n_steps, n_rows)
    counted = lengths.new_tensor(range(n_steps))[:, None] < lengths
    return (nll * counted).sum(0)


def gaussian_nll(prediction: Prediction, target: Tensor, observed: Tensor) -> Tensor:
    """Negative log-likelihood of the observed of the properties `b x p`, in nats per molecule, `b`.

    Its gradient is that of the beta-NLL with beta = 1/2 (Seitzer et al., ICLR 2022, arXiv:2203.09168): each
    term's, times the predicted standard deviation. Without it, a head that is sure of itself has gradients as
    large as its variance is small, and drowns what the encoder learns of everything else.
    """
    error = torch.where(observed, target - prediction.mean, 0.0)
    terms = 0.5 * (error.square() / prediction.variance + prediction.variance.log() + math.log(2 * math.pi))
    damped = terms.detach() + prediction.variance.detach().sqrt() * (terms - terms.detach())
    return torch.where(observed, damped, 0.0).sum(-1)
