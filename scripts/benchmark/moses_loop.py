"""The loops of the MOSES VAE, reimplemented from its published settings, as a baseline for speed.

After Polykovskiy et al., "Molecular Sets (MOSES)", doi:10.3389/fphar.2020.565644. Every molecule of a batch
is a separate tensor, sorted by length and packed; the decoder reads [embedding; z] at every step of a packed
sequence; sampling always takes the maximum number of steps for every row, and texts are joined token by
token. Independent of molvae.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence, pad_sequence

if TYPE_CHECKING:
    from collections.abc import Sequence

PAD, BOS, EOS = 0, 1, 2
MAX_LENGTH = 100  # steps of its sampling loop
LEARNING_RATE = 3e-4
GRADIENT_CLIP = 50.0
BATCH_SIZE = 512


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of the model; the defaults are those of MOSES.

    Attributes:
        embedding: Dimensions of the token embedding; 0: as many as tokens, initially one-hot.
        encoder_hidden: Units of the encoder, per direction.
        encoder_layers: Layers of the encoder.
        bidirectional: Whether the encoder is bidirectional.
        latent: Dimensions of z.
        decoder_hidden: Units of the decoder.
        decoder_layers: Layers of the decoder.
    """

    embedding: int = 0
    encoder_hidden: int = 256
    encoder_layers: int = 1
    bidirectional: bool = False
    latent: int = 128
    decoder_hidden: int = 512
    decoder_layers: int = 3


class MosesVAE(nn.Module):
    """The model: GRU encoder, Gaussian z, GRU decoder that reads z with every token.

    Args:
        sizes: Sizes of the layers.
        alphabet: Tokens; their ids follow those of padding, begin and end.
    """

    def __init__(self, sizes: Sizes, alphabet: Sequence[str]) -> None:
        super().__init__()
        self.tokens = ["", "", "", *alphabet]
        self.ids = {token: number for number, token in enumerate(self.tokens) if token}
        n_tokens = len(self.tokens)
        width = sizes.embedding or n_tokens
        self.embedding = nn.Embedding(n_tokens, width, PAD)
        if not sizes.embedding:
            self.embedding.weight.data.copy_(torch.eye(n_tokens))
        self.encoder = nn.GRU(
            width,
            sizes.encoder_hidden,
            sizes.encoder_layers,
            batch_first=True,
            bidirectional=sizes.bidirectional,
        )
        final = sizes.encoder_hidden * (2 if sizes.bidirectional else 1)
        self.mu, self.logvar = nn.Linear(final, sizes.latent), nn.Linear(final, sizes.latent)
        self.decoder = nn.GRU(
            width + sizes.latent, sizes.decoder_hidden, sizes.decoder_layers, batch_first=True
        )
        self.initial = nn.Linear(sizes.latent, sizes.decoder_hidden)
        self.output = nn.Linear(sizes.decoder_hidden, n_tokens)

    def to_tensor(self, text: Sequence[str]) -> Tensor:
        """Tokens of a molecule as ids, with begin and end."""
        return torch.tensor([BOS, *(self.ids[token] for token in text), EOS])

    def to_text(self, ids: Tensor) -> str:
        """The text of one row of ids, token by token."""
        row = ids.tolist()
        if row and row[0] == BOS:
            row = row[1:]
        if row and row[-1] == EOS:
            row = row[:-1]
        return "".join(self.tokens[number] for number in row)

    def collate(self, texts: Sequence[Sequence[str]]) -> list[Tensor]:
        """A batch: one tensor per molecule, the longest first."""
        return [self.to_tensor(text) for text in sorted(texts, key=len, reverse=True)]

    def forward(self, rows: list[Tensor]) -> tuple[Tensor, Tensor]:
        """KL per molecule and mean cross entropy per token."""
        packed = pack_sequence([self.embedding(row) for row in rows])
        _, last = self.encoder(packed)
        last = last[-2:] if self.encoder.bidirectional else last[-1:]
        last = torch.cat(last.split(1), dim=-1).squeeze(0)
        mu, logvar = self.mu(last), self.logvar(last)
        z = mu + (logvar / 2).exp() * torch.randn_like(mu)
        kl = 0.5 * (logvar.exp() + mu**2 - 1 - logvar).sum(1).mean()
        return kl, self._reconstruction(rows, z)

    def _reconstruction(self, rows: list[Tensor], z: Tensor) -> Tensor:
        lengths = [len(row) for row in rows]
        ids = pad_sequence(rows, batch_first=True, padding_value=PAD)
        embedded = self.embedding(ids)
        extra = z.unsqueeze(1).repeat(1, embedded.size(1), 1)
        packed = pack_padded_sequence(torch.cat([embedded, extra], dim=-1), lengths, batch_first=True)
        states, _ = self.decoder(packed, self._first(z))
        states, _ = pad_packed_sequence(states, batch_first=True)
        logits = self.output(states)
        return functional.cross_entropy(
            logits[:, :-1].contiguous().view(-1, logits.size(-1)),
            ids[:, 1:].contiguous().view(-1),
            ignore_index=PAD,
        )

    def _first(self, z: Tensor) -> Tensor:
        first: Tensor = self.initial(z)
        return first.unsqueeze(0).repeat(self.decoder.num_layers, 1, 1)

    @torch.no_grad()
    def sample(self, n: int, *, max_length: int = MAX_LENGTH, temperature: float = 1.0) -> list[str]:
        """Texts of `n` draws of N(0, I)."""
        z = torch.randn(n, self.initial.in_features)
        extra, state = z.unsqueeze(1), self._first(z)
        last = torch.tensor(BOS).repeat(n)
        written = torch.tensor([PAD]).repeat(n, max_length)
        written[:, 0] = BOS
        ends = torch.tensor([max_length]).repeat(n)
        ended = torch.zeros(n, dtype=torch.bool)
        for step in range(1, max_length):
            inputs = torch.cat([self.embedding(last).unsqueeze(1), extra], dim=-1)
            states, state = self.decoder(inputs, state)
            shares = functional.softmax(self.output(states.squeeze(1)) / temperature, dim=-1)
            last = torch.multinomial(shares, 1)[:, 0]
            written[~ended, step] = last[~ended]
            now = ~ended & (last == EOS)
            ends[now] = step + 1
            ended = ended | now
        return [self.to_text(row[:end]) for row, end in zip(written, ends, strict=True)]


class MosesTraining:
    """The MOSES training loop, step by step."""

    def __init__(self, model: MosesVAE, texts: Sequence[Sequence[str]], batch_size: int) -> None:
        self.model, self.texts, self.batch_size = model, texts, batch_size
        self.optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
        self.order = torch.randperm(len(texts)).tolist()
        self.at = 0

    def step(self) -> int:
        """One step on the next molecules; returns the number of tokens predicted."""
        if self.at + self.batch_size > len(self.order):
            self.at = 0
        chosen = self.order[self.at : self.at + self.batch_size]
        self.at += self.batch_size
        rows = self.model.collate([self.texts[number] for number in chosen])
        kl, reconstruction = self.model(rows)
        loss = 0.05 * kl + reconstruction
        self.optimizer.zero_grad()
        loss.backward()
        clip_grad_norm_(self.model.parameters(), GRADIENT_CLIP)
        self.optimizer.step()
        kl.item(), reconstruction.item(), loss.item()  # MOSES logs all three
        return sum(len(row) - 1 for row in rows)
