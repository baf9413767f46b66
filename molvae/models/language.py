"""A language model of token sequences: the decoder's network without a latent vector."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from molvae.models.config import ModelSettings
from molvae.models.generation import generate
from molvae.models.network import GRUDecoder, reconstruction_nll
from molvae.models.vae import shifted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Generator


class LanguageModel(nn.Module):
    """p(x) of token rows, by a `GRUDecoder` whose latent vector has no columns.

    Args:
        vocabulary_size: `v`.
        embedding_size: Dimensions of a token's embedding.
        hidden: Hidden units of each layer.
        n_layers: Layers.
    """

    def __init__(self, vocabulary_size: int, *, embedding_size: int, hidden: int, n_layers: int = 1) -> None:
        super().__init__()
        sizes = ModelSettings(embedding_size=embedding_size, decoder_hidden=hidden, decoder_layers=n_layers)
        with warnings.catch_warnings():  # torch tells that weights without columns are not drawn
            warnings.filterwarnings("ignore", message="Initializing zero-element tensors")
            self.decoder = GRUDecoder(sizes.model_copy(update={"latent_size": 0}), vocabulary_size)

    @classmethod
    def of_decoder(cls, decoder: GRUDecoder) -> LanguageModel:
        """A language model as large as a decoder, which writes what that writes from the latent vector 0."""
        with torch.random.fork_rng(devices=[]):  # modules draw weights when they are made
            made = cls(
                decoder.embedding.num_embeddings,
                embedding_size=decoder.embedding.embedding_dim,
                hidden=decoder.output.in_features,
                n_layers=len(decoder.inputs),
            )
        known = decoder.state_dict()
        without_z = {
            name: known[name] if tensor.numel() else known[name][:, :0]
            for name, tensor in made.decoder.state_dict().items()
        }
        made.decoder.load_state_dict(without_z)
        return made

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor]) -> LanguageModel:
        """The language model with these weights, in single precision; `ValueError` if they fit no sizes."""
        try:
            vocabulary_size, embedding_size = tensors["decoder.embedding.weight"].shape
            hidden = tensors["decoder.output.weight"].shape[1]
        except (KeyError, IndexError, ValueError):
            raise ValueError("a language model has an embedding and an output of two axes") from None
        n_layers = sum(name.startswith("decoder.layers.") and name.endswith(".weight") for name in tensors)
        with torch.device("meta"):
            return cls(
                vocabulary_size, embedding_size=embedding_size, hidden=hidden, n_layers=max(n_layers, 1)
            )

    @property
    def vocabulary_size(self) -> int:
        """Tokens `v`."""
        return self.decoder.embedding.num_embeddings

    def nll(
        self, tokens: Tensor, lengths: Tensor, *, dropout: float = 0.0, generator: Generator | None = None
    ) -> Tensor:
        """-log p(x) of token rows `b x t` of lengths `b`, end mark included, in nats, `b`.

        Args:
            tokens: Rows.
            lengths: Of each.
            dropout: Share of the units of the last layer that are hidden, the same ones at all steps of a row
                (Gal and Ghahramani, arXiv:1512.05287); the others are scaled up.
            generator: Which ones.
        """
        states = self.decoder.states(shifted(tokens), _nothing(tokens))
        if dropout > 0.0:
            drawn = torch.rand(states.shape[1:], generator=generator).to(states.device)
            states = states * ((drawn >= dropout) / (1.0 - dropout)).to(states.dtype)
        return reconstruction_nll(self.decoder.output(states), tokens, lengths)

    def write(self, n: int, *, max_length: int, temperature: float, generator: Generator) -> Tensor:
        """`n` token rows drawn from softmax(logits / temperature), `n x t`, each cut at `max_length`."""
        where = self.decoder.output.weight
        return generate(
            self.decoder,
            where.new_zeros(n, 0),
            max_length=max_length,
            temperature=temperature,
            generator=generator,
        ).tokens


def _nothing(tokens: Tensor) -> Tensor:
    """Latent vectors without columns, `b x 0`."""
    return torch.zeros(len(tokens), 0, device=tokens.device)
