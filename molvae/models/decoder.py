"""The decoder: z to next-token logits, through a GRU that sees z at every step and in its initial state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from molvae.models.gru import GRULayer, embedding
from molvae.models.precision import at_least_single

if TYPE_CHECKING:
    from collections.abc import Iterable

    from molvae.models.config import ModelSettings


class GRUDecoder(nn.Module):
    """Autoregressive GRU over tokens, conditioned on z.

    z sets each layer's initial state and is added to each layer's input projection at every step; it is
    projected once per sequence. Token inputs are rows of a projected table. In a conditional model z comes
    with the properties appended, `b x (d + c)`.

    Args:
        settings: Sizes.
        vocabulary_size: `v`.
        n_conditions: `c`, columns appended to z.
    """

    def __init__(self, settings: ModelSettings, vocabulary_size: int, n_conditions: int = 0) -> None:
        super().__init__()
        hidden, n_layers = settings.decoder_hidden, settings.decoder_layers
        self.embedding = embedding(vocabulary_size, settings.embedding_size)
        self.inputs = nn.ModuleList(
            nn.Linear(settings.embedding_size if layer == 0 else hidden, 3 * hidden, bias=False)
            for layer in range(n_layers)
        )
        width = settings.latent_size + n_conditions
        self.conditions = nn.ModuleList(nn.Linear(width, 3 * hidden) for _ in range(n_layers))
        self.initials = nn.ModuleList(nn.Linear(width, hidden) for _ in range(n_layers))
        self.layers = nn.ModuleList(GRULayer(hidden) for _ in range(n_layers))
        self.output = nn.Linear(hidden, vocabulary_size)

    def forward(self, tokens: Tensor, z: Tensor) -> Tensor:
        """Logits of the token after each input token (teacher forcing).

        Args:
            tokens: Input token ids beginning with the begin mark, `b x t`.
            z: Latent vectors, `b x d`, with the condition if there is one.

        Returns:
            Logits, `t x b x v` (time first, as they are computed).
        """
        logits: Tensor = self.output(self.states(tokens, z))
        return logits

    def states(self, tokens: Tensor, z: Tensor) -> Tensor:
        """The last layer's hidden states after each input token, `t x b x h`: logits are read from them."""
        states = None
        for layer, project in enumerate(self.inputs):
            projected = (
                functional.embedding(tokens.t(), project(self.embedding.weight))
                if states is None
                else project(states)
            )
            states = self.layers[layer](projected.add_(self.conditions[layer](z)), self.initial(z, layer))
        assert isinstance(states, Tensor)  # noqa: S101 - there is a layer
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
