"""Identity of the model and of the files of oracles of a campaign, by content."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from molvae.errors import UsageError
from molvae.oracles.identity import core_of, files_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from molvae.campaign.model import LatentModel

_CARRY = "Put it back as it was; or begin a new campaign with what was measured in this one: --start {path}."


def files_of_objectives(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """sha256 of the local files of objectives, by objective and path."""
    return {core_of(name): files for name in names if (files := files_of(name))}


def model_identity(model: LatentModel) -> str | None:
    """sha256 of the weights and the prior of a `MolVAE`; `None` for other models."""
    from molvae.latent.codec import MolVAE

    if not isinstance(model, MolVAE):
        return None
    digest = hashlib.sha256(model.tokenizer.vocabulary.to_json().encode())
    for tensors in (model.network.state_dict(), model.prior.tensors() or {}):
        for name, tensor in sorted(tensors.items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def check_model(facts: Mapping[str, Any], model: LatentModel, path: Path) -> None:
    """Check that the model is that of the campaign.

    Raises:
        UsageError: It is another.
    """
    begun, now = facts.get("model"), model_identity(model)
    if begun and now and begun != now:
        raise UsageError(
            f"{path} began with another model: sha256 of its weights {begun[:12]}, now {now[:12]}",
            hint=_CARRY.format(path=path.parent),
        )


def check_files(facts: Mapping[str, Any], names: Iterable[str], path: Path) -> None:
    """Check that the files of oracles are unchanged, as scores of two versions would mix.

    Raises:
        UsageError: A file has changed.
    """
    begun = facts.get("files", {})
    for name, files in files_of_objectives(names).items():
        for file, now in files.items():
            if (before := begun.get(name, {}).get(file, now)) != now:
                raise UsageError(
                    f"{file} of the objective '{name}' has changed since the campaign {path} began "
                    f"(sha256 {before[:12]}, now {now[:12]}): scores of two versions would mix",
                    hint=_CARRY.format(path=path.parent),
                )
