"""Fitting property heads to a trained model: encoder, decoder and prior stay as they are."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from molvae.data.batching import by_length
from molvae.data.scaling import PropertyScaler
from molvae.errors import InputError, UsageError
from molvae.latent.codec import MolVAE
from molvae.models.heads import PropertyHead, gaussian_nll
from molvae.models.posterior import Posterior
from molvae.models.priors.averaging import AveragedTraining, rate_after
from molvae.models.vae import SequenceVAE
from molvae.progress import SILENT
from molvae.seeding import Seeds
from molvae.training.prior_fitting import encoded, must_be_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Generator, Tensor

    from molvae.data.corpus import Corpus
    from molvae.progress import Progress
    from molvae.training.config import FitHeadsSettings

_LARGEST_GRADIENT = 5.0  # norm


def fit_heads(
    model: MolVAE, corpus: Corpus, settings: FitHeadsSettings, *, seed: int = 0, progress: Progress = SILENT
) -> MolVAE:
    """The model with property heads for the labels of a corpus, in the place of those it had.

    Molecules are encoded once, and the head learns from their posteriors: minutes for a hundred thousand.
    Missing labels are left out. The head is that of the epoch with the best likelihood of the validation
    split's labels, or of the last one if that has none.

    Args:
        model: A trained model; it is not changed.
        corpus: Prepared with its vocabulary, with labels or descriptors.
        settings: Size and training of the head.
        seed: Root of the first weights, the order and the posterior noise.
        progress: Told of every step.

    Raises:
        InputError: The corpus was not prepared for this model, or has no labels to learn from.
        UsageError: The model's decoder or prior is told properties, and is not one without them.
    """
    if model.settings.model.conditional or model.settings.model.conditional_prior:
        raise UsageError(
            "the properties of a conditional model belong to its decoder and prior: train it anew"
        )
    must_be_of(model, corpus)
    taught, held_out = _labelled(corpus, "train"), _labelled(corpus, "valid")
    if len(taught) == 0:
        raise InputError(
            f"the corpus {corpus.path} has no labels to learn from",
            hint="Prepare it with --labels COLUMN or --descriptors NAME.",
        )
    scaler = PropertyScaler.fit(corpus.labels[taught], corpus.property_names)
    bare = _with_head_for(model, scaler, settings, seed)
    lessons, exam = (_Labels.of(bare, corpus, rows, progress) for rows in (taught, held_out))
    head = _learned(bare, lessons, exam, settings, Seeds(seed), progress)
    bare.network.head = head
    return _told(bare, corpus, held_out, exam, f"{len(taught)} molecules, {settings.epochs} epochs")


class _Labels:
    """Posteriors of molecules and their scaled properties, `n x p`, and which of these exist."""

    def __init__(self, posterior: Posterior, properties: Tensor, observed: Tensor) -> None:
        self.posterior, self.properties, self.observed = posterior, properties, observed

    @classmethod
    def of(cls, model: MolVAE, corpus: Corpus, rows: NDArray[np.int64], progress: Progress) -> _Labels | None:
        """Those of rows of a corpus; None of no row."""
        if len(rows) == 0:
            return None
        properties, observed = model.scaled_properties(corpus.labels[rows])
        return cls(encoded(model, corpus, rows, progress=progress), properties, observed)

    def nll(self, head: PropertyHead, points: Tensor, rows: Tensor | slice) -> Tensor:
        """Mean of -log p(properties|points) of these rows, in nats per molecule."""
        return gaussian_nll(head(points), self.properties[rows], self.observed[rows]).mean()

    def points(self, rows: Tensor, kind: str, generator: Generator) -> list[Tensor]:
        """What the head learns from: means or samples of these posteriors, or both."""
        posterior = Posterior(self.posterior.mu[rows], self.posterior.logvar[rows])
        samples = [] if kind == "mean" else [posterior.rsample(generator)]
        return samples if kind == "sample" else [*samples, posterior.mu]


def _learned(
    model: MolVAE,
    lessons: _Labels | None,
    exam: _Labels | None,
    settings: FitHeadsSettings,
    seeds: Seeds,
    progress: Progress,
) -> PropertyHead:
    """The head of the best epoch."""
    head = model.network.head
    assert head is not None and lessons is not None  # noqa: S101, PT018 - there are labels
    head.train()
    generator = seeds.torch("heads")
    training = AveragedTraining(head, settings.ema_decay, generator, _LARGEST_GRADIENT)
    best, least, candidate = deepcopy(head), float("inf"), deepcopy(head)
    n_rows = len(lessons.properties)
    size = min(settings.batch_size, n_rows)
    n_steps = settings.epochs * -(-n_rows // size)
    progress.start("heads", n_steps)
    for epoch in range(settings.epochs):
        order = torch.randperm(n_rows, generator=generator).to(model.device)
        for first in range(0, n_rows, size):
            rows = order[first : first + size]
            points = lessons.points(rows, settings.input, generator)
            loss = torch.stack([lessons.nll(head, each, rows) for each in points]).mean()
            training.learn(loss, settings.learning_rate * rate_after(training.step, n_steps))
            progress.advance("heads", 1, epoch=epoch + 1, nll=training.shown)
        training.put_into(candidate)
        missed = -float(epoch) if exam is None else _missed(candidate, exam)
        if missed < least:
            best, least = deepcopy(candidate), missed
    progress.finish("heads")
    return best.eval()


@torch.no_grad()
def _missed(head: PropertyHead, exam: _Labels) -> float:
    return float(exam.nll(head, exam.posterior.mu, slice(None)))


def _labelled(corpus: Corpus, part: str) -> NDArray[np.int64]:
    """Rows of a part with at least one label, shorter molecules first."""
    rows = corpus.rows(part)  # type: ignore[arg-type]
    return by_length(rows[np.isfinite(corpus.labels[rows]).any(axis=1)], corpus.lengths)


def _with_head_for(model: MolVAE, scaler: PropertyScaler, settings: FitHeadsSettings, seed: int) -> MolVAE:
    """The same model with an untaught head for these properties."""
    sizes = model.settings.model.model_copy(
        update={"head_hidden": settings.hidden, "head_input": settings.input}
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(Seeds(seed).integer("head-weights"))
        network = SequenceVAE(sizes, model.network.vocabulary_size, len(scaler.names)).to(model.device)
    network.take_over(model.network, with_head=False)
    codec = model.settings.model_copy(
        update={
            "model": sizes,
            "property_names": scaler.names,
            "property_mean": scaler.mean,
            "property_scale": scaler.scale,
        }
    )
    return MolVAE(network, model.tokenizer, codec, model.prior, model.domain)


def _told(
    model: MolVAE, corpus: Corpus, rows: NDArray[np.int64], exam: _Labels | None, learned: str
) -> MolVAE:
    """The model, its card telling of its heads and of their errors on the validation split."""
    before = model.settings.facts.get("metrics", {})
    metrics = {name: value for name, value in before.items() if not name.startswith(("mae_", "property"))}
    if exam is not None:
        metrics["property"] = _missed(model.network.head, exam)  # type: ignore[arg-type]
        predicted = model.predict_latent(exam.posterior.mu.cpu().numpy()).mean
        errors = np.abs(predicted - corpus.labels[rows])
        for column, name in enumerate(model.property_names):
            known = errors[:, column][np.isfinite(errors[:, column])]
            if len(known):
                metrics[f"mae_{name}"] = float(known.mean())
    facts: dict[str, Any] = {"heads": f"fitted to the posteriors of {learned}", "metrics": metrics}
    return model.with_prior(model.prior, facts)
