"""Fit a prior to a trained model, from the posteriors of the training molecules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from molvae.data.batching import by_length, pad
from molvae.errors import InputError, UsageError
from molvae.models.fitting import NOT_KEPT, FitContext
from molvae.models.network import Posterior
from molvae.models.priors.base import PRIORS, LatentDensity, Prior, StandardNormal
from molvae.models.priors.flow import FlowPrior
from molvae.models.priors.gan import LatentGAN
from molvae.models.priors.language import LanguagePrior
from molvae.persistence.files import sha256_of
from molvae.persistence.manifest import MANIFEST
from molvae.progress import SILENT
from molvae.seeding import Seeds
from molvae.training.language_fitting import fit_language, nats_per_molecule
from molvae.training.states import KeptStates, name_of
from molvae.training.validation import UNIQUENESS, VALIDITY, on_prior

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from molvae.data.corpus import Corpus
    from molvae.latent.codec import MolVAE
    from molvae.models.fitting import FitStates
    from molvae.progress import Progress
    from molvae.training.config import PriorSettings

_ROWS = 512
_MOST_MOLECULES = 250_000  # maximum number of posteriors a prior is fitted to
_CONTINUED = (FlowPrior, LanguagePrior)  # kinds whose fit can continue from an earlier one
N_VALIDATION = 1000
"""Number of samples to measure the validity of a prior."""


def fit_prior(
    model: MolVAE,
    corpus: Corpus,
    settings: PriorSettings,
    *,
    initial: MolVAE | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
    states: FitStates = NOT_KEPT,
) -> MolVAE:
    """The model with a prior fitted to the posteriors of the corpus's training molecules.

    Its validity and uniqueness are measured and added to the card; the given model is unchanged.

    Args:
        model: A trained model.
        corpus: The corpus it was trained on.
        settings: The kind of prior and its training.
        initial: Model whose prior the fit continues from: a flow of this or a similar model, or a language
            model of the same vocabulary.
        seed: Root seed of the choice of molecules, the fit and the measurement.
        progress: Where progress is reported.
        states: Storage of training states of a flow or a language model (`kept_fit`).

    Raises:
        UnknownNameError: There is no prior of that name.
        InputError: The corpus was not prepared for this model, or has no training molecules.
        UsageError: There is no prior to continue from, or its kind cannot be continued.
        StoppedEarly: A stop was requested; the state is saved.
    """
    kind = PRIORS.get(settings.name)
    begun = None if initial is None else _prior_of(initial, kind, model)
    asked = _Asked(model, corpus, settings, seed, progress, states)
    prior: Prior
    if kind is StandardNormal:
        prior, described = StandardNormal(model.latent_size), "N(0, I)"
    elif issubclass(kind, LanguagePrior):
        prior, described = _of_texts(asked, begun)
    elif issubclass(kind, LatentDensity):
        prior, described = _of_posteriors(asked, begun, kind)
    else:
        raise UsageError(
            f"the prior '{settings.name}' cannot be fitted to molecules",
            hint="Choose flow, language, gan or normal.",
        )
    fitted = model.replaced(prior=prior)
    metrics = {**_without_priors(model), **validity_of(fitted, seed)}
    facts: dict[str, Any] = {"prior": described, "metrics": metrics}
    critic = prior.critic if isinstance(prior, LatentGAN) else {}
    if critic or "critic" in model.settings.facts:
        facts["critic"] = {"step": list(critic), "difference": list(critic.values())}
    return model.replaced(prior=prior, facts=facts)


def validity_of(model: MolVAE, seed: int) -> dict[str, float]:
    """Validity and uniqueness of samples of a model's prior, as `fit_prior` with this seed measures them."""
    return on_prior(model, n_samples=N_VALIDATION, seed=Seeds(seed).integer("prior-validation"))


class _Asked(NamedTuple):
    """The arguments of `fit_prior`."""

    model: MolVAE
    corpus: Corpus
    settings: PriorSettings
    seed: int
    progress: Progress
    states: FitStates


def _of_texts(asked: _Asked, begun: Prior | None) -> tuple[Prior, str]:
    """A language prior, and its description for the card."""
    model, corpus, settings, seed, progress, states = asked
    rows = chosen_molecules(model, corpus, _MOST_MOLECULES, seed=seed)
    earlier = begun if isinstance(begun, LanguagePrior) else None
    language = fit_language(
        model, corpus, rows, settings.language, earlier, seeds=Seeds(seed), progress=progress, states=states
    )
    temperature = settings.language.temperature
    prior = LanguagePrior(language, model.settings.max_length, temperature, settings.posterior_scale)
    described = "language model" if earlier is None else "language model, begun as an earlier one"
    if epochs := settings.language.epochs:
        described += f", trained for {epochs} epochs on {len(rows)} molecules"
    nats = nats_per_molecule(language, corpus, corpus.rows("valid"))
    return prior, f"{described}: {nats:.2f} nats per molecule"


def _of_posteriors(asked: _Asked, begun: Prior | None, kind: type[LatentDensity]) -> tuple[Prior, str]:
    """A prior fitted to posteriors, and its description for the card."""
    model, corpus, settings, seed, progress, states = asked
    posterior = posteriors(model, corpus, _MOST_MOLECULES, seed=seed, progress=progress)
    described = f"{settings.name}, fitted to the posteriors of {len(posterior.mu)} molecules"
    if settings.posterior_scale != 1.0:
        described += f", their standard deviations times {settings.posterior_scale:g}"
    if begun is not None:
        described += ", going on from an earlier flow"
    narrowed = posterior.scaled(settings.posterior_scale)
    context = FitContext(Seeds(seed).torch("prior"), progress, states)
    prior = kind.fit(narrowed, settings, context, begun if isinstance(begun, FlowPrior) else None)
    if isinstance(prior, LatentGAN):
        gaps = list(prior.critic.values())
        described += f"; the critic's difference was {gaps[0]:.3g} at first and {gaps[-1]:.3g} at last"
    return prior, described


def kept_fit(
    directory: Path,
    model: MolVAE,
    corpus: Corpus,
    settings: PriorSettings,
    *,
    initial: MolVAE | None = None,
    seed: int = 0,
    should_stop: Callable[[], bool] = lambda: False,
) -> KeptStates:
    """Storage of the state of `fit_prior` with these arguments, in its own directory under `directory`.

    The same fit, started again, resumes from there and gives, on one machine, the same prior. If
    `should_stop`, called between steps, returns true, the state is saved and `StoppedEarly` raised.
    """
    asked = {
        "settings": settings.model_dump(mode="json", exclude={"initial"}),
        "seed": seed,
        "corpus": sha256_of(corpus.path / MANIFEST),
    }
    deciding = dict(model.network.state_dict())
    if initial is not None:
        deciding |= {f"initial.{name}": tensor for name, tensor in initial.prior.tensors().items()}
    return KeptStates(directory / name_of(asked, deciding), should_stop, fit="the prior's fit")


def posteriors(model: MolVAE, corpus: Corpus, n: int, *, seed: int, progress: Progress = SILENT) -> Posterior:
    """The posteriors of `chosen_molecules`, `n x d`, on the model's device."""
    rows = chosen_molecules(model, corpus, n, seed=seed)
    return encoded(model, corpus, by_length(rows, corpus.lengths), progress=progress)


@torch.no_grad()
def encoded(
    model: MolVAE, corpus: Corpus, rows: NDArray[np.int64], *, progress: Progress = SILENT
) -> Posterior:
    """The posteriors of rows of a corpus, `n x d`, on the model's device; fastest `by_length`."""
    found = []
    progress.start("encode", len(rows))
    for start in range(0, len(rows), _ROWS):
        tokens, lengths = pad(corpus.ids, rows[start : start + _ROWS])
        given = (torch.from_numpy(array).to(model.device) for array in (tokens, lengths))
        found.append(model.network.encoder(*given))
        progress.advance("encode", len(lengths))
    progress.finish("encode")
    return Posterior(torch.cat([p.mu for p in found]), torch.cat([p.logvar for p in found]))


def chosen_molecules(model: MolVAE, corpus: Corpus, n: int, *, seed: int) -> NDArray[np.int64]:
    """Rows of (at most) `n` training molecules, drawn at random.

    Raises:
        InputError: The corpus was not prepared for this model, or has no training molecules.
    """
    must_be_of(model, corpus)
    rows: NDArray[np.int64] = Seeds(seed).numpy("prior-rows").permutation(corpus.rows("train"))[:n]
    if len(rows) == 0:
        raise InputError(f"the corpus {corpus.path} has no training molecules")
    return rows


def must_be_of(model: MolVAE, corpus: Corpus) -> None:
    """Raise an `InputError` if the corpus was not prepared with the vocabulary of the model."""
    if corpus.vocabulary.tokens != model.tokenizer.vocabulary.tokens:
        raise InputError(
            f"the corpus {corpus.path} was not prepared for this model: its vocabulary is different",
            hint="Give the corpus the model was trained on, or prepare one: --vocabulary CHECKPOINT.",
        )


def continued_by(name: str, source: MolVAE | None) -> MolVAE | None:
    """The initial model, if a fit of the prior of this name can continue from its prior."""
    if source is None or source.prior.name != name or not isinstance(source.prior, _CONTINUED):
        return None
    return source


def _prior_of(initial: MolVAE, kind: type[Prior], model: MolVAE) -> Prior:
    """The prior of a model that a fit of this kind continues from."""
    if not issubclass(kind, _CONTINUED):
        raise UsageError(f"a fit of the prior '{kind.name}' cannot be continued: only flow and language can")
    if not isinstance(initial.prior, kind):
        raise UsageError(
            f"there is no {kind.name} to continue from: the prior of that model is '{initial.prior.name}'"
        )
    if issubclass(kind, FlowPrior) and initial.latent_size != model.latent_size:
        raise UsageError(
            f"that flow has {initial.latent_size} dimensions, but this model has {model.latent_size}"
        )
    if issubclass(kind, LanguagePrior) and initial.tokenizer.vocabulary != model.tokenizer.vocabulary:
        raise UsageError("that language model has a different vocabulary from this model")
    return initial.prior


def _without_priors(model: MolVAE) -> dict[str, Any]:
    """The metrics on a model's card, without those of earlier priors."""
    fitted = [name for name in PRIORS.names() if name != StandardNormal.name]
    gone = {f"{name}{figure}" for name in fitted for figure in (VALIDITY, UNIQUENESS)}
    metrics = model.settings.facts.get("metrics", {})
    return {name: value for name, value in metrics.items() if name not in gone}
