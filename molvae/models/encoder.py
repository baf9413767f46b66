"""The encoder: token ids to a posterior over z, through a bidirectional GRU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from molvae.models.growth import take_over_layers
from molvae.models.gru import GRULayer, embedding
from molvae.models.posterior import Posterior
from molvae.models.precision import at_least_single

if TYPE_CHECKING:
    from molvae.models.config import ModelSettings

_LOGVAR_RANGE = (-14.0, 4.0)  # keeps sigma within [1e-3, 7.4], so that no exp overflows
_DIRECTIONS, _GATES = 2, 3


class GRUEncoder(nn.Module):
    """Bidirectional GRU whose final states become mu and logvar.

    Sequences are never packed: the backward direction reads each row reversed within its own length, so
    padding comes last in both directions and never reaches the states that are read out.

    Args:
        settings: Sizes.
        vocabulary_size: `v`.
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
        """The posterior of each row.

        Args:
            tokens: Token ids, `b x t`.
            lengths: Tokens in each row, `b`; what comes after is padding.
        """
        tokens = tokens.t()
        reverse = _reversal(lengths, tokens.shape[0])
        # A row of the projected table per token, instead of a product per token.
        to_ahead, to_back = self.inputs[0](self.embedding.weight).chunk(2, dim=-1)
        first = functional.embedding(tokens, to_ahead.contiguous())
        second = functional.embedding(tokens.gather(0, reverse), to_back.contiguous())
        return self._read(first, second, lengths, reverse)

    def take_over(self, smaller: GRUEncoder) -> None:
        """Begin as an encoder with as many layers and no more hidden units: the same posteriors."""
        take_over_layers(self.embedding, smaller.embedding)
        for number, (own, known) in enumerate(zip(self.inputs, smaller.inputs, strict=True)):
            columns = (_DIRECTIONS,) if number else ()  # the first layer reads tokens
            take_over_layers(own, known, (_DIRECTIONS, _GATES), columns)
        for own, known in zip(
            (*self.forwards, *self.backwards), (*smaller.forwards, *smaller.backwards), strict=True
        ):
            take_over_layers(own, known, (_GATES,))
        take_over_layers(self.posterior, smaller.posterior, columns=(_DIRECTIONS,))

    def embed(self, tokens: Tensor) -> Tensor:
        """Embeddings of token ids `b x t`, `t x b x e`."""
        embedded: Tensor = self.embedding(tokens.t())
        return embedded

    def from_embedded(self, embedded: Tensor, lengths: Tensor) -> Posterior:
        """The posterior of rows given as embeddings `t x b x e`, for derivatives by the input."""
        reverse = _reversal(lengths, embedded.shape[0])
        first, second = self.inputs[0](embedded).chunk(2, dim=-1)
        return self._read(first, _reorder(second, reverse), lengths, reverse)

    def _read(self, first: Tensor, second: Tensor, lengths: Tensor, reverse: Tensor) -> Posterior:
        """Run both directions of every layer over the projected input, `t x b x 3h` each."""
        n_layers = len(self.inputs)
        for layer, (ahead, back) in enumerate(zip(self.forwards, self.backwards, strict=True)):
            initial = first.new_zeros(first.shape[1], self.posterior.in_features // 2)
            read_ahead, read_back = ahead(first.contiguous(), initial), back(second.contiguous(), initial)
            if layer + 1 < n_layers:
                states = torch.cat([read_ahead, _reorder(read_back, reverse)], dim=-1)
                first, second = self.inputs[layer + 1](states).chunk(2, dim=-1)
                second = _reorder(second, reverse)
        last = (lengths - 1)[None, :, None].expand(1, -1, read_ahead.shape[-1])
        final = torch.cat([read_ahead.gather(0, last)[0], read_back.gather(0, last)[0]], dim=-1)
        mu, logvar = at_least_single(self.posterior(final)).chunk(2, dim=-1)
        return Posterior.dirac(mu) if self.is_dirac else Posterior(mu, logvar.clamp(*_LOGVAR_RANGE))


def _reversal(lengths: Tensor, n_steps: int) -> Tensor:
    """Step to read at step t when each row is reversed within its own length, `t x b`."""
    steps = torch.arange(n_steps, device=lengths.device)[:, None]
    return torch.where(steps < lengths, lengths - 1 - steps, steps)


def _reorder(states: Tensor, order: Tensor) -> Tensor:
    return states.gather(0, order[:, :, None].expand_as(states))
