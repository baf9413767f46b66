"""The sequence VAE: encoder, decoder and property head under one ELBO."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call

from molvae.models.beam import Beams, beam_search
from molvae.models.conditions import ConditionalPrior, condition, forget
from molvae.models.corruption import hide, swap
from molvae.models.decoder import GRUDecoder
from molvae.models.elbo import Elbo, reconstruction_nll
from molvae.models.encoder import GRUEncoder
from molvae.models.generation import Generation, generate
from molvae.models.growth import take_over_layers
from molvae.models.heads import Prediction, PropertyHead, gaussian_nll
from molvae.models.inference import infer
from molvae.models.noise import N_COLUMNS, blurred, columns, draw_levels, expected
from molvae.models.regularizers import contraction, mean_discrepancy, sparsity

if TYPE_CHECKING:
    from molvae.models.config import ModelSettings
    from molvae.models.posterior import Posterior

PAD, BOS, EOS, UNK = 0, 1, 2, 3  # the ids every vocabulary begins with


class SequenceVAE(nn.Module):
    """A variational autoencoder of token sequences with property heads, and the family around it.

    After ChemVAE (doi:10.1021/acscentsci.7b00572). The members are settings: a Dirac posterior makes a plain
    autoencoder, noise on the encoder's input a denoising one, penalties a sparse or contractive one, and
    properties given to the decoder a conditional one. With noise levels the decoder is p(x | z_s, s), from
    reconstruction at s = 0 to a language model at s = 1 (`molvae.models.noise`); the ELBO is that at s = 0.

    Args:
        settings: Sizes, input noise and penalties.
        vocabulary_size: `v`; ids 0 to 3 are padding, begin, end and unknown.
        n_properties: `p`; 0 makes a model without a head.
    """

    def __init__(self, settings: ModelSettings, vocabulary_size: int, n_properties: int) -> None:
        super().__init__()
        self.settings = settings
        self.vocabulary_size = vocabulary_size
        self.n_properties = n_properties
        self.encoder = GRUEncoder(settings, vocabulary_size)
        told = 2 * n_properties if settings.conditional else 0
        self.decoder = GRUDecoder(
            settings, vocabulary_size, told + (N_COLUMNS if settings.noise_levels else 0)
        )
        self.head = PropertyHead(settings, n_properties) if n_properties else None
        self.conditional_prior = (
            ConditionalPrior(settings, n_properties) if settings.conditional_prior and n_properties else None
        )

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

        In training, a decoder that knows noise levels reads each sample at a level of its own.

        Args:
            tokens: What the decoder must write, `b x t`, each row ending with the end mark.
            lengths: Tokens in each row, end mark included, `b`.
            source: What the encoder reads, `b x s`: the same molecule, possibly written differently.
            source_lengths: `b`.
            properties: Scaled property values, `b x p`; anything where not observed.
            observed: Which property values exist, `b x p`.
            generator: Source of the posterior noise, the input noise and the random directions of penalties.
        """
        if self.training:
            source = self._corrupted(source, source_lengths, generator)
        posterior = self.encoder(source, source_lengths)
        z = posterior.rsample(generator)
        known = observed
        if self.training and (self.settings.conditional or self.conditional_prior is not None):
            known = forget(observed, self.settings.condition_dropout, generator)
        read, noise = z, z.new_zeros(len(z))
        if self.training and self.settings.noise_levels:
            shares = self.settings.exact_share, self.settings.free_share
            noise = draw_levels(len(z), *shares, generator).to(z)
            read = blurred(z, noise, generator)
        logits = self.decoder(
            self._decoder_inputs(tokens, generator), self._with_condition(read, properties, known, noise)
        )
        reconstruction = reconstruction_nll(logits, tokens, lengths)
        nothing = torch.zeros_like(reconstruction)
        kl = posterior.kl_by_dimension(self.prior(properties, known))
        return Elbo(
            reconstruction,
            kl.sum(-1),
            self._property_nll(posterior, z, properties, observed) if self.head is not None else nothing,
            self._penalty(source, source_lengths, posterior, z, generator) if self.training else nothing,
            posterior,
            kl,
            noise,
        )

    def take_over(self, smaller: SequenceVAE, *, with_head: bool) -> None:
        """Begin as another model, whose encoder and head may have fewer hidden units.

        Its decoder may know no noise levels: this one's then begins by ignoring them.

        Args:
            smaller: Its other sizes are the same.
            with_head: Take its property head too, and its conditional prior.
        """
        self.encoder.take_over(smaller.encoder)
        take_over_layers(self.decoder, smaller.decoder)
        for own, known in ((self.head, smaller.head), (self.conditional_prior, smaller.conditional_prior)):
            if with_head and own is not None and known is not None:
                take_over_layers(own, known)

    def encode(self, tokens: Tensor, lengths: Tensor) -> Posterior:
        """The posterior of token rows `b x t` of the given lengths `b`."""
        posterior: Posterior = self.encoder(tokens, lengths)
        return posterior

    def infer(self, tokens: Tensor, lengths: Tensor, *, n_steps: int) -> Posterior:
        """The posterior of token rows, its mean moved by gradient steps from the encoder's (`infer`).

        Args:
            tokens: `b x t`.
            lengths: `b`.
            n_steps: 0 is `encode`.
        """
        with torch.inference_mode(mode=False):  # where a caller is in it, tensors would have no gradients
            tokens, lengths = tokens.clone(), lengths.clone()
            with torch.no_grad():
                posterior = self.encode(tokens, lengths)
            return infer(posterior, partial(self.reconstruction, tokens, lengths), n_steps)

    def prior(self, properties: Tensor, observed: Tensor) -> Posterior | None:
        """Where z lies for these properties (`b x p`, as in `forward`); None is N(0, I)."""
        if self.conditional_prior is None:
            return None
        prior: Posterior = self.conditional_prior(condition(properties, observed))
        return prior

    def decode(
        self,
        z: Tensor,
        *,
        max_length: int,
        temperature: float = 0.0,
        generator: Generator | None = None,
        properties: Tensor | None = None,
        observed: Tensor | None = None,
        noise: Tensor | None = None,
    ) -> Generation:
        """Write token rows from latent vectors `b x d`; temperature 0 is greedy.

        A conditional model is told the properties (`b x p`, as in `forward`), or that none is known. `noise`
        are the levels `b` at which the vectors were blurred; None is 0.
        """
        return generate(
            self.decoder,
            self._with_condition(z, properties, observed, noise),
            bos=BOS,
            eos=EOS,
            pad=PAD,
            forbidden=(UNK,),
            max_length=max_length,
            temperature=temperature,
            generator=generator,
        )

    def search(
        self,
        z: Tensor,
        *,
        max_length: int,
        width: int,
        properties: Tensor | None = None,
        observed: Tensor | None = None,
        noise: Tensor | None = None,
    ) -> Beams:
        """The most likely token rows of latent vectors `b x d` (as for `decode`), by a beam of that width."""
        return beam_search(
            self.decoder,
            self._with_condition(z, properties, observed, noise),
            bos=BOS,
            eos=EOS,
            pad=PAD,
            forbidden=(UNK,),
            max_length=max_length,
            width=width,
        )

    def reconstruction(
        self, tokens: Tensor, lengths: Tensor, z: Tensor, noise: Tensor | None = None
    ) -> Tensor:
        """-log p(x|z) of token rows `b x t` of lengths `b` given latent vectors `b x d`, in nats, `b`.

        It has a gradient by z, and none by the weights. `noise` as for `decode`.
        """
        given = (shifted(tokens), self._with_condition(z, None, None, noise))
        logits = functional_call(self.decoder, self.decoder.state_dict(), given)
        return reconstruction_nll(logits, tokens, lengths)

    def predict(self, z: Tensor) -> Prediction:
        """Scaled properties from latent vectors `b x d`; empty columns when the model has no head."""
        if self.head is None:
            return Prediction(z.new_zeros(z.shape[0], 0), z.new_zeros(z.shape[0], 0))
        prediction: Prediction = self.head(z)
        return prediction

    def _property_nll(self, posterior: Posterior, z: Tensor, properties: Tensor, observed: Tensor) -> Tensor:
        read = {"sample": (z,), "mean": (posterior.mu,), "both": (z, posterior.mu)}[self.settings.head_input]
        terms = [gaussian_nll(self.predict(points), properties, observed) for points in read]
        return torch.stack(terms).mean(0)

    def _decoder_inputs(self, tokens: Tensor, generator: Generator | None) -> Tensor:
        inputs = shifted(tokens)
        if not self.training:
            return inputs
        hidden = hide(inputs, self.settings.token_dropout, UNK, generator)
        return torch.cat([inputs[:, :1], hidden[:, 1:]], dim=1)

    def _corrupted(self, source: Tensor, lengths: Tensor, generator: Generator | None) -> Tensor:
        swapped = swap(source, lengths, self.settings.source_swap, generator)
        return hide(swapped, self.settings.source_dropout, UNK, generator)

    def _with_condition(
        self, z: Tensor, properties: Tensor | None, observed: Tensor | None, noise: Tensor | None = None
    ) -> Tensor:
        """What the decoder sees: z, then what it is told of properties and of the noise; `b x (d + c)`."""
        told = []
        if self.settings.conditional:
            if properties is None or observed is None:
                told.append(z.new_zeros(len(z), 2 * self.n_properties))
            else:
                told.append(condition(properties, observed))
        if self.settings.noise_levels:
            levels = z.new_zeros(len(z)) if noise is None else noise
            z = expected(z, levels)
            told.append(columns(levels))
        return torch.cat([z, *told], dim=-1) if told else z

    def _penalty(
        self, source: Tensor, lengths: Tensor, posterior: Posterior, z: Tensor, generator: Generator | None
    ) -> Tensor:
        """Weighted sum of the regularizers, `b`."""
        weights = self.settings.penalties
        total = z.new_zeros(z.shape[0])
        if weights.sparse:
            total = total + weights.sparse * sparsity(posterior.mu)
        if weights.contractive:

            def means(embedded: Tensor) -> Tensor:
                return self.encoder.from_embedded(embedded, lengths).mu

            embedded = self.encoder.embed(source).detach()
            total = total + weights.contractive * contraction(means, embedded, generator)
        if weights.mmd:
            total = total + weights.mmd * mean_discrepancy(z, generator)
        return total


def shifted(tokens: Tensor) -> Tensor:
    """What the decoder reads when it is to write `tokens`, `b x t`: the begin mark and all but the last."""
    return torch.cat([torch.full_like(tokens[:, :1], BOS), tokens[:, :-1]], dim=1)
