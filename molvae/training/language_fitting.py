"""Fitting a language prior: the decoder's network learns to write the training molecules without z."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from molvae.data.batching import by_length, epoch_batches, pad
from molvae.models.language import LanguageModel
from molvae.models.precision import has_fast_bfloat16
from molvae.models.priors.averaging import AveragedTraining, rate_after

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from molvae.data.corpus import Corpus
    from molvae.latent.codec import MolVAE
    from molvae.models.priors.base import FitStates
    from molvae.models.priors.config import LanguageSettings
    from molvae.models.priors.language import LanguagePrior
    from molvae.progress import Progress
    from molvae.seeding import Seeds

_LARGEST_GRADIENT = 0.5  # norm, of nats per token
_ROWS = 512


def fit_language(
    model: MolVAE,
    corpus: Corpus,
    rows: NDArray[np.int64],
    settings: LanguageSettings,
    initial: LanguagePrior | None = None,
    *,
    seeds: Seeds,
    progress: Progress,
    states: FitStates,
) -> LanguageModel:
    """The language model of a language prior, trained on these rows of the corpus.

    It begins with the weights of the model's decoder, which knows how molecules are written, or goes on from
    another language prior.

    Args:
        model: A trained model; it is not changed.
        corpus: Of its vocabulary.
        rows: Which molecules teach.
        settings: How it is trained; by no epoch if it is to be `initial`'s.
        initial: The language prior it goes on from, which is not changed.
        seeds: Root of the order of the batches: a function of the epoch.
        progress: Told of every step.
        states: Where the training keeps how far it is.
    """
    known = model.network.decoder if initial is None else initial.model.decoder
    language = LanguageModel.of_decoder(known).to(model.device)
    training = AveragedTraining(language, settings.ema_decay, seeds.torch("language"), _LARGEST_GRADIENT)
    per_epoch = -(-len(rows) // settings.batch_size)
    n_steps = settings.epochs * per_epoch
    progress.start("prior", n_steps)
    if (state := states.newest()) is not None:
        training.go_on_from(state)
        progress.advance("prior", training.step)
        progress.note(f"going on with the prior after step {training.step:,}")
    while training.step < n_steps:
        epoch, begun = divmod(training.step, per_epoch)
        order = seeds.numpy("language-batches", epoch)
        for batch in epoch_batches(rows, corpus.lengths, settings.batch_size, order)[begun:]:
            tokens, lengths = (torch.from_numpy(array).to(model.device) for array in pad(corpus.ids, batch))
            with torch.autocast(model.device.type, torch.bfloat16, enabled=has_fast_bfloat16(model.device)):
                loss = language.nll(tokens, lengths).sum() / lengths.sum()
            training.learn(loss, settings.learning_rate * rate_after(training.step, n_steps))
            progress.advance("prior", 1, epoch=epoch + 1, nats_per_token=training.shown)
            states.after(training.step, training.state)
    training.finish()
    progress.finish("prior", nats_per_token=training.shown)
    return language.cpu()


@torch.inference_mode()
def nats_per_molecule(language: LanguageModel, corpus: Corpus, rows: NDArray[np.int64]) -> float:
    """Mean of -log p(x) of these rows of the corpus; NaN of none."""
    ordered = by_length(rows, corpus.lengths)
    found = []
    for start in range(0, len(ordered), _ROWS):
        tokens, lengths = pad(corpus.ids, ordered[start : start + _ROWS])
        found.append(language.nll(torch.from_numpy(tokens), torch.from_numpy(lengths)).numpy())
    return float(np.concatenate(found).mean()) if found else float("nan")
