"""Fit property heads to a trained model; encoder, decoder and prior stay unchanged."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from molvae.data.batching import by_length
from molvae.data.scaling import PropertyScaler
from molvae.errors import InputError, UsageError
from molvae.models.fitting import EMA_DECAY, Fit, Recipe, adam
from molvae.models.growth import joined, take_over_network
from molvae.models.network import Posterior, PropertyHead
from molvae.models.vae import SequenceVAE, gaussian_nll
from molvae.progress import SILENT
from molvae.seeding import Seeds
from molvae.training.prior_fitting import encoded, must_be_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from molvae.data.corpus import Corpus
    from molvae.latent.codec import MolVAE
    from molvae.models.fitting import Standing
    from molvae.progress import Progress
    from molvae.training.config import FitHeadsSettings

_FOLDS = 5  # of the labelled molecules; a member is trained without each
_BATCH, _LEAST_STEPS, _RATE = 256, 300, 2e-3
_LARGEST_GRADIENT = 5.0  # norm


def fit_heads(
    model: MolVAE, corpus: Corpus, settings: FitHeadsSettings, *, seed: int = 0, progress: Progress = SILENT
) -> MolVAE:
    """The model with new property heads for the labels of a corpus.

    Molecules are encoded once, and the heads are trained on their posteriors: minutes for a hundred thousand.
    Missing labels are ignored. The epoch with the best likelihood on the validation split is kept, or the
    last one if that has no labels. The given model is unchanged; the seed determines the initial weights, the
    order and the posterior noise.

    Raises:
        InputError: The corpus was not prepared for this model, or has no labels to learn from.
        UsageError: The model's decoder is conditional on properties.
    """
    if model.settings.model.conditional:
        raise UsageError("the decoder of a conditional model depends on its properties: train a new model")
    must_be_of(model, corpus)
    train_rows, valid_rows = _labelled(corpus, "train"), _labelled(corpus, "valid")
    if len(train_rows) == 0:
        raise InputError(
            f"the corpus {corpus.path} has no labels to learn from",
            hint="Prepare it with --labels COLUMN or --descriptors NAME.",
        )
    scaler = PropertyScaler.fit(corpus.labels[train_rows], corpus.property_names)
    folds = _folds(len(train_rows), Seeds(seed))
    alone = len(folds) == 1
    train = _Labels.of(model, corpus, train_rows, scaler, progress)
    valid = _Labels.of(model, corpus, valid_rows, scaler, progress) if len(valid_rows) else None
    members, held_out = [], _HeldOut(train)
    for number, fold in enumerate(folds):
        root, task = Seeds(seed).integer("member", number), f"head {number + 1} of {len(folds)}"
        head = _with_head_for(model, scaler, settings, 1, root).network.head
        learning = train.at(np.setdiff1d(np.arange(len(train_rows)), () if alone else fold))
        members.append(_trained(head, learning, valid, settings, Seeds(root), task, progress))  # type: ignore[arg-type]
        if not alone:
            held_out.add(members[-1], fold)
    fitted = _with_head_for(model, scaler, settings, len(members), seed)
    joined(members, fitted.network.head, held_out.widening())  # type: ignore[arg-type]
    figures = _on_validation(fitted, corpus, valid_rows, valid) if alone else held_out.figures(scaler)
    source = f"{len(train_rows)} molecules, " + (
        "one member" if alone else f"the mean of {len(folds)} members"
    )
    return _with_card(fitted, figures, f"fitted to the posteriors of {source}")


def _folds(n: int, seeds: Seeds) -> list[NDArray[np.int64]]:
    """Rows of each random fold; a single fold of all rows if there are too few."""
    n_folds = _FOLDS if n >= 2 * _FOLDS else 1
    return [np.sort(fold) for fold in np.array_split(seeds.numpy("folds").permutation(n), n_folds)]


class _HeldOut:
    """Out-of-fold predictions of the members, in scaled units, `n x p`."""

    def __init__(self, train: _Labels) -> None:
        self._train = train
        self._true = torch.where(train.observed, train.properties, torch.nan).double().cpu().numpy()
        self._mean, self._variance = np.full((2, *self._true.shape), np.nan)

    @torch.no_grad()
    def add(self, member: PropertyHead, fold: NDArray[np.int64]) -> None:
        """Add a member's predictions for the fold it was trained without."""
        mu = self._train.posterior.mu
        found = member(mu[torch.from_numpy(fold).to(mu.device)])
        self._mean[fold], self._variance[fold] = found.mean.cpu().numpy(), found.variance.cpu().numpy()

    def widening(self) -> Tensor:
        """Factors that match the variances to the squared errors, `p`; 1 where unknown."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # the mean of nothing
            ratio = np.nanmean((self._true - self._mean) ** 2 / self._variance, axis=0)
        return torch.from_numpy(np.clip(np.nan_to_num(ratio, nan=1.0), 0.1, 100.0)).float()

    def figures(self, scaler: PropertyScaler) -> dict[str, float]:
        """`r2_NAME` and `mae_NAME` of each property that has labels, cross-validated."""
        found = {}
        for column, name in enumerate(scaler.names):
            error, true = (self._true - self._mean)[:, column], self._true[:, column]
            known = np.isfinite(error)
            if known.any():
                spread = true[known].var()
                found[f"r2_{name}"] = float(1 - np.mean(error[known] ** 2) / spread) if spread > 0 else 0.0
                found[f"mae_{name}"] = float(np.abs(error[known]).mean() * scaler.scale[column])
        return found


class _Labels(NamedTuple):
    """Posteriors of molecules and their scaled properties, `n x p`, and which of these exist."""

    posterior: Posterior
    properties: Tensor
    observed: Tensor

    @classmethod
    def of(
        cls,
        model: MolVAE,
        corpus: Corpus,
        rows: NDArray[np.int64],
        scaler: PropertyScaler,
        progress: Progress,
    ) -> _Labels:
        """Labels of rows of a corpus, at least one."""
        unit = torch.from_numpy(scaler.to_unit(corpus.labels[rows])).to(model.device)
        observed = torch.isfinite(unit)
        posterior = encoded(model, corpus, rows, progress=progress)
        return cls(posterior, torch.where(observed, unit, 0.0), observed)

    def at(self, rows: NDArray[np.int64]) -> _Labels:
        """A subset of rows."""
        chosen = torch.from_numpy(rows).to(self.properties.device)
        return _Labels(self.posterior_of(chosen), self.properties[chosen], self.observed[chosen])

    def posterior_of(self, rows: Tensor) -> Posterior:
        """The posteriors of some rows."""
        return Posterior(self.posterior.mu[rows], self.posterior.logvar[rows])

    def nll(self, head: PropertyHead, points: Tensor, rows: Tensor | slice) -> Tensor:
        """Mean of -log p(properties|points) of these rows, in nats per molecule."""
        return gaussian_nll(head(points), self.properties[rows], self.observed[rows]).mean()


def _trained(
    head: PropertyHead,
    train: _Labels,
    valid: _Labels | None,
    settings: FitHeadsSettings,
    seeds: Seeds,
    task: str,
    progress: Progress,
) -> PropertyHead:
    """Train a head, and return it as of the best epoch."""
    generator, n_rows = seeds.torch("heads"), len(train.properties)
    size = min(_BATCH, n_rows)
    steps = -(-n_rows // size)
    recipe = Recipe(
        epochs=max(settings.epochs, -(-_LEAST_STEPS // steps)),
        steps=steps,
        learning_rate=_RATE,
        gradient_clip=_LARGEST_GRADIENT,
        ema_decay=EMA_DECAY,
    )
    fit = Fit(head.train(), adam(head), recipe, task=task, progress=progress)
    order = torch.arange(n_rows)

    def loss(at: Standing) -> tuple[Tensor, dict[str, float]]:
        nonlocal order
        if at.batch == 0:
            order = torch.randperm(n_rows, generator=generator).to(train.properties.device)
        rows = order[at.batch * size : (at.batch + 1) * size]
        posterior = train.posterior_of(rows)  # a sample of each, and its mean
        points = (posterior.rsample(generator), posterior.mu)
        return torch.stack([train.nll(head, each, rows) for each in points]).mean(), {}

    def measure(at: Standing) -> float:
        if valid is None:
            return -float(at.epoch)  # the last is the best
        with torch.no_grad():
            return float(valid.nll(fit.result, valid.posterior.mu, slice(None)))  # type: ignore[arg-type]

    return fit.best(loss, measure).eval()  # type: ignore[return-value]


def _labelled(corpus: Corpus, part: str) -> NDArray[np.int64]:
    """Rows of a part with at least one label, shorter molecules first."""
    rows = corpus.rows(part)  # type: ignore[arg-type]
    return by_length(rows[np.isfinite(corpus.labels[rows]).any(axis=1)], corpus.lengths)


def _with_head_for(
    model: MolVAE, scaler: PropertyScaler, settings: FitHeadsSettings, n_members: int, seed: int
) -> MolVAE:
    """The same model with an untrained head for these properties, sized for this many members."""
    sizes = model.settings.model.model_copy(
        update={"head_hidden": n_members * settings.hidden, "head_input": "both"}
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(Seeds(seed).integer("head-weights"))
        network = SequenceVAE(sizes, model.network.vocabulary_size, len(scaler.names)).to(model.device)
    take_over_network(network, model.network, with_head=False)
    codec = model.settings.model_copy(
        update={
            "model": sizes,
            "property_names": scaler.names,
            "property_mean": scaler.mean,
            "property_scale": scaler.scale,
        }
    )
    return model.replaced(network=network, settings=codec)


def _on_validation(
    model: MolVAE, corpus: Corpus, rows: NDArray[np.int64], valid: _Labels | None
) -> dict[str, float]:
    """`mae_NAME` of each property that has labels in the validation split."""
    if valid is None:
        return {}
    errors = np.abs(model.predict_latent(valid.posterior.mu.cpu().numpy()).mean - corpus.labels[rows])
    known = {name: errors[:, n][np.isfinite(errors[:, n])] for n, name in enumerate(model.property_names)}
    return {f"mae_{name}": float(found.mean()) for name, found in known.items() if len(found)}


def _with_card(model: MolVAE, figures: dict[str, float], heads: str) -> MolVAE:
    """The model with a note on its card about the heads and their errors."""
    before = model.settings.facts.get("metrics", {})
    kept = {k: value for k, value in before.items() if not k.startswith(("mae_", "r2_", "property"))}
    return model.replaced(facts={"heads": heads, "metrics": {**kept, **figures}})
