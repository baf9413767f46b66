"""The sequence VAE: its forward pass, the ELBO and the loss."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from molvae.models.config import BOS, UNK, ModelSettings, PenaltySettings
from molvae.models.network import (
    GRUDecoder,
    GRUEncoder,
    Posterior,
    Prediction,
    PropertyHead,
    at_least_single,
    chosen,
)
from molvae.models.noise import N_COLUMNS, blurred, columns, draw_levels, expected
from molvae.models.regularizers import forget, penalty, swap

_EXACT_SHARE = 0.5  # of the molecules are trained on without noise
_FREE_SHARE = 0.4  # of the others at level 1, the rest evenly between
_HIDDEN_CONDITIONS = 0.1  # share of the properties, so that any may be missing


class SequenceVAE(nn.Module):
    """A variational autoencoder of token sequences with property heads, and its variants.

    After ChemVAE (doi:10.1021/acscentsci.7b00572). Settings select the variant: a Dirac posterior makes a
    plain autoencoder, noise on the encoder's input a denoising one, penalties a sparse or contractive one,
    and properties given to the decoder a conditional one. With noise levels the decoder is p(x | z_s, s),
    from reconstruction at s = 0 to a language model at s = 1 (`molvae.models.noise`); the ELBO is at s = 0.

    Args:
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

    def forward(
        self,
        tokens: Tensor,
        lengths: Tensor,
        properties: Tensor,
        observed: Tensor,
        generator: Generator | None = None,
    ) -> Elbo:
        """The ELBO's terms for a batch, from one reparameterized sample per molecule.

        In training, a decoder with noise levels reads each sample at a random level.

        Args:
            tokens: Encoder input and decoder target, `b x t`, each row ending with the end mark.
            lengths: Tokens in each row, end mark included, `b`.
            properties: Scaled property values, `b x p`; anything where not observed.
            observed: Which property values exist, `b x p`.
            generator: Source of the posterior noise, the input noise and the random directions of penalties.
        """
        settings, training, source = self.settings, self.training, tokens
        if training and settings.source_swap:
            source = swap(source, lengths, settings.source_swap, generator)
        if training and settings.source_dropout:
            source = hide(source, settings.source_dropout, generator)
        posterior = self.encoder(source, lengths)
        z = posterior.rsample(generator)
        inputs, known, read, noise = shifted(tokens), observed, z, z.new_zeros(len(z))
        if training and settings.conditional:
            known = forget(observed, _HIDDEN_CONDITIONS, generator)
        if training and settings.noise_levels:
            noise = draw_levels(len(z), _EXACT_SHARE, _FREE_SHARE, generator).to(z)
            read = blurred(z, noise, generator)
        if training and settings.token_dropout:
            inputs = hide(inputs, settings.token_dropout, generator)
        logits = self.decoder(inputs, self.decoder_input(read, (properties, known), noise))
        reconstruction = reconstruction_nll(logits, tokens, lengths)
        kl = posterior.kl_by_dimension()
        on_properties = penalized = torch.zeros_like(reconstruction)
        if self.head is not None:
            points = {"sample": (z,), "mean": (posterior.mu,), "both": (z, posterior.mu)}[settings.head_input]
            nlls = [gaussian_nll(self.head(point), properties, observed) for point in points]
            on_properties = torch.stack(nlls).mean(0)
        if training and settings.penalties != PenaltySettings():
            penalized = penalty(settings.penalties, self.encoder, source, lengths, posterior, z, generator)
        return Elbo(reconstruction, kl.sum(-1), on_properties, penalized, posterior, kl, noise)

    def predict(self, z: Tensor) -> Prediction:
        """Scaled properties from latent vectors `b x d`; empty columns when the model has no head."""
        if self.head is None:
            return Prediction(z.new_zeros(z.shape[0], 0), z.new_zeros(z.shape[0], 0))
        prediction: Prediction = self.head(z)
        return prediction

    def decoder_input(
        self, z: Tensor, properties: tuple[Tensor, Tensor] | None = None, noise: Tensor | None = None
    ) -> Tensor:
        """The decoder's input for latent vectors `b x d`: z and any conditions, `b x (d + c)`.

        Args:
            z: Latent vectors, `b x d`.
            properties: Scaled values and which are known, `b x p` each, for a conditional decoder; none are
                known if not given.
            noise: Noise levels of the vectors, `b`, for a decoder with noise levels; 0 if not given.
        """
        conditions = []
        if self.settings.conditional:
            unknown = z.new_zeros(len(z), self.n_properties)
            values, known = (unknown, unknown.bool()) if properties is None else properties
            conditions += [torch.where(known, values, 0.0), known.to(values.dtype)]
        if self.settings.noise_levels:
            levels = z.new_zeros(len(z)) if noise is None else noise
            z = expected(z, levels)
            conditions.append(columns(levels))
        return torch.cat([z, *conditions], dim=-1) if conditions else z


def shifted(tokens: Tensor) -> Tensor:
    """The decoder's input for the target `tokens`, `b x t`: the begin mark and all tokens but the last."""
    return torch.cat([torch.full_like(tokens[:, :1], BOS), tokens[:, :-1]], dim=1)


def hide(tokens: Tensor, share: float, generator: Generator | None = None) -> Tensor:
    """Replace a share of the tokens `b x t`, except begin marks, by unknown (Vincent et al. 2008)."""
    return tokens.masked_fill(chosen(tokens, share, generator) & (tokens != BOS), UNK)


@dataclass(frozen=True, slots=True)
class Elbo:
    """Terms of the training loss, each `b` if not said otherwise, in nats per molecule.

    Attributes:
        reconstruction: -log p(x|z), summed over tokens; where there is noise, -log p(x|z_s, s).
        kl: KL(q(z|x) || N(0, I)).
        property: -log p(properties|z), summed over observed properties.
        penalty: Weighted sum of the regularizers.
        posterior: What the terms were computed from.
        kl_by_dimension: The terms of `kl`, `b x d`.
        noise: Level s at which the decoder read z. Above 0 only when training with noise levels; the ELBO is
            then that of the rows at 0.
    """

    reconstruction: Tensor
    kl: Tensor
    property: Tensor
    penalty: Tensor
    posterior: Posterior
    kl_by_dimension: Tensor
    noise: Tensor

    def reconstruction_at(self, level: float) -> Tensor:
        """Mean of `reconstruction` over the rows at a noise level, a scalar; 0 if there are none."""
        there = self.noise == level
        return torch.where(there, self.reconstruction, 0.0).sum() / there.sum().clamp_min(1)

    def loss(self, beta: float, property_weight: float = 1.0, free_bits: float = 0.0) -> Tensor:
        """Mean of reconstruction + beta * KL + property_weight * property + penalty, a scalar.

        The KL of each dimension, averaged over the batch, is charged as at least `free_bits` nats (Kingma et
        al., arXiv:1606.04934).
        """
        kl = self.kl_by_dimension.mean(0)
        if free_bits > 0.0:
            kl = kl.clamp_min(free_bits)
        others = self.reconstruction + property_weight * self.property + self.penalty
        return others.mean() + beta * kl.sum()


def reconstruction_nll(logits: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
    """-log p(x|z) of token rows `b x t` of lengths `b`, from logits `t x b x v`, in nats, `b`."""
    n_steps, n_rows, n_tokens = logits.shape
    nll = functional.cross_entropy(
        at_least_single(logits).reshape(-1, n_tokens), tokens.t().reshape(-1), reduction="none"
    ).view(n_steps, n_rows)
    counted = lengths.new_tensor(range(n_steps))[:, None] < lengths
    return (nll * counted).sum(0)


def gaussian_nll(prediction: Prediction, target: Tensor, observed: Tensor) -> Tensor:
    """Negative log-likelihood of the observed of the properties `b x p`, in nats per molecule, `b`.

    Its gradient is that of the beta-NLL with beta = 1/2 (Seitzer et al., ICLR 2022, arXiv:2203.09168): each
    term is scaled by the predicted standard deviation. Otherwise a confident head has gradients that
    dominate the encoder's other losses.
    """
    error = torch.where(observed, target - prediction.mean, 0.0)
    terms = 0.5 * (error.square() / prediction.variance + prediction.variance.log() + math.log(2 * math.pi))
    damped = terms.detach() + prediction.variance.detach().sqrt() * (terms - terms.detach())
    return torch.where(observed, damped, 0.0).sum(-1)
