"""The parts of the sequence VAE: posterior, encoder, decoder and property head."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from molvae.models.gru import GRULayer, embedding

if TYPE_CHECKING:
    from molvae.models.config import ModelSettings

_LOGVAR_OF_Z = (-14.0, 4.0)  # keeps sigma within [1e-3, 7.4], so that no exp overflows
_LOGVAR_OF_PROPERTIES = (-8.0, 4.0)


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
        return self.mu + torch.exp(0.5 * self.logvar) * normal(self.mu, generator)

    def scaled(self, scale: float) -> Posterior:
        """The posterior with its standard deviations multiplied by `scale`; 0 makes it a point."""
        shift = 2.0 * math.log(scale) if scale > 0.0 else -math.inf
        return Posterior(self.mu, self.logvar + shift)

    def kl(self) -> Tensor:
        """KL(q(z|x) || N(0, I)) = ½ Σ (mu² + sigma² - 1 - log sigma²), in nats per molecule, `b`."""
        return self.kl_by_dimension().sum(-1)

    def kl_by_dimension(self) -> Tensor:
        """The terms of `kl`, `b x d`."""
        if self.is_dirac:
            return torch.zeros_like(self.mu)
        return 0.5 * (self.mu.square() + self.logvar.exp() - 1.0 - self.logvar)


def normal(like: Tensor, generator: Generator | None) -> Tensor:
    """Standard normal noise of the shape and type of a tensor, drawn on the generator's device."""
    device = like.device if generator is None else generator.device
    return torch.randn(like.shape, generator=generator, dtype=like.dtype, device=device).to(like.device)


def chosen(like: Tensor, share: float, generator: Generator | None) -> Tensor:
    """A mask that is true with probability `share` for each element, drawn on the generator's device."""
    device = like.device if generator is None else generator.device
    return (torch.rand(like.shape, generator=generator, device=device) < share).to(like.device)


def at_least_single(values: Tensor) -> Tensor:
    """The values in float32 if they are in half precision, unchanged otherwise; any shape."""
    return values.float() if values.element_size() < 4 else values  # noqa: PLR2004 - bytes of a float32


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
        # Lists of one, as checkpoints number the layers in the names of the weights.
        self.inputs = nn.ModuleList([nn.Linear(settings.embedding_size, 6 * hidden)])
        self.forwards = nn.ModuleList([GRULayer(hidden)])
        self.backwards = nn.ModuleList([GRULayer(hidden)])
        self.posterior = nn.Linear(2 * hidden, 2 * settings.latent_size)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Posterior:
        """The posterior of each token row, `b x t`, of which the first `lengths` (`b`) tokens count."""
        tokens = tokens.t()
        reversed_tokens = tokens.gather(0, _reversal(lengths, len(tokens)))
        # A row of the projected table per token, instead of a product per token.
        ahead, back = (table.contiguous() for table in self.inputs[0](self.embedding.weight).chunk(2, dim=-1))
        return self._read(
            functional.embedding(tokens, ahead), functional.embedding(reversed_tokens, back), lengths
        )

    def from_embedded(self, embedded: Tensor, lengths: Tensor) -> Posterior:
        """The posterior of rows given as embeddings `t x b x e`, to differentiate by the input."""
        ahead, back = self.inputs[0](embedded).chunk(2, dim=-1)
        reverse = _reversal(lengths, len(embedded))[:, :, None]
        return self._read(ahead, back.gather(0, reverse.expand_as(back)), lengths)

    def _read(self, ahead: Tensor, back: Tensor, lengths: Tensor) -> Posterior:
        """Run both directions over the projected input, `t x b x 3h` each."""
        initial = ahead.new_zeros(ahead.shape[1], self.posterior.in_features // 2)
        states = self.forwards[0](ahead.contiguous(), initial), self.backwards[0](back.contiguous(), initial)
        last = (lengths - 1)[None, :, None].expand(1, -1, initial.shape[1])
        final = torch.cat([read.gather(0, last)[0] for read in states], dim=-1)
        mu, logvar = at_least_single(self.posterior(final)).chunk(2, dim=-1)
        return Posterior.dirac(mu) if self.is_dirac else Posterior(mu, logvar.clamp(*_LOGVAR_OF_Z))


def _reversal(lengths: Tensor, n_steps: int) -> Tensor:
    """Step to read at step t when each row is reversed within its own length, `t x b`."""
    steps = torch.arange(n_steps, device=lengths.device)[:, None]
    return torch.where(steps < lengths, lengths - 1 - steps, steps)


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
            projected = projected.add_(self.conditions[layer](z))
            states = self.layers[layer](projected, self.initials[layer](z).tanh())
        return states

    def token_inputs(self) -> Tensor:
        """The first layer's input projection of every token, `v x 3h`."""
        projected: Tensor = self.inputs[0](self.embedding.weight)
        return projected


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
