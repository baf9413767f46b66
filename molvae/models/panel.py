"""A partial variational autoencoder of table rows with missing values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from molvae.models.fitting import Fit, Recipe

if TYPE_CHECKING:
    from molvae.models.fitting import Standing

_LATENT, _HIDDEN, _DROPPED = 32, 128, 0.2
_LOGVAR_RANGE = (-6.0, 4.0)
_BETA = 0.2  # weight of the KL, as in Mult-VAE
_ANNEALED = 0.3  # share of training until it is reached
_RATE, _DECAY, _BATCH = 2e-3, 1e-2, 256
_EPOCHS, _PATIENCE = 60, 6
_LEAST_STEPS = 20  # per epoch: a small table is passed over more than once


@dataclass(frozen=True)
class PanelRows:
    """Rows of a table, as residuals from a simpler model in units of each column's spread."""

    features: Tensor  # molecular features of each row, n x f
    expected: Tensor  # predictions of the simpler model, n x p; logits in binary columns
    values: Tensor  # known values minus the predictions (or probabilities), 0 where unknown, n x p
    known: Tensor  # where there is a value, n x p
    binary: Tensor  # which columns hold 0 and 1, p

    def __len__(self) -> int:
        return len(self.features)

    def take(self, rows: Tensor) -> PanelRows:
        """Some rows."""
        return PanelRows(
            self.features[rows], self.expected[rows], self.values[rows], self.known[rows], self.binary
        )


class PanelVAE(nn.Module):
    """A conditional partial VAE with a linear decoder, so that all its predictions are in closed form.

    The molecule gives the prior p(u | x); a sum over the known cells updates it to q(u | x, known), which is
    never wider. Without known cells the two are equal. (Ma et al. 2019, EDDI, arXiv:1809.11142; Liang et al.
    2018, Mult-VAE, arXiv:1802.05814.)
    """

    def __init__(self, n_features: int, n_columns: int, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # module constructors draw weights
            torch.manual_seed(seed)
            self.molecule = nn.Sequential(nn.Linear(n_features, _HIDDEN), nn.SiLU())
            self.prior = nn.Linear(_HIDDEN, 2 * _LATENT)
            self.cells = nn.Linear(2 * n_columns, _HIDDEN, bias=False)
            self.joined = nn.Sequential(nn.SiLU(), nn.Linear(_HIDDEN, _HIDDEN), nn.SiLU())
            self.moved = nn.Linear(_HIDDEN, 2 * _LATENT)
            self.decoder = nn.Linear(_LATENT, n_columns)
            self.lognoise = nn.Parameter(torch.zeros(n_columns))
            nn.init.normal_(self.decoder.weight, std=0.1)
            nn.init.zeros_(self.decoder.bias)

    def encode(self, seen: Tensor, values: Tensor, shown: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Mean and log-variance, `b x u` each, of p(u | x) and q(u | x, shown).

        `seen` is the output of `molecule`, `b x h`; `values` and the mask `shown` are `b x p`.
        """
        mean, logvar = self.prior(seen).chunk(2, dim=-1)
        logvar = logvar.clamp(*_LOGVAR_RANGE)
        mask = shown.to(values.dtype)
        hidden = self.joined(seen + self.cells(torch.cat([values * mask, mask], dim=-1)))
        shift, narrowing = self.moved(hidden).chunk(2, dim=-1)
        any_shown = shown.any(dim=-1, keepdim=True).to(values.dtype)
        moved = mean + any_shown * shift
        return mean, logvar, moved, logvar - any_shown * functional.softplus(narrowing)

    def loss(self, rows: PanelRows, shown: Tensor, beta: float, generator: torch.Generator) -> Tensor:
        """Negative ELBO of all known cells given those that are shown, in nats per cell."""
        seen = self.molecule(rows.features)
        seen = seen * (torch.rand(seen.shape, generator=generator) >= _DROPPED) / (1.0 - _DROPPED)
        mean, logvar, moved, narrowed = self.encode(seen, rows.values, shown)
        u = moved + (0.5 * narrowed).exp() * torch.randn(moved.shape, generator=generator)
        kl = 0.5 * (logvar - narrowed + (narrowed.exp() + (moved - mean).square()) / logvar.exp() - 1.0)
        decoded = self.decoder(u)
        lognoise = self.lognoise.clamp(*_LOGVAR_RANGE)
        terms = _nll(rows.values, rows.expected, rows.binary, decoded, lognoise.exp(), lognoise)
        total = torch.where(rows.known, terms, 0.0).sum()
        return (total + beta * kl.sum()) / rows.known.sum().clamp(min=1)

    @torch.inference_mode()
    def predict(self, rows: PanelRows, shown: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of every residual, `b x p`; of the logit in binary columns."""
        _, _, mean, logvar = self.encode(self.molecule(rows.features), rows.values, shown)
        spread = logvar.exp() @ self.decoder.weight.square().T
        noise = torch.where(rows.binary, 0.0, self.lognoise.clamp(*_LOGVAR_RANGE).exp())
        return self.decoder(mean), spread + noise

    @torch.inference_mode()
    def gains(self, rows: PanelRows, shown: Tensor, sizes: Tensor) -> Tensor:
        """Reduction in the variance of all cells not shown by measuring each cell, `b x p`.

        `sizes`, `p`, weight the decoder's output in each column.
        """
        _, _, _, logvar = self.encode(self.molecule(rows.features), rows.values, shown)
        loadings = self.decoder.weight
        noise = torch.where(rows.binary, 1.0, self.lognoise.clamp(*_LOGVAR_RANGE).exp())
        own = logvar.exp() @ loadings.square().T + noise
        asked = (~shown).to(sizes.dtype) * sizes.square()
        among = torch.einsum("bq,qu,qv->buv", asked, loadings, loadings)
        shared = logvar.exp()[:, None] * loadings  # b x p x u
        return torch.einsum("bpu,buv,bpv->bp", shared, among, shared) / own


def _nll(
    values: Tensor, expected: Tensor, binary: Tensor, mean: Tensor, variance: Tensor, logvar: Tensor
) -> Tensor:
    """-log p of the values of `PanelRows`, in nats: Gaussian, or Bernoulli in binary columns."""
    gaussian = 0.5 * ((values - mean).square() / variance + logvar)
    truth = (values + torch.sigmoid(expected)).clamp(0.0, 1.0)
    bernoulli = functional.binary_cross_entropy_with_logits(expected + mean, truth, reduction="none")
    return torch.where(binary, bernoulli, gaussian)


@dataclass(frozen=True)
class HeldOut:
    """Known cells of held-out rows, each to be predicted from the other cells of its row."""

    rows: PanelRows  # a row for each cell, c
    columns: Tensor  # the column of each cell, c

    def shown(self) -> Tensor:
        """The known cells of each row except the held-out one, `c x p`."""
        shown = self.rows.known.clone()
        shown[torch.arange(len(shown)), self.columns] = False
        return shown

    def predict(self, model: PanelVAE, shown: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of each residual, `c` each."""
        mean, variance = model.predict(self.rows, shown)
        at = (torch.arange(len(mean)), self.columns)
        return mean[at], variance[at]

    def loss(self, model: PanelVAE) -> float:
        """Negative log-likelihood per cell, from the other cells and from the molecule alone, in nats."""
        at = (torch.arange(len(self.columns)), self.columns)
        values, expected = self.rows.values[at], self.rows.expected[at]
        binary = self.rows.binary[self.columns]
        shown, total = self.shown(), 0.0
        for seen in (shown, torch.zeros_like(shown)):
            mean, variance = self.predict(model, seen)
            total += float(_nll(values, expected, binary, mean, variance, variance.log()).mean())
        return total


def fit_panel(model: PanelVAE, rows: PanelRows, held_out: HeldOut, generator: torch.Generator) -> PanelVAE:
    """Train a model with a random part of the known cells shown, and return it as of the best epoch.

    Training ends when the held-out loss stops improving. The generator draws the batches, the cells shown and
    u.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=_RATE, weight_decay=_DECAY)
    rounds = max(1, _BATCH * _LEAST_STEPS // len(rows))
    recipe = Recipe(
        epochs=_EPOCHS,
        steps=-(-rounds * len(rows) // _BATCH),
        learning_rate=_RATE,
        gradient_clip=1.0,
        warmup=0,
        floor=1.0,
        patience=_PATIENCE,
    )
    order = torch.empty(0)

    def loss(at: Standing) -> tuple[Tensor, dict[str, float]]:
        nonlocal order
        if at.batch == 0:
            order = torch.cat([torch.randperm(len(rows), generator=generator) for _ in range(rounds)])
        part = rows.take(order[at.batch * _BATCH : (at.batch + 1) * _BATCH])
        share = torch.rand(len(part), 1, generator=generator)
        shown = part.known & (torch.rand(part.known.shape, generator=generator) < share)
        beta = _BETA * min(1.0, at.step / (_ANNEALED * recipe.n_steps))
        return model.loss(part, shown, beta, generator), {}

    fit = Fit(model, optimizer, recipe, task="panel")
    return fit.best(loss, lambda _: held_out.loss(model))  # type: ignore[return-value]
