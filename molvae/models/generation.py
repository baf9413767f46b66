"""Writing molecules: the decoder's step loop, with finished rows dropped from the batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from molvae.models.precision import at_least_single

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from molvae.models.decoder import GRUDecoder


@dataclass(frozen=True, slots=True)
class Generation:
    """What a decoder wrote.

    Attributes:
        tokens: Token ids with the end mark and padding after it, `b x t`.
        log_prob: Log-probability of each row at temperature 1, in nats, `b`.
    """

    tokens: Tensor
    log_prob: Tensor


@torch.inference_mode()
def generate(
    decoder: GRUDecoder,
    z: Tensor,
    *,
    bos: int,
    eos: int,
    pad: int,
    forbidden: tuple[int, ...] = (),
    max_length: int,
    temperature: float = 0.0,
    generator: Generator | None = None,
) -> Generation:
    """Decode latent vectors `b x d`.

    Args:
        decoder: The decoder.
        z: Latent vectors, `b x d`.
        bos: Begin mark.
        eos: End mark.
        pad: What fills a row after its end mark.
        forbidden: Further ids that are never written (the unknown token).
        max_length: Rows without an end mark after so many tokens are cut there.
        temperature: 0 is greedy; otherwise tokens are drawn from softmax(logits / temperature).
        generator: Source of the draws; they are a function of its state and of `z`'s shape alone.
    """
    n_rows = z.shape[0]
    tokens = torch.full((n_rows, max_length), pad, dtype=torch.long, device=z.device)
    log_prob = at_least_single(z.new_zeros(n_rows))
    rows = torch.arange(n_rows, device=z.device)
    table = decoder.inputs[0](decoder.embedding.weight)
    conditions = [project(z) for project in decoder.conditions]
    hidden = [decoder.initial(z, layer) for layer in range(len(decoder.layers))]
    current = torch.full((n_rows,), bos, dtype=torch.long, device=z.device)
    never = torch.tensor([bos, pad, *forbidden], device=z.device)
    for t in range(max_length):
        projected = table[current].add_(conditions[0])
        for layer, gru in enumerate(decoder.layers):
            if layer > 0:
                projected = decoder.inputs[layer](hidden[layer - 1]) + conditions[layer]
            hidden[layer] = gru.step(projected, hidden[layer])  # type: ignore[operator]
        logits = at_least_single(decoder.output(hidden[-1]))
        logits[:, never] = -torch.inf
        current = _choose(logits, temperature, generator, n_rows, rows)
        tokens[rows, t] = current
        chosen = logits.gather(1, current[:, None])[:, 0]
        log_prob[rows] += chosen - logits.logsumexp(1)
        writing = current != eos
        # A finished row that is not dropped yet must not be written again.
        if not bool(writing.all()):
            keep = writing.nonzero()[:, 0]
            if keep.numel() == 0:
                return Generation(tokens[:, : t + 1], log_prob)
            rows, current = rows[keep], current[keep]
            hidden = [state[keep] for state in hidden]
            conditions = [condition[keep] for condition in conditions]
    return Generation(tokens, log_prob)


def _choose(
    logits: Tensor, temperature: float, generator: Generator | None, n_rows: int, rows: Tensor
) -> Tensor:
    if temperature <= 0.0:
        return logits.argmax(1)
    # Gumbel-max, with noise for every row, written or not: a row's draws do not depend on the others.
    noise = -torch.empty(n_rows, logits.shape[1]).exponential_(generator=generator).log_()
    return (logits / temperature + noise.to(logits.device)[rows]).argmax(1)
