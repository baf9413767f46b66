"""The language prior: a language model writes SMILES, and the encoder gives their latent vectors."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor, nn

from molvae.models.config import PAD, ModelSettings
from molvae.models.generation import generate
from molvae.models.network import GRUDecoder
from molvae.models.priors.base import PRIORS, Prior
from molvae.models.tensors import check_tensors, fill, frozen, halved, shapes_of
from molvae.models.vae import reconstruction_nll, shifted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Generator, Tensor

    from molvae.models.vae import SequenceVAE


class LanguageModel(nn.Module):
    """p(x) of token rows, by a `GRUDecoder` whose latent vector has no columns."""

    def __init__(self, vocabulary_size: int, *, embedding_size: int, hidden: int, n_layers: int = 1) -> None:
        super().__init__()
        sizes = ModelSettings(embedding_size=embedding_size, decoder_hidden=hidden, decoder_layers=n_layers)
        with warnings.catch_warnings():  # torch warns that weights without columns are not initialized
            warnings.filterwarnings("ignore", message="Initializing zero-element tensors")
            self.decoder = GRUDecoder(sizes.model_copy(update={"latent_size": 0}), vocabulary_size)

    @classmethod
    def of_decoder(cls, decoder: GRUDecoder) -> LanguageModel:
        """A language model with a decoder's sizes and weights; it writes as the decoder does from z = 0."""
        with torch.random.fork_rng(devices=[]):  # module constructors draw weights
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
        """A language model as large as these weights, on the meta device; `ValueError` if none fits."""
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

        Dropout hides a share of the units of the last layer, the same ones at all steps of a row (Gal and
        Ghahramani, arXiv:1512.05287); the others are scaled up.
        """
        without_z = torch.zeros(len(tokens), 0, device=tokens.device)
        states = self.decoder.states(shifted(tokens), without_z)
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


_MODEL = "model."
_ROWS = 512  # texts that are encoded at once
_LONGEST = 4096  # tokens


@PRIORS.register("language")
class LanguagePrior(Prior):
    r"""The aggregated posterior of the samples of a language model of the training molecules.

    .. math:: p(z) = \sum_x p_{LM}(x) \, q(z|x)

    The optimal prior of a VAE is the aggregated posterior of its data (Tomczak & Welling, arXiv:1705.07120),
    which is hard to learn as a density over high-dimensional latent vectors. Here it is sampled instead: x is
    written token by token, and z is a sample of its posterior. z then decodes to x, or nearly so.

    Args:
        model: The language model; rounded to half precision, in which it is stored.
        max_length: Tokens after which a text is cut.
        temperature: Of the tokens: below 1, texts are more typical and less diverse.
        scale: Factor of the posteriors' standard deviations: below 1, z decodes to x more often.
        network: Network whose encoder it samples through; None until set (`through`).
    """

    name = "language"

    def __init__(
        self,
        model: LanguageModel,
        max_length: int,
        temperature: float,
        scale: float = 1.0,
        network: SequenceVAE | None = None,
    ) -> None:
        self.model = frozen(model)
        self.max_length = max_length
        # in single precision, in which they are stored
        self.temperature, self.scale = torch.tensor([temperature, scale]).tolist()
        self._network = network

    def through(self, network: SequenceVAE) -> Self:
        """The same prior bound to the encoder of this network; `ValueError` if the vocabularies differ."""
        if network.vocabulary_size != self.model.vocabulary_size:
            raise ValueError(
                f"the language model has {self.model.vocabulary_size} tokens, "
                f"the model {network.vocabulary_size}"
            )
        return type(self)(self.model, self.max_length, self.temperature, self.scale, network)

    @torch.no_grad()
    def sample(self, n: int, generator: Generator) -> Tensor:
        """Posterior samples of `n` texts, `n x d`; `RuntimeError` before `through`."""
        if self._network is None:
            raise RuntimeError("a language prior draws through the encoder of a model: see through()")
        device = next(self._network.parameters()).device
        tokens = self.model.to(device).write(
            n, max_length=self.max_length, temperature=self.temperature, generator=generator
        )
        lengths = (tokens != PAD).sum(1)
        z = torch.empty(n, self._network.settings.latent_size, device=device)
        order = lengths.argsort(stable=True)
        for start in range(0, n, _ROWS):
            rows = order[start : start + _ROWS]
            longest = int(lengths[rows].max())
            posterior = self._network.encoder(tokens[rows, :longest], lengths[rows])
            z[rows] = posterior.scaled(self.scale).rsample(generator)
        return z.cpu()

    def tensors(self) -> dict[str, Tensor]:
        """The language model in half precision, and the sampling parameters."""
        return {
            **halved(self.model, _MODEL),
            "max_length": torch.tensor([float(self.max_length)]),
            "temperature": torch.tensor([self.temperature]),
            "scale": torch.tensor([self.scale]),
        }

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], latent_size: int) -> Self:
        """The prior of this language model, not yet bound to an encoder (see `through`)."""
        del latent_size  # given by the encoder
        own = {name.removeprefix(_MODEL): t for name, t in tensors.items() if name.startswith(_MODEL)}
        model = LanguageModel.of_tensors(own)
        numbers = ("max_length", "temperature", "scale")
        check_tensors(tensors, shapes_of(model.state_dict(), _MODEL) | dict.fromkeys(numbers, (1,)))
        max_length, temperature, scale = (float(tensors[name]) for name in numbers)
        if not max_length.is_integer() or not 1 <= max_length <= _LONGEST:
            raise ValueError(f"a language prior writes 1 to {_LONGEST} tokens, got {max_length}")
        if temperature <= 0.0 or scale < 0.0:
            raise ValueError(
                f"the temperature of a language prior is positive, and its scale not negative; "
                f"got {temperature} and {scale}"
            )
        fill(model, tensors, _MODEL)
        return cls(model, int(max_length), temperature, scale)
