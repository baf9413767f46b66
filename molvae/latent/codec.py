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

    Every method that takes `n` molecules gives `n` results in the same order; what is not a molecule is a NaN
    row or an `Invalid`, never an exception. Molecules are given as SMILES, which are standardized as the
    training data were, or as `Molecule` (or `Invalid`), which are taken as they are.

    Attributes:
        network: The network.
        tokenizer: Its tokenizer.
        settings: What the checkpoint's `config.json` says.
        prior: Where latent vectors are drawn from; N(0, I) if none is given.
        domain: Which molecules it knows about; None before it was calibrated.
        precedent: Bonds and ring systems of its training molecules; likewise.
        latent_size: Dimensions of z, `d`.
        noise_levels: Whether the decoder was trained with noise levels.
        property_names: What `predict` predicts.
        prior_level: Noise level at which draws of the prior are decoded.
        decoder: What writes texts from latent vectors.
        path: The directory it was read from; None of a model that was made in memory.
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
        own = prior if prior is not None else StandardNormal(self.latent_size)
        self.prior = own.through(network)
        self.settings = settings.model_copy(update={"prior": self.prior.name})
        self.domain = domain
        self.precedent = precedent
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
            device: `cpu`, `cuda`, `mps`, or `auto` for the best there is.

        Raises:
            CheckpointError: It is missing, incomplete, altered, of another version, or not what it says.
        """
        directory = model_directory(path)
        model = cls(*read_parts(directory)).to(resolve_device(device))
        model.path = directory
        return model

    def save(self, path: str | Path) -> None:
        """Write the checkpoint directory, atomically; what stood there before is replaced."""
        write_parts(self._parts, Path(path))

    @property
    def n_parameters(self) -> int:
        """Trained numbers in the network."""
        return n_parameters(self.network)

    def encode(
        self, molecules: Sequence[Text], *, seed: int | None = None, inference_steps: int = INFERENCE_STEPS
    ) -> NDArray[np.float32]:
        """Latent vectors `n x d`: posterior means, or posterior samples when a seed is given.

        Without `inference_steps` (see `posterior`) this is several times as fast, but fewer molecules decode
        to themselves: enough where vectors are to be compared or learned from.
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

        A mean moves by at most so many gradient steps from the encoder's to where the decoder writes the
        molecule (`molvae.models.inference`); 0 is the encoder alone. Negative is a `UsageError`.
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
            temperature: 0 writes the most likely token each time; otherwise tokens are drawn.
            seed: Root of the draws.
            beam: Replace text that is invalid, or that the model cannot read back, by the most likely valid
                text, if a beam search finds any.
            properties: Condition of a conditional model, `n x p` in their own units; NaN is unknown.
            noise: Level s at which the decoder reads z, one or `n` of them: how much of it noise replaces
                (`molvae.models.noise`), from 0 (it writes what z is) to 1 (what z is does not matter).

        Raises:
            UsageError: `z` is not `n x d`, the model is not a conditional one, or `noise` is outside 0 to 1
                or above 0 although the decoder was not trained with noise levels.
        """
        if properties is not None and not self.settings.model.conditional:
            raise UsageError("this model's decoder does not see properties")
        condition = None if properties is None else self.scaled_properties(properties)
        return self.decoder.molecules(
            z, temperature=temperature, seed=seed, beam=beam, condition=condition, noise=noise
        )

    def decode_moved(
        self, z: NDArray[np.floating], level: NDArray[np.floating], *, seed: int = 0
    ) -> list[Molecule | Invalid]:
        """Molecules from latent vectors `n x d` that hold noise already: after pCN steps of lengths `n`.

        A decoder with noise levels takes the lengths as its levels; at level 1, where nothing is left of the
        start, it draws tokens, elsewhere it writes the most likely one.
        """
        return self.decoder.moved(z, level, seed) if self.noise_levels else self.decode(z)

    def scaled_properties(self, values: NDArray[np.floating]) -> tuple[torch.Tensor, torch.Tensor]:
        """Properties in their own units, `n x p`, as the network takes them: scaled, and which are known."""
        unit = self.scaler.to_unit(np.asarray(values, dtype=np.float32))
        observed = torch.from_numpy(np.isfinite(unit)).to(self.device)
        return torch.from_numpy(np.nan_to_num(unit)).float().to(self.device), observed

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
        """Molecules from `n` draws of the prior, single shot: a draw that decodes to none is `Invalid`.

        A decoder trained with noise levels reads draws of N(0, I) at level 1, where it is a language model
        and tokens are drawn; any other prior is read at level 0, greedily.

        Args:
            n: How many.
            temperature: As for `decode`; if not given, 1 at noise level 1 and 0 below.
            seed: Root of the draws.
            prior: `normal` draws from N(0, I) even if another prior was fitted.
            beam: As for `decode`; False is greedy decoding, or drawing of tokens, alone. If not given, it is
                asked below noise level 1: there is but one most likely molecule at 1.
            noise: As for `decode`.

        Raises:
            UsageError: `n` is negative; or as for `decode`.
        """
        if n < 0:
            raise UsageError(f"n is how many molecules are drawn, got {n}")
        z = self.sample_latent(n, generator=Seeds(seed).numpy("sample"), prior=prior)
        how = self.sampling(temperature=temperature, beam=beam, noise=noise, prior=prior)
        return self.decode(z, seed=seed, **how)

    def sampling(
        self, *, temperature: float | None, beam: bool | None, noise: float | None, prior: str | None = None
    ) -> dict[str, Any]:
        """How draws of the prior are decoded: arguments of `decode`, as `sample` fills in what is None."""
        if noise is None:
            noise = float(self.noise_levels and prior == StandardNormal.name) if prior else self.prior_level
        free = noise == 1.0
        temperature = float(free) if temperature is None else temperature
        return {"noise": noise, "temperature": temperature, "beam": not free if beam is None else beam}

    def sample_latent(
        self, n: int, *, generator: np.random.Generator, prior: str | None = None
    ) -> NDArray[np.float32]:
        """Latent vectors `n x d` drawn from the prior, or from N(0, I) if `prior` is `normal`.

        Raises:
            UsageError: `prior` is neither the model's nor `normal`.
        """
        own = torch.Generator().manual_seed(int(generator.integers(2**63)))
        return np.asarray(named_prior(self.prior, prior, self.latent_size).sample(n, own))

    def predict(self, molecules: Sequence[Text]) -> PropertyPrediction:
        """Properties of molecules, read off the means the encoder gives them."""
        return self.predict_latent(self.encode(molecules, inference_steps=0))

    @torch.inference_mode()
    def predict_latent(self, z: NDArray[np.floating]) -> PropertyPrediction:
        """Properties of latent vectors `n x d`; NaN rows stay NaN."""
        prediction = self.network.predict(torch.from_numpy(np.asarray(z, dtype=np.float32)).to(self.device))
        mean = self.scaler.from_unit(prediction.mean.cpu().numpy().astype(np.float64))
        variance = self.scaler.variance_from_unit(prediction.variance.cpu().numpy().astype(np.float64))
        return PropertyPrediction(self.property_names, mean, variance)

    def reconstruct(
        self, molecules: Sequence[Text], *, inference_steps: int = INFERENCE_STEPS
    ) -> list[Molecule | Invalid]:
        """Molecules encoded to their posterior means (as `encode` does) and decoded greedily."""
        given = self.prepare(molecules)
        decoded = self.decode(self.encode(given, inference_steps=inference_steps))
        return MoleculeList(a if isinstance(a, Invalid) else b for a, b in zip(given, decoded, strict=True))

    def prepare(self, molecules: Sequence[Text]) -> list[Molecule | Invalid]:
        """Parse and standardize SMILES and RDKit molecules as the training data were; others pass."""
        return standardized(molecules, self.settings.standardize, keep_stereo=self.settings.keep_stereo)

    def unknown_tokens(self, molecules: Sequence[Text]) -> list[tuple[str, ...]]:
        """Tokens of each molecule that the vocabulary lacks: the model reads them as unknown."""
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
        """What scikit-learn works with when it copies a pipeline: a trained model is not trained again."""
        return self

    def facts(self) -> dict[str, Any]:
        """What is known of the model: the contents of its card."""
        return card_facts(self.settings, self.n_parameters)
