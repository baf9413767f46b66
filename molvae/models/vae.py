"""The sequence VAE: training loss, encoding, decoding, prediction."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call

from molvae.models.beam import Beams, beam_search
from molvae.models.config import BOS, UNK
from molvae.models.generation import Generation, generate
from molvae.models.network import (
    ConditionalPrior,
    Elbo,
    GRUDecoder,
    GRUEncoder,
    Posterior,
    Prediction,
    PropertyHead,
    condition,
    gaussian_nll,
    reconstruction_nll,
)
from molvae.models.noise import N_COLUMNS, blurred, columns, draw_levels, expected
from molvae.models.regularizers import contraction, forget, hide, mean_discrepancy, sparsity, swap

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from molvae.models.config import ModelSettings


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
        self.settings, self.vocabulary_size, self.n_properties = settings, vocabulary_size, n_properties
        n_conditions = 2 * n_properties * settings.conditional + N_COLUMNS * settings.noise_levels
        self.encoder = GRUEncoder(settings, vocabulary_size)
        self.decoder = GRUDecoder(settings, vocabulary_size, n_conditions)
        self.head = PropertyHead(settings, n_properties) if n_properties else None
        conditional = settings.conditional_prior and n_properties
        self.conditional_prior = ConditionalPrior(settings, n_properties) if conditional else None

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
        settings, known = self.settings, observed
        if self.training:
            swapped = swap(source, source_lengths, settings.source_swap, generator)
            source = hide(swapped, settings.source_dropout, UNK, generator)
        posterior = self.encoder(source, source_lengths)
        z = posterior.rsample(generator)
        if self.training and (settings.conditional or self.conditional_prior is not None):
            known = forget(observed, _HIDDEN_CONDITIONS, generator)
        read, noise = z, z.new_zeros(len(z))
        if self.training and settings.noise_levels:
            noise = draw_levels(len(z), _EXACT_SHARE, _FREE_SHARE, generator).to(z)
            read = blurred(z, noise, generator)
        inputs = self._decoder_inputs(tokens, generator)
        logits = self.decoder(inputs, self._conditioned(read, properties, known, noise))
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

    def encode(self, tokens: Tensor, lengths: Tensor) -> Posterior:
        """The posterior of token rows `b x t` of the given lengths `b`."""
        posterior: Posterior = self.encoder(tokens, lengths)
        return posterior

    def infer(self, tokens: Tensor, lengths: Tensor, *, n_steps: int) -> Posterior:
        """`encode`, the mean then moved by so many gradient steps (`infer`)."""
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

        A conditional model reads the properties (`b x p`, as in `forward`), if any are given. `noise`
        are the levels `b` at which the vectors were blurred; None is 0.
        """
        inputs = self._conditioned(z, properties, observed, noise)
        return generate(
            self.decoder, inputs, max_length=max_length, temperature=temperature, generator=generator
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
        inputs = self._conditioned(z, properties, observed, noise)
        return beam_search(self.decoder, inputs, max_length=max_length, width=width)

    def reconstruction(
        self, tokens: Tensor, lengths: Tensor, z: Tensor, noise: Tensor | None = None
    ) -> Tensor:
        """-log p(x|z) of token rows `b x t` of lengths `b` given latent vectors `b x d`, in nats, `b`.

        It has a gradient by z, and none by the weights. `noise` as for `decode`.
        """
        given = (shifted(tokens), self._conditioned(z, None, None, noise))
        logits = functional_call(self.decoder, self.decoder.state_dict(), given)
        return reconstruction_nll(logits, tokens, lengths)

    def predict(self, z: Tensor) -> Prediction:
        """Scaled properties from latent vectors `b x d`; empty columns when the model has no head."""
        if self.head is None:
            return Prediction(z.new_zeros(z.shape[0], 0), z.new_zeros(z.shape[0], 0))
        prediction: Prediction = self.head(z)
        return prediction

    def _decoder_inputs(self, tokens: Tensor, generator: Generator | None) -> Tensor:
        inputs = shifted(tokens)
        if not self.training:
            return inputs
        hidden = hide(inputs, self.settings.token_dropout, UNK, generator)
        return torch.cat([inputs[:, :1], hidden[:, 1:]], dim=1)  # never the begin mark

    def _conditioned(
        self, z: Tensor, properties: Tensor | None, observed: Tensor | None, noise: Tensor | None
    ) -> Tensor:
        """Input of the decoder: z, then conditions on properties and on the noise; `b x (d + c)`."""
        conditions = []
        if self.settings.conditional:
            unknown = z.new_zeros(len(z), 2 * self.n_properties)
            nothing = properties is None or observed is None
            conditions.append(unknown if nothing else condition(properties, observed))  # type: ignore[arg-type]
        if self.settings.noise_levels:
            levels = z.new_zeros(len(z)) if noise is None else noise
            z = expected(z, levels)
            conditions.append(columns(levels))
        return torch.cat([z, *conditions], dim=-1) if conditions else z

    def _property_nll(self, posterior: Posterior, z: Tensor, properties: Tensor, observed: Tensor) -> Tensor:
        read = {"sample": (z,), "mean": (posterior.mu,), "both": (z, posterior.mu)}[self.settings.head_input]
        terms = [gaussian_nll(self.predict(points), properties, observed) for points in read]
        return torch.stack(terms).mean(0)

    def _penalty(
        self, source: Tensor, lengths: Tensor, posterior: Posterior, z: Tensor, generator: Generator | None
    ) -> Tensor:
        """Weighted sum of the regularizers, `b`."""
        weights, total = self.settings.penalties, z.new_zeros(z.shape[0])
        if weights.sparse:
            total = total + weights.sparse * sparsity(posterior.mu)
        if weights.contractive:
            embedded = self.encoder.embedding(source.t()).detach()
            slope = contraction(lambda e: self.encoder.from_embedded(e, lengths).mu, embedded, generator)
            total = total + weights.contractive * slope
        if weights.mmd:
            total = total + weights.mmd * mean_discrepancy(z, generator)
        return total


def shifted(tokens: Tensor) -> Tensor:
    """What the decoder reads when it is to write `tokens`, `b x t`: the begin mark and all but the last."""
    return torch.cat([torch.full_like(tokens[:, :1], BOS), tokens[:, :-1]], dim=1)


_EXACT_SHARE = 0.5  # of the molecules are trained on without noise
_FREE_SHARE = 0.4  # of the others at level 1, the rest evenly between
_HIDDEN_CONDITIONS = 0.1  # share of the properties, so that any may be missing
_REACH = 1 / 3  # of the length of a posterior sample's noise: no step goes farther
_NOTHING = 1e-12


def infer(posterior: Posterior, nll: Callable[[Tensor], Tensor], n_steps: int) -> Posterior:
    """The posterior with its mean moved by gradient steps to where what was encoded is more likely.

    An encoder finds all means by one pass over the tokens, and falls short of the best mean of each molecule
    (the amortization gap: Cremer et al., arXiv:1801.03558), which gradient steps from its answer close
    (Kim et al., arXiv:1802.02550). Lengths are counted in posterior standard deviations, and a step is as
    long as would take a linear -log p(x|z) to 0 (Polyak), so that there is no rate to choose.

    Args:
        posterior: The encoder's, `b x d`.
        nll: -log p(x|z) of what was encoded, `b`, from latent vectors `b x d`.
        n_steps: How many; 0 leaves the posterior as it is.

    Returns:
        A posterior with the same variances.
    """
    start, logvar = posterior.mu.detach(), posterior.logvar
    deviation = torch.ones_like(start) if posterior.is_dirac else logvar.detach().mul(0.5).exp()
    longest = _REACH * math.sqrt(start.shape[-1])
    moved = torch.zeros_like(start)
    for _ in range(n_steps):
        moved.requires_grad_()
        with torch.enable_grad():
            loss = nll(start + deviation * moved)
            (slope,) = torch.autograd.grad(loss.sum(), moved)
        steepness = slope.square().sum(-1).clamp_min(_NOTHING).sqrt()
        length = (loss.detach() / steepness).clamp(0.0, longest)
        moved = (moved.detach() - (length / steepness)[:, None] * slope).nan_to_num(0.0, 0.0, 0.0)
    return Posterior(start + deviation * moved, logvar)
