"""`MolVAE`: SMILES to latent vectors and back, and property prediction."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

from molvae.chemistry.depiction import MoleculeList, table_html
from molvae.chemistry.molecule import Invalid, Molecule
from molvae.data.scaling import PropertyScaler
from molvae.errors import UsageError
from molvae.latent.checkpoint import Parts, card_facts, n_parameters, read_parts, write_parts
from molvae.latent.decoding import TextDecoder
from molvae.latent.encoding import posteriors, standardized
from molvae.latent.prediction import PropertyPrediction
from molvae.models.config import INFERENCE_STEPS
from molvae.models.devices import resolve_device
from molvae.models.priors.base import StandardNormal, named_prior
from molvae.persistence.locations import model_directory
from molvae.seeding import Seeds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from molvae.chemistry.precedent import Precedent
    from molvae.latent.config import CodecSettings
    from molvae.latent.domain import ApplicabilityDomain
    from molvae.models.priors.base import Prior
    from molvae.models.vae import SequenceVAE
    from molvae.tokenizers.base import Tokenizer

    Text: TypeAlias = str | Molecule | Invalid


class MolVAE:
    """A trained sequence VAE with its tokenizer: molecules to latent vectors and back.

    Every method that takes `n` molecules returns `n` results in the same order; an invalid molecule gives a
    NaN row or an `Invalid`, never an exception. SMILES are standardized like the training data; `Molecule`
    and `Invalid` are used unchanged.

    Attributes:
        network: The network.
        tokenizer: Its tokenizer.
        settings: Contents of the checkpoint's `config.json`.
        prior: Distribution of latent vectors; N(0, I) if not given.
        domain: Applicability domain; None before calibration.
        precedent: Bonds and ring systems of the training molecules; None before calibration.
        latent_size: Dimensions of z, `d`.
        noise_levels: Whether the decoder was trained with noise levels.
        property_names: Properties that `predict` returns.
        prior_level: Noise level at which samples of the prior are decoded.
        decoder: Decodes latent vectors to texts.
        path: The directory it was read from; None for a model made in memory.
    """

    def __init__(
        self,
        network: SequenceVAE,
        tokenizer: Tokenizer,
        settings: CodecSettings,
        prior: Prior | None = None,
        domain: ApplicabilityDomain | None = None,
        precedent: Precedent | None = None,
    ) -> None:
        self.network = network.eval()
        self.tokenizer = tokenizer
        self.latent_size = settings.model.latent_size
        self.noise_levels = settings.model.noise_levels
        self.property_names = settings.property_names
        self.prior = (prior or StandardNormal(self.latent_size)).through(network)
        self.settings = settings.model_copy(update={"prior": self.prior.name})
        self.domain, self.precedent = domain, precedent
        self.decoder = TextDecoder(network, tokenizer, settings.max_length)
        self.scaler = PropertyScaler(settings.property_names, settings.property_mean, settings.property_scale)
        self.device = next(network.parameters()).device
        self.prior_level = float(self.noise_levels and self.prior.name == StandardNormal.name)
        self.path: Path | None = None
        self._parts = Parts(network, tokenizer, self.settings, self.prior, domain, precedent)

    @classmethod
    def load(cls, path: str | Path, *, device: str = "auto") -> MolVAE:
        """Read a checkpoint.

        Args:
            path: Its directory, the directory of a run, or the name of a shipped model (`zinc250k`).
            device: `cpu`, `cuda`, `mps`, or `auto` for the best available.

        Raises:
            CheckpointError: It is missing, incomplete, altered, inconsistent, or of another version.
        """
        directory = model_directory(path)
        model = cls(*read_parts(directory)).to(resolve_device(device))
        model.path = directory
        return model

    def save(self, path: str | Path) -> None:
        """Write the checkpoint directory, atomically; an existing one is replaced."""
        write_parts(self._parts, Path(path))

    @property
    def n_parameters(self) -> int:
        """Number of parameters of the network."""
        return n_parameters(self.network)

    def encode(
        self, molecules: Sequence[Text], *, seed: int | None = None, inference_steps: int = INFERENCE_STEPS
    ) -> NDArray[np.float32]:
        """Latent vectors `n x d`: posterior means, or posterior samples when a seed is given.

        With `inference_steps=0` (see `posterior`) this is several times faster, but fewer molecules decode to
        themselves: sufficient for vectors used as features or compared.
        """
        mu, sigma = self.posterior(molecules, inference_steps=inference_steps)
        if seed is None:
            return mu
        noise = Seeds(seed).numpy("encode").standard_normal(mu.shape, dtype=np.float32)
        return mu + sigma * noise

    def posterior(
        self, molecules: Sequence[Text], *, inference_steps: int = 0
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Posterior means and standard deviations, `n x d` each; NaN rows for what cannot be encoded.

        The encoder's means are refined by at most `inference_steps` gradient steps on the likelihood of the
        molecule (`molvae.models.inference`). A negative number is a `UsageError`.
        """
        return posteriors(self.network, self.tokenizer, self.prepare(molecules), inference_steps)

    def decode(
        self,
        z: NDArray[np.floating],
        *,
        temperature: float = 0.0,
        seed: int = 0,
        beam: bool = False,
        properties: NDArray[np.floating] | None = None,
        noise: float | NDArray[np.floating] = 0.0,
    ) -> list[Molecule | Invalid]:
        """Molecules from latent vectors `n x d`.

        Args:
            z: Latent vectors; a row that is not finite is invalid.
            temperature: 0 is greedy; otherwise tokens are sampled.
            seed: Root seed of the sampling.
            beam: Replace text that is invalid, or that the model cannot encode, by the most likely valid
                text, if a beam search finds any.
            properties: Condition of a conditional model, `n x p` in original units; NaN is unknown.
            noise: Noise level s of z, one or `n` of them (`molvae.models.noise`): at 0 the decoder
                reconstructs, at 1 it ignores z.

        Raises:
            UsageError: `z` is not `n x d`, the model is not a conditional one, or `noise` is outside 0 to 1
                or above 0 although the decoder was not trained with noise levels.
        """
        if properties is not None and not self.settings.model.conditional:
            raise UsageError("this model is not conditional: its decoder does not take properties")
        condition = None if properties is None else self.scaled_properties(properties)
        points, levels = self.decoder.at_level(z, noise, seed)
        molecules = self.decoder.molecules(points, levels, temperature, seed, condition)
        if beam:
            self.decoder.search(points, molecules, levels, condition)
        return molecules

    def decode_moved(
        self, z: NDArray[np.floating], level: NDArray[np.floating], *, seed: int = 0
    ) -> list[Molecule | Invalid]:
        """Molecules from latent vectors `n x d` after pCN steps of lengths `n`.

        A decoder with noise levels uses the lengths as levels; it samples tokens at level 1 and is greedy
        below.
        """
        return self.decoder.moved(z, level, seed) if self.noise_levels else self.decode(z)

    def scaled_properties(self, values: NDArray[np.floating]) -> tuple[torch.Tensor, torch.Tensor]:
        """Properties in original units, `n x p`, as network input: scaled values and mask of known ones."""
        unit = self.scaler.to_unit(np.asarray(values, dtype=np.float32))
        observed = torch.from_numpy(np.isfinite(unit)).to(self.device)
        return torch.from_numpy(np.nan_to_num(unit)).to(self.device), observed

    def sample(
        self,
        n: int,
        *,
        temperature: float | None = None,
        seed: int = 0,
        prior: str | None = None,
        beam: bool | None = None,
        noise: float | None = None,
    ) -> list[Molecule | Invalid]:
        """Molecules from `n` samples of the prior, one decode each; failed decodes are `Invalid`.

        A decoder trained with noise levels decodes samples of N(0, I) at level 1, where it is a language
        model and samples tokens; those of any other prior at level 0, greedily.

        Args:
            n: Number of samples.
            temperature: As for `decode`; by default 1 at noise level 1 and 0 below.
            seed: Root seed.
            prior: `normal` samples N(0, I) even if another prior was fitted.
            beam: As for `decode`. By default used below noise level 1; at 1 it would always find the same
                molecule.
            noise: As for `decode`.

        Raises:
            UsageError: `n` is negative; or as for `decode`.
        """
        if n < 0:
            raise UsageError(f"n must not be negative, got {n}")
        z = self.sample_latent(n, generator=Seeds(seed).numpy("sample"), prior=prior)
        how = self.sampling(temperature=temperature, beam=beam, noise=noise, prior=prior)
        return self.decode(z, seed=seed, **how)

    def sampling(
        self, *, temperature: float | None, beam: bool | None, noise: float | None, prior: str | None = None
    ) -> dict[str, Any]:
        """Arguments of `decode` for samples of the prior, with the defaults of `sample` for None."""
        if noise is None:
            noise = float(self.noise_levels and prior == StandardNormal.name) if prior else self.prior_level
        free = noise == 1.0
        temperature = float(free) if temperature is None else temperature
        return {"noise": noise, "temperature": temperature, "beam": not free if beam is None else beam}

    def sample_latent(
        self, n: int, *, generator: np.random.Generator, prior: str | None = None
    ) -> NDArray[np.float32]:
        """Latent vectors `n x d` sampled from the prior, or from N(0, I) if `prior` is `normal`.

        Raises:
            UsageError: `prior` is neither the model's nor `normal`.
        """
        own = torch.Generator().manual_seed(int(generator.integers(2**63)))
        return np.asarray(named_prior(self.prior, prior, self.latent_size).sample(n, own))

    def predict(self, molecules: Sequence[Text]) -> PropertyPrediction:
        """Properties of molecules, predicted from the encoder's means."""
        return self.predict_latent(self.encode(molecules, inference_steps=0))

    @torch.inference_mode()
    def predict_latent(self, z: NDArray[np.floating]) -> PropertyPrediction:
        """Properties of latent vectors `n x d`; NaN rows stay NaN."""
        prediction = self.network.predict(torch.from_numpy(np.asarray(z, dtype=np.float32)).to(self.device))
        mean = self.scaler.from_unit(prediction.mean.cpu().numpy())
        variance = self.scaler.variance_from_unit(prediction.variance.cpu().numpy())
        return PropertyPrediction(self.property_names, mean, variance)

    def reconstruct(
        self, molecules: Sequence[Text], *, inference_steps: int = INFERENCE_STEPS
    ) -> list[Molecule | Invalid]:
        """Molecules encoded to their posterior means (as `encode` does) and decoded greedily."""
        given = self.prepare(molecules)
        decoded = self.decode(self.encode(given, inference_steps=inference_steps))
        return MoleculeList(a if isinstance(a, Invalid) else b for a, b in zip(given, decoded, strict=True))

    def prepare(self, molecules: Sequence[Text]) -> list[Molecule | Invalid]:
        """Parse and standardize SMILES and RDKit molecules like the training data; others pass unchanged."""
        return standardized(molecules, self.settings.standardize, keep_stereo=self.settings.keep_stereo)

    def unknown_tokens(self, molecules: Sequence[Text]) -> list[tuple[str, ...]]:
        """Tokens of each molecule that are not in the vocabulary and are read as unknown."""
        return [
            tuple(self.tokenizer.unknown(item.smiles)) if isinstance(item, Molecule) else ()
            for item in self.prepare(molecules)
        ]

    def to(self, device: torch.device) -> MolVAE:
        """This model, its network moved to a device."""
        self.network.to(device)
        self.device = device
        return self

    def replaced(self, *, facts: dict[str, Any] | None = None, **parts: Any) -> MolVAE:
        """The same model with other `parts`, by the names in `Parts`, and further facts on its card."""
        made = self._parts._replace(**parts)
        known = {**made.settings.facts, **(facts or {})}
        return MolVAE(*made._replace(settings=made.settings.model_copy(update={"facts": known})))

    def __repr__(self) -> str:
        return (
            f"MolVAE({self.settings.tokenizer}, z {self.latent_size}, {self.n_parameters:,} parameters, "
            f"properties: {', '.join(self.property_names) or 'none'})"
        )

    def _repr_html_(self) -> str:
        metrics = self.settings.facts.get("metrics", {})
        rows = [[name.replace("_", " "), value] for name, value in metrics.items()]
        return table_html(["figure", "value"], rows, repr(self))

    def __sklearn_clone__(self) -> MolVAE:
        """Returns this model: cloning a scikit-learn pipeline does not retrain it."""
        return self

    def facts(self) -> dict[str, Any]:
        """Facts about the model: the contents of its card."""
        return card_facts(self.settings, self.n_parameters)
