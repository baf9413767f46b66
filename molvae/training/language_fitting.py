"""Fit a language prior: a network like the decoder is trained on the training molecules, without z."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch

from molvae.data.batching import by_length, epoch_batches, pad
from molvae.errors import UsageError
from molvae.models.devices import has_fast_bfloat16
from molvae.models.fitting import EMA_DECAY, Fit, Recipe, adam
from molvae.models.priors.language import LanguageModel

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from molvae.data.corpus import Corpus
    from molvae.latent.codec import MolVAE
    from molvae.models.config import LanguageSettings
    from molvae.models.fitting import FitStates, Standing
    from molvae.models.priors.language import LanguagePrior
    from molvae.progress import Progress
    from molvae.seeding import Seeds

BATCH = 128
"""Molecules in a step."""
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

    It starts from the weights of the model's decoder, from another language prior (`initial`, which is not
    changed), or from random weights if its size is set. The order of the batches is a function of the epoch;
    with 0 epochs `initial` is copied.

    Raises:
        UsageError: `initial` has another size than requested.
    """
    language = _initialized(model, settings, initial, seeds).to(model.device)
    generator = seeds.torch("language")
    recipe = Recipe(
        epochs=settings.epochs,
        steps=-(-len(rows) // BATCH),
        learning_rate=settings.learning_rate,
        gradient_clip=_LARGEST_GRADIENT,
        ema_decay=EMA_DECAY,
    )

    @lru_cache(maxsize=1)
    def batches(epoch: int) -> list[NDArray[np.int64]]:
        order = seeds.numpy("language-batches", epoch)
        return epoch_batches(rows, corpus.lengths, BATCH, order)

    def loss(at: Standing) -> tuple[Tensor, dict[str, float]]:
        batch = batches(at.epoch)[at.batch]
        tokens, lengths = (torch.from_numpy(array).to(model.device) for array in pad(corpus.ids, batch))
        with torch.autocast(model.device.type, torch.bfloat16, enabled=has_fast_bfloat16(model.device)):
            nll = language.nll(tokens, lengths, dropout=settings.dropout, generator=generator)
            return nll.sum() / lengths.sum(), {}

    fit = Fit(
        language, adam(language), recipe, task="prior", progress=progress, states=states, generator=generator
    )
    fit.resume()
    return fit.run(loss).cpu()  # type: ignore[return-value]


def _initialized(
    model: MolVAE, settings: LanguageSettings, initial: LanguagePrior | None, seeds: Seeds
) -> LanguageModel:
    """The language model that training starts from."""
    if initial is not None:
        hidden = initial.model.decoder.output.in_features
        if settings.hidden not in (None, hidden):
            raise UsageError(
                f"the language model to continue from has {hidden} units, not {settings.hidden}",
                hint="Leave language.hidden out.",
            )
        return LanguageModel.of_decoder(initial.model.decoder)
    if settings.hidden is None:
        return LanguageModel.of_decoder(model.network.decoder)
    sizes = model.settings.model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.integer("language-weights"))
        return LanguageModel(
            model.network.vocabulary_size,
            embedding_size=sizes.embedding_size,
            hidden=settings.hidden,
            n_layers=sizes.decoder_layers,
        )


@torch.inference_mode()
def nats_per_molecule(language: LanguageModel, corpus: Corpus, rows: NDArray[np.int64]) -> float:
    """Mean of -log p(x) of these rows of the corpus; NaN if there are none."""
    ordered = by_length(rows, corpus.lengths)
    found = []
    for start in range(0, len(ordered), _ROWS):
        tokens, lengths = pad(corpus.ids, ordered[start : start + _ROWS])
        found.append(language.nll(torch.from_numpy(tokens), torch.from_numpy(lengths)).numpy())
    return float(np.concatenate(found).mean()) if found else float("nan")
