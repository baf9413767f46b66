"""Beam search: the most likely texts of a latent vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from molvae.models.config import BOS, EOS, PAD
from molvae.models.generation import Steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from molvae.models.network import GRUDecoder

WIDTH = 8
"""Unfinished texts kept for each latent vector."""
N_BEST = 32
"""Finished texts kept for each latent vector."""
MARGIN = 12.0
"""Texts this many nats below the best finished one are dropped: usually fragments of one or two atoms,
unrelated to the latent vector."""
_STATES = 512  # texts written side by side: enough for full-speed matrix products
_DONE_SHARE = 4  # finished latent vectors are removed once one in four is done


@dataclass(frozen=True, slots=True)
class Beams:
    """The most likely texts of each latent vector, best first."""

    tokens: Tensor  # token ids with the end mark and padding after it, b x k x t
    log_prob: Tensor  # log-probability of each text, in nats, b x k; -inf where there are fewer


@torch.inference_mode()
def beam_search(
    decoder: GRUDecoder,
    z: Tensor,
    *,
    max_length: int,
    width: int = WIDTH,
    n_best: int = N_BEST,
    margin: float = MARGIN,
) -> Beams:
    """Find the most likely texts of latent vectors `b x d`.

    Every step continues the `width` most likely unfinished texts; finished ones are collected apart, so that
    short ones do not displace longer ones. A latent vector is done when nothing unfinished could come among
    its `n_best`, or within `margin` nats of its best; finished texts outside that are dropped, and those
    without an end mark after `max_length` tokens are given up.
    """
    if len(z) == 0:
        return Beams(torch.empty((0, n_best, 0), dtype=torch.long, device=z.device), z.new_empty((0, n_best)))
    n_rows = max(1, _STATES // width)
    parts = [
        _Search(decoder, z[first : first + n_rows], width, n_best).run(max_length, margin)
        for first in range(0, len(z), n_rows)
    ]
    return _joined(parts)


def _joined(parts: Sequence[Beams]) -> Beams:
    """Concatenate the beams of several batches of latent vectors."""
    longest = max(part.tokens.shape[2] for part in parts)
    tokens = [torch.nn.functional.pad(p.tokens, (0, longest - p.tokens.shape[2]), value=PAD) for p in parts]
    return Beams(torch.cat(tokens), torch.cat([part.log_prob for part in parts]))


class _Search:
    """The search for some latent vectors side by side, `r` of them with `w` unfinished texts each."""

    def __init__(self, decoder: GRUDecoder, z: Tensor, width: int, n_best: int) -> None:
        self.texts = Steps(decoder, z.repeat_interleave(width, 0))  # the unfinished ones, r w
        self.current = torch.full((len(z) * width,), BOS, device=z.device)
        self.score = z.new_full((len(z), width), -torch.inf)  # their log-probability, r x w
        self.score[:, 0] = 0.0  # all start the same: only one is continued
        self.ended = z.new_full((len(z), n_best), -torch.inf)  # that of the finished ones, r x k
        self.ended_at = torch.zeros((2, len(z), n_best), dtype=torch.long, device=z.device)  # step, place
        self.chosen: list[tuple[Tensor, Tensor]] = []  # token and parent place of each text, r x w, per step

    def run(self, max_length: int, margin: float) -> Beams:
        """Search until every latent vector is done, then trace the texts back."""
        rows = torch.arange(len(self.score), device=self.score.device)
        order, parts = [], []
        for step in range(max_length):
            self._advance(step)
            best, worst = self.ended[:, 0], self.ended[:, -1]
            open_best = self.score[:, 0]
            done = (open_best < worst) | (open_best < best - margin)
            n_done = int(done.sum())
            if n_done == len(done):
                break
            if n_done * _DONE_SHARE >= len(done):
                order.append(rows[done])
                parts.append(self._texts(done, margin))
                rows = rows[~done]
                self._keep(~done)
        parts.append(self._texts(torch.ones_like(rows, dtype=torch.bool), margin))
        beams = _joined(parts)
        place = torch.cat([*order, rows]).argsort()
        return Beams(beams.tokens[place], beams.log_prob[place])

    def _keep(self, rows: Tensor) -> None:
        """Continue with some of the latent vectors, a mask `r`."""
        places = rows.repeat_interleave(self.score.shape[1]).nonzero()[:, 0]
        self.score, self.ended, self.ended_at = self.score[rows], self.ended[rows], self.ended_at[:, rows]
        self.texts.keep(places)
        self.current = self.current[places]
        self.chosen = [(token[rows], parent[rows]) for token, parent in self.chosen]

    def _advance(self, step: int) -> None:
        n, width = self.score.shape
        logits = self.texts.logits(self.current)
        options = self.score[:, :, None] + logits.log_softmax(1).view(n, width, -1)  # r x w x v
        self._end(options[:, :, EOS], step)
        options[:, :, EOS] = -torch.inf
        self.score, place = options.flatten(1).topk(width, dim=1)
        parent, token = place // options.shape[2], place % options.shape[2]
        self.chosen.append((token, parent))
        rows = (torch.arange(n, device=place.device)[:, None] * width + parent).flatten()
        self.texts.states = [state.index_select(0, rows) for state in self.texts.states]
        self.current = token.flatten()

    def _end(self, score: Tensor, step: int) -> None:
        """Keep the best of the texts that ended before and of those that end at this step (`r x w`)."""
        places = torch.arange(score.shape[1], device=score.device).expand_as(score)
        here = torch.stack([torch.full_like(places, step), places])
        self.ended, order = torch.cat([self.ended, score], dim=1).topk(self.ended.shape[1], dim=1)
        self.ended_at = torch.cat([self.ended_at, here], dim=2).gather(2, order.expand(2, -1, -1))

    def _texts(self, rows: Tensor, margin: float) -> Beams:
        """Follow each text that ended back to its first token, for some latent vectors (`r` truth values)."""
        n_steps = len(self.chosen) + 1
        ended, (steps, place) = self.ended[rows], self.ended_at[:, rows]
        ended = ended.masked_fill(ended < ended[:, :1] - margin, -torch.inf)
        tokens = torch.full((*steps.shape, n_steps), PAD, device=steps.device)
        tokens.scatter_(2, steps[:, :, None], EOS)
        for step in reversed(range(n_steps - 1)):
            token, parent = (chosen[rows] for chosen in self.chosen[step])
            inside = step < steps
            tokens[:, :, step] = torch.where(inside, token.gather(1, place), tokens[:, :, step])
            place = torch.where(inside, parent.gather(1, place), place)
        tokens[ended == -torch.inf] = PAD
        return Beams(tokens, ended)
