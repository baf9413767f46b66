"""The model card: the README of a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from molvae.latent.config import CodecSettings

_UNITS = """Reconstruction, KL and property terms are in nats per molecule. Exact reconstruction is the share
of molecules that come back as themselves, greedily, from the encoder's mean; more do from what `encode`
gives, which is that mean moved by gradient steps. Validity is that of greedy, single-shot decodes of prior
samples ("normal" is N(0, I)), uniqueness that among the valid."""
_LEVELS = """The decoder was taught noise levels: it reads N(0, I) at level 1, where tokens are drawn, and
"free" is -log p(x) there."""
_LIMITS = """The model knows molecules like those it was trained on. Outside them it still answers: compare a
molecule with its reconstruction before trusting its vector. Predicted properties are estimates."""


def facts(settings: CodecSettings, n_parameters: int) -> dict[str, Any]:
    """What is known of a model, flat: sizes first, then what training recorded."""
    model = settings.model
    return {
        "tokenizer": settings.tokenizer,
        "latent_size": model.latent_size,
        "encoder": f"bidirectional GRU {model.encoder_hidden} x {model.encoder_layers}",
        "decoder": f"GRU {model.decoder_hidden} x {model.decoder_layers}"
        + (", taught noise levels 0 to 1" if model.noise_levels else ""),
        "n_parameters": n_parameters,
        "max_length": settings.max_length,
        "standardize": settings.standardize,
        "keep_stereo": settings.keep_stereo,
        "properties": list(settings.property_names),
        **settings.facts,
    }


def render(settings: CodecSettings, n_parameters: int) -> str:
    """The card in Markdown, with the YAML front matter model hubs read."""
    known = facts(settings, n_parameters)
    metrics = known.pop("metrics", {})
    known.pop("critic", None)  # a curve, which the report draws
    lines = [
        "---",
        "library_name: molvae",
        "tags: [chemistry, molecular-generation, vae, smiles]",
        "---",
        "",
        "# A molvae sequence VAE",
        "",
        "```python",
        "from molvae import MolVAE",
        "",
        'model = MolVAE.load("path/to/this/directory")',
        'model.reconstruct(["CC(=O)Nc1ccc(O)cc1"])',
        "```",
        "",
        "| fact | value |",
        "|---|---|",
        *(f"| {name.replace('_', ' ')} | {_shown(value)} |" for name, value in known.items()),
    ]
    if metrics:
        lines += [
            "",
            "## Measured on the validation split",
            "",
            "| figure | value |",
            "|---|---|",
            *(f"| {name.replace('_', ' ')} | {_shown(value)} |" for name, value in metrics.items()),
            "",
            _UNITS,
            *([_LEVELS] if settings.model.noise_levels else []),
        ]
    lines += [
        "",
        "## Limits",
        "",
        _LIMITS,
    ]
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):  # a curve: its figures are in config.json
        return f"calibrated ({', '.join(map(str, value))})"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value).replace("|", "\\|")
