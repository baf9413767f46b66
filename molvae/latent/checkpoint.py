"""Read and write checkpoints: JSON, safetensors and the model card; loading runs no code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from molvae.chemistry.precedent import Precedent
from molvae.config import retired_changes, without_retired
from molvae.errors import CheckpointError, InputError
from molvae.latent.config import CodecSettings
from molvae.latent.domain import ApplicabilityDomain
from molvae.models.priors.base import PRIORS, Prior
from molvae.models.tensors import check_tensors, fill, shapes_of
from molvae.models.vae import SequenceVAE
from molvae.persistence.directories import committed_directory, read_directory
from molvae.persistence.files import reading
from molvae.tokenizers.base import TOKENIZERS, Tokenizer
from molvae.tokenizers.vocabulary import Vocabulary

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from molvae.persistence.manifest import Manifest

_CARD = """---
library_name: molvae
tags: [chemistry, molecular-generation, vae, smiles]
---

# A molvae sequence VAE

```python
from molvae import MolVAE

model = MolVAE.load("path/to/this/directory")
model.reconstruct(["CC(=O)Nc1ccc(O)cc1"])
```
"""
_UNITS = """Reconstruction, KL and property terms are in nats per molecule. Exact reconstruction is the share
of molecules that come back as themselves, greedily, from the encoder's mean; more do from what `encode`
gives, which is that mean moved by gradient steps. Validity is that of greedy, single-shot decodes of prior
samples ("normal" is N(0, I)), uniqueness that among the valid."""
_LEVELS = """The decoder was trained with noise levels: at level 1 it ignores z and tokens are drawn;
"free" is -log p(x) there."""
_LIMITS = """The model knows molecules like those it was trained on. Outside them it still answers: compare a
molecule with its reconstruction before trusting its vector. Predicted properties are estimates."""


def card_facts(settings: CodecSettings, n_parameters: int) -> dict[str, Any]:
    """Facts about a model as a flat dict: sizes first, then records of training."""
    model = settings.model
    return {
        "tokenizer": settings.tokenizer,
        "latent_size": model.latent_size,
        "encoder": f"bidirectional GRU {model.encoder_hidden}",
        "decoder": f"GRU {model.decoder_hidden} x {model.decoder_layers}"
        + (", trained with noise levels 0 to 1" if model.noise_levels else ""),
        "n_parameters": n_parameters,
        "max_length": settings.max_length,
        "standardize": settings.standardize,
        "keep_stereo": settings.keep_stereo,
        "properties": list(settings.property_names),
        **settings.facts,
    }


def render_card(settings: CodecSettings, n_parameters: int) -> str:
    """The model card in Markdown, with YAML front matter for model hubs."""
    known = card_facts(settings, n_parameters)
    metrics = known.pop("metrics", {})
    known.pop("critic", None)  # a curve, which the report draws
    lines = [_CARD, *_table("fact", known)]
    if metrics:
        levels = [_LEVELS] if settings.model.noise_levels else []
        lines += [
            "",
            "## Measured on the validation split",
            "",
            *_table("figure", metrics),
            "",
            _UNITS,
            *levels,
        ]
    lines += ["", "## Limits", "", _LIMITS]
    return "\n".join(lines) + "\n"


def _table(name: str, facts: dict[str, Any]) -> list[str]:
    rows = [f"| {key.replace('_', ' ')} | {_shown(value)} |" for key, value in facts.items()]
    return [f"| {name} | value |", "|---|---|", *rows]


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):  # a curve: its figures are in config.json
        return f"calibrated ({', '.join(map(str, value))})"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value).replace("|", "\\|")


KIND, SCHEMA = "model", 1
CONFIG, VOCABULARY, CARD = "config.json", "vocabulary.json", "README.md"
WEIGHTS, PRIOR = "weights.safetensors", "prior.safetensors"
DOMAIN, PRECEDENT = "domain.safetensors", "precedent.safetensors"


def save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write named tensors as safetensors, on the CPU and contiguous; `OSError` if writing fails."""
    path.write_bytes(save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}))


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read named tensors; a file that is not safetensors is a `CheckpointError`."""
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is not a readable safetensors file: {error}") from None


def read_json(path: Path) -> Any:
    """A JSON file; anything else is a `CheckpointError`."""
    with reading(path):
        return json.loads(path.read_text(encoding="utf-8"))


def write_json(value: Any, path: Path) -> None:
    """Write indented JSON."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


class Parts(NamedTuple):
    """The parts of a checkpoint, in the order of the arguments of `MolVAE`; the network is on the CPU."""

    network: SequenceVAE
    tokenizer: Tokenizer
    settings: CodecSettings
    prior: Prior
    domain: ApplicabilityDomain | None
    precedent: Precedent | None


def write_parts(parts: Parts, path: Path) -> None:
    """Write a checkpoint directory, atomically; an existing one is replaced."""
    files = (CONFIG, VOCABULARY, WEIGHTS, CARD)
    with committed_directory(path, kind=KIND, schema=SCHEMA, holding=files) as directory:
        write_json(parts.settings.model_dump(mode="json"), directory / CONFIG)
        (directory / VOCABULARY).write_text(parts.tokenizer.vocabulary.to_json(), encoding="utf-8")
        save_tensors(parts.network.state_dict(), directory / WEIGHTS)
        if tensors := parts.prior.tensors():
            save_tensors(tensors, directory / PRIOR)
        for name, of in ((DOMAIN, parts.domain), (PRECEDENT, parts.precedent)):
            if of is not None:
                save_tensors({key: torch.from_numpy(a) for key, a in of.arrays().items()}, directory / name)
        card = render_card(parts.settings, n_parameters(parts.network))
        (directory / CARD).write_text(card, encoding="utf-8")


def n_parameters(network: nn.Module) -> int:
    """Number of parameters of a network."""
    return sum(parameter.numel() for parameter in network.parameters())


def read_parts(directory: Path) -> Parts:
    """Read and check everything in a checkpoint directory.

    Raises:
        CheckpointError: It is missing, incomplete, altered, inconsistent, or of another version.
    """
    return read_directory(directory, lambda manifest: _parts(directory, manifest), kind=KIND, schema=SCHEMA)


def _parts(directory: Path, manifest: Manifest) -> Parts:
    for name in (CONFIG, VOCABULARY, WEIGHTS):
        if name not in manifest.files:
            raise CheckpointError(f"{directory} has no {name}")
    stored = read_json(directory / CONFIG)
    try:
        settings = CodecSettings.model_validate(without_retired(CodecSettings, stored))
    except ValidationError as error:
        raise CheckpointError(f"{directory / CONFIG} is not a model's: {error.errors()[0]['msg']}") from None
    try:
        vocabulary = Vocabulary.from_json((directory / VOCABULARY).read_text(encoding="utf-8"))
    except (InputError, OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{directory / VOCABULARY} is not a vocabulary: {error}") from None
    if settings.tokenizer not in TOKENIZERS:
        raise CheckpointError(f"{directory} needs the tokenizer '{settings.tokenizer}', unknown here")
    tokenizer = TOKENIZERS.get(settings.tokenizer)(vocabulary)
    network = _network(directory, settings, stored, len(vocabulary))
    prior = _prior(directory, settings, network, stored=PRIOR in manifest.files)
    domain = None
    if DOMAIN in manifest.files:
        arrays = _arrays(directory / DOMAIN)
        with reading(directory / DOMAIN):
            domain = ApplicabilityDomain.from_arrays(arrays, settings.model.latent_size)
    precedent = read_precedent(directory) if PRECEDENT in manifest.files else None
    return Parts(network, tokenizer, settings, prior, domain, precedent)


def _network(directory: Path, settings: CodecSettings, stored: Any, vocabulary_size: int) -> SequenceVAE:
    """The network of these settings, which were read from `stored`, with the weights of the checkpoint."""
    with torch.device("meta"):  # sizes are checked before memory is taken
        network = SequenceVAE(settings.model, vocabulary_size, len(settings.property_names))
    tensors = load_tensors(directory / WEIGHTS)
    try:
        check_tensors(tensors, shapes_of(network.state_dict()))
    except ValueError as error:
        gone = ", ".join(retired_changes(CodecSettings, stored))
        hint = f"An earlier version made it, with settings that are gone: {gone}. Use that version."
        message = f"{directory / WEIGHTS} does not fit its {CONFIG}: {error}"
        raise CheckpointError(message, hint=hint if gone else None) from None
    fill(network, tensors)
    return network


def _prior(directory: Path, settings: CodecSettings, network: SequenceVAE, *, stored: bool) -> Prior:
    if settings.prior not in PRIORS:
        raise CheckpointError(
            f"{directory} has the prior '{settings.prior}', which this version of molvae does not know",
            hint=f"Known: {', '.join(PRIORS.names())}. Fit the prior again with the version that wrote it.",
        )
    tensors = load_tensors(directory / PRIOR) if stored else {}
    with reading(directory / PRIOR):
        return PRIORS.get(settings.prior).from_tensors(tensors, settings.model.latent_size).through(network)


def read_precedent(directory: Path) -> Precedent:
    """Bonds and ring systems of the training molecules of a calibrated model.

    Raises:
        CheckpointError: They are missing or damaged.
    """
    arrays = _arrays(directory / PRECEDENT)
    with reading(directory / PRECEDENT):
        return Precedent.of(arrays)


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    return {name: tensor.numpy() for name, tensor in load_tensors(path).items()}
