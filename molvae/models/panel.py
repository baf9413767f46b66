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
_LEAST_STEPS = 20  # in an epoch: a small table is gone through more than once


@dataclass(frozen=True)
class PanelRows:
    """Rows of a table, in units of each column's spread around what is expected of the cell."""

    features: Tensor  # what each row is, whatever is known of it, n x f
    expected: Tensor  # what a simpler model expects, n x p; of a column of 0 and 1 its logit
    values: Tensor  # known values less the expected ones (or their probability), 0 where not known, n x p
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

    The molecule gives p(u | x); known cells, summed over and so of any number and in any order, move it to
    q(u | x, known) and never make it wider. Without a known cell the two are the same. (Ma et al. 2019, EDDI,
    arXiv:1809.11142; Liang et al. 2018, Mult-VAE, arXiv:1802.05814.)
    """

    def __init__(self, n_features: int, n_columns: int, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # modules draw weights when they are made
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
        """Mean and log-variance, `b x u` each, of p(u | x) and of q(u | x, what is shown).

        `seen` is what `molecule` makes of the features, `b x h`; values and which are shown are `b x p`.
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
        """Negative ELBO in nats per cell: all known cells from those that are shown."""
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
        """Mean and variance of every cell less what is expected, `b x p`; of logits in columns of 0 and 1."""
        _, _, mean, logvar = self.encode(self.molecule(rows.features), rows.values, shown)
        spread = logvar.exp() @ self.decoder.weight.square().T
        noise = torch.where(rows.binary, 0.0, self.lognoise.clamp(*_LOGVAR_RANGE).exp())
        return self.decoder(mean), spread + noise

    @torch.inference_mode()
    def gains(self, rows: PanelRows, shown: Tensor, sizes: Tensor) -> Tensor:
        """Variance that a value of each cell would take from all cells that are not shown, `b x p`.

        `sizes`, `p`, say what a step of the decoder is worth in each column.
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
    """-log p of values as `PanelRows` has them, each a Gaussian, or a coin where it is binary, in nats."""
    gaussian = 0.5 * ((values - mean).square() / variance + logvar)
    truth = (values + torch.sigmoid(expected)).clamp(0.0, 1.0)
    bernoulli = functional.binary_cross_entropy_with_logits(expected + mean, truth, reduction="none")
    return torch.where(binary, bernoulli, gaussian)


@dataclass(frozen=True)
class HeldOut:
    """Known cells of rows a model is not trained on, each to be predicted from the others of its row."""

    rows: PanelRows  # a row for each cell, c
    columns: Tensor  # the column of each cell, c

    def shown(self) -> Tensor:
        """All that is known but the cell, `c x p`."""
        shown = self.rows.known.clone()
        shown[torch.arange(len(shown)), self.columns] = False
        return shown

    def predict(self, model: PanelVAE, shown: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of each cell less what is expected, `c` each."""
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
    """Train a model, each time with another part of the known cells shown; the one of the best epoch.

    Training ends when held-out cells are no longer predicted better. The generator decides on the batches, on
    what is shown and on u.
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
