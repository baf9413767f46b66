"""The sequence VAE: encoder, decoder and property head under one ELBO."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor, nn

from molvae.models.decoder import GRUDecoder
from molvae.models.elbo import Elbo, reconstruction_nll
from molvae.models.encoder import GRUEncoder
from molvae.models.generation import Generation, generate
from molvae.models.heads import Prediction, PropertyHead, gaussian_nll

if TYPE_CHECKING:
    from molvae.models.config import ModelSettings
    from molvae.models.posterior import Posterior

PAD, BOS, EOS, UNK = 0, 1, 2, 3  # the ids every vocabulary begins with


class SequenceVAE(nn.Module):
    """A variational autoencoder of token sequences with property heads.

    After ChemVAE (doi:10.1021/acscentsci.7b00572).

    Args:
        settings: Sizes and input noise.
        vocabulary_size: `v`; ids 0 to 3 are padding, begin, end and unknown.
        n_properties: `p`; 0 makes a model without a head.
    """

    def __init__(self, settings: ModelSettings, vocabulary_size: int, n_properties: int) -> None:
        super().__init__()
        self.settings = settings
        self.vocabulary_size = vocabulary_size
        self.n_properties = n_properties
        self.encoder = GRUEncoder(settings, vocabulary_size)
        self.decoder = GRUDecoder(settings, vocabulary_size)
        self.head = PropertyHead(settings, n_properties) if n_properties else None

    def forward(
        self,
        tokens: Tensor,
        lengths: Tensor,
        source: Tensor,
        source_lengths: Tensor,
        properties: Tensor,
        observed: Tensor,
        generator: Generator | None = None,
    ) -> Elbo:
        """The ELBO's terms for a batch, from one reparameterized sample per molecule.

        Args:
            tokens: What the decoder must write, `b x t`, each row ending with the end mark.
            lengths: Tokens in each row, end mark included, `b`.
            source: What the encoder reads, `b x s`: the same molecule, possibly written differently.
            source_lengths: `b`.
            properties: Scaled property values, `b x p`; anything where not observed.
            observed: Which property values exist, `b x p`.
            generator: Source of the posterior noise and the token dropout.
        """
        posterior = self.encoder(source, source_lengths)
        z = posterior.rsample(generator)
        logits = self.decoder(self._decoder_inputs(tokens, generator), z)
        reconstruction = reconstruction_nll(logits, tokens, lengths)
        nothing = torch.zeros_like(reconstruction)
        on_properties = gaussian_nll(self.head(z), properties, observed) if self.head is not None else nothing
        return Elbo(reconstruction, posterior.kl(), on_properties, nothing, posterior)

    def encode(self, tokens: Tensor, lengths: Tensor) -> Posterior:
        """The posterior of token rows `b x t` of the given lengths `b`."""
        posterior: Posterior = self.encoder(tokens, lengths)
        return posterior

    def decode(
        self, z: Tensor, *, max_length: int, temperature: float = 0.0, generator: Generator | None = None
    ) -> Generation:
        """Write token rows from latent vectors `b x d`; temperature 0 is greedy."""
        return generate(
            self.decoder,
            z,
            bos=BOS,
            eos=EOS,
            pad=PAD,
            forbidden=(UNK,),
            max_length=max_length,
            temperature=temperature,
            generator=generator,
        )

    def predict(self, z: Tensor) -> Prediction:
        """Scaled properties from latent vectors `b x d`; empty columns when the model has no head."""
        if self.head is None:
            return Prediction(z.new_zeros(z.shape[0], 0), z.new_zeros(z.shape[0], 0))
        prediction: Prediction = self.head(z)
        return prediction

    def _decoder_inputs(self, tokens: Tensor, generator: Generator | None) -> Tensor:
        begin = torch.full_like(tokens[:, :1], BOS)
        inputs = torch.cat([begin, tokens[:, :-1]], dim=1)
        share = self.settings.token_dropout
        if not self.training or share == 0.0:
            return inputs
        device = tokens.device if generator is None else generator.device
        dropped = torch.rand(inputs.shape, generator=generator, device=device) < share
        dropped[:, 0] = False
        return inputs.masked_fill(dropped.to(tokens.device), UNK)
