"""Autoregressive decoding: tokens one after the other, of many latent vectors side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from molvae.models.config import BOS, EOS, PAD, UNK
from molvae.models.network import at_least_single

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from molvae.models.network import GRUDecoder

WINDOW = 256
"""Rows written side by side on a CPU: enough for full-speed matrix products, and they stay in the cache."""
WINDOW_OF_A_GPU = 4096
_SHARE = 8  # places are refilled, or dropped, once this fraction (an eighth) of them is idle
_BELOW_ONE = 1.0 - 2.0**-22  # times a float32 it stays below that number, rounded or not


@dataclass(frozen=True, slots=True)
class Generation:
    """The output of a decoder."""

    tokens: Tensor  # token ids with the end mark and padding after it, b x t
    log_prob: Tensor | None  # of each row at temperature 1, in nats, b; None unless asked for


class Steps:
    """A decoder one token at a time, rows side by side; it never writes the begin mark or unknown tokens."""

    def __init__(self, decoder: GRUDecoder, z: Tensor) -> None:
        self._decoder, self._table = decoder, decoder.token_inputs()
        never = torch.zeros_like(decoder.output.bias)
        never[[BOS, PAD, UNK]] = -torch.inf
        self._bias = decoder.output.bias + never
        self.states, self.conditions = self._begun(z)

    def _begun(self, z: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Hidden states of each layer, `b x h`, and the projection of z into each layer, `b x 3h`."""
        states = [initial(z).tanh() for initial in self._decoder.initials]
        return states, [project(z) for project in self._decoder.conditions]

    def logits(self, tokens: Tensor) -> Tensor:
        """Logits of the token after each of `tokens`, `b x v`; the states become those after them."""
        inputs = self._table.index_select(0, tokens)
        for layer, gru in enumerate(self._decoder.layers):
            if layer > 0:
                inputs = self._decoder.inputs[layer](self.states[layer - 1])
            projected = inputs.add_(self.conditions[layer])
            self.states[layer] = gru.step(projected, self.states[layer])  # type: ignore[operator]
        return at_least_single(torch.addmm(self._bias, self.states[-1], self._decoder.output.weight.t()))

    def begin(self, places: Tensor, z: Tensor) -> None:
        """Restart the rows `k` from other latent vectors, `k x d`."""
        states, conditions = self._begun(z)
        for old, new in zip([*self.states, *self.conditions], [*states, *conditions], strict=True):
            old.index_copy_(0, places, new)

    def keep(self, places: Tensor) -> None:
        """Continue with these rows only."""
        self.states = [state.index_select(0, places) for state in self.states]
        self.conditions = [condition.index_select(0, places) for condition in self.conditions]


@torch.inference_mode()
def generate(
    decoder: GRUDecoder,
    z: Tensor,
    *,
    max_length: int,
    temperature: float = 0.0,
    generator: Generator | None = None,
    log_prob: bool = False,
) -> Generation:
    """Decode latent vectors `b x d`.

    Up to `WINDOW` rows are written side by side; the others wait until one ends. The text of a row depends on
    its `z`, its index and the generator's state, not on other rows or the window (apart from the rounding of
    matrix products of different sizes).

    Args:
        decoder: The decoder.
        z: Latent vectors, `b x d`.
        max_length: Rows without an end mark after so many tokens are cut there.
        temperature: 0 is greedy; otherwise tokens are drawn from softmax(logits / temperature).
        generator: Source of the draws: `max_length` uniform numbers a row, in the order of the rows.
        log_prob: Whether to compute log-probabilities, at the cost of a log-softmax per token.
    """
    n_rows = z.shape[0]
    draws = None
    if temperature > 0.0:
        device = z.device if generator is None else generator.device
        draws = torch.rand(n_rows, max_length, generator=generator, device=device).to(z.device)
    width = WINDOW if z.device.type == "cpu" else WINDOW_OF_A_GPU
    loop = _Loop(Steps(decoder, z[:width]), z, max_length)
    # One extra row receives what idle places write.
    tokens = torch.full((n_rows + 1, max_length), PAD, dtype=torch.long, device=z.device)
    total = at_least_single(z.new_zeros(n_rows + 1))
    while len(loop.rows) > 0:
        logits = loop.texts.logits(loop.current)
        if draws is None:
            chosen = logits.argmax(1)
        else:
            chosen = _draw(logits, temperature, draws[loop.rows.clamp(max=n_rows - 1), loop.steps])
        tokens[loop.rows, loop.steps] = chosen
        if log_prob:
            surprise = logits.logsumexp(1) - logits.gather(1, chosen[:, None])[:, 0]
            total[loop.rows] -= surprise
        loop.advance(chosen)
    return Generation(tokens[:n_rows, : loop.longest], total[:n_rows] if log_prob else None)


def _draw(logits: Tensor, temperature: float, uniform: Tensor) -> Tensor:
    """Tokens `b` by inverting the cumulative distribution: one uniform number per row is enough."""
    cumulative = (logits / temperature).softmax(1).cumsum(1)
    below = uniform.to(cumulative.dtype).clamp(max=_BELOW_ONE)[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, below, right=True)[:, 0]


class _Loop:
    """The places at which rows are written, and the queue of rows without a place."""

    def __init__(self, texts: Steps, z: Tensor, max_length: int) -> None:
        self.texts, self.z, self.max_length = texts, z, max_length
        self.n_begun = len(texts.states[0])
        # The row at each place; the number of rows where it is idle.
        self.rows = torch.arange(self.n_begun, device=z.device)
        self.steps = torch.zeros_like(self.rows)  # tokens written of each row
        self.current = torch.full_like(self.rows, BOS)  # the last of them
        self.longest = 0  # tokens of the longest row so far

    def advance(self, chosen: Tensor) -> None:
        """Advance by one step with these tokens `b`; waiting rows take idle places."""
        self.current = chosen
        self.steps += 1
        ended = (chosen == EOS) | (self.steps == self.max_length)
        if not bool(ended.any()):
            return
        self.longest = max(self.longest, int((self.steps * (self.rows < len(self.z))).max()))
        self.rows.masked_fill_(ended, len(self.z))
        self.steps.masked_fill_(ended, 0)
        idle = (self.rows == len(self.z)).nonzero()[:, 0]
        if len(idle) * _SHARE < len(self.rows):
            return
        first, self.n_begun = self.n_begun, min(self.n_begun + len(idle), len(self.z))
        n_new = self.n_begun - first
        places = idle[:n_new]
        if n_new:
            self.texts.begin(places, self.z[first : self.n_begun])
            self.rows[places] = torch.arange(first, self.n_begun, device=self.z.device)
            self.steps[places] = 0
            self.current[places] = BOS
        if n_new < len(idle):  # no row is waiting
            kept = (self.rows < len(self.z)).nonzero()[:, 0]
            self.rows, self.steps, self.current = self.rows[kept], self.steps[kept], self.current[kept]
            self.texts.keep(kept)
