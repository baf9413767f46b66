"""The state of the fit of a prior on disk: a fit that was ended goes on where it stood."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any

from molvae.errors import CheckpointError, StoppedEarly
from molvae.latent.checkpoint import load_tensors, save_tensors
from molvae.persistence.directories import committed_directory, recover_directory, verify_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

_KIND, _SCHEMA = "prior-fit-state", 1
_EVERY = 500  # steps: seconds of a small network, a minute of a large one
_TENSORS = "state.safetensors"


class KeptFit:
    """Keeps the state of one fit in a directory.

    Args:
        path: The directory of this fit, of its own; it appears with the first state.
        should_stop: Asked after every step; when true, the state is kept and `StoppedEarly` raised.
    """

    def __init__(self, path: Path, should_stop: Callable[[], bool] = lambda: False) -> None:
        self.path, self._should_stop = path, should_stop

    def newest(self) -> dict[str, Tensor] | None:
        """The state that was kept last; None if the fit is to begin.

        Raises:
            CheckpointError: There is a state, but it is damaged.
        """
        recover_directory(self.path)
        if not self.path.exists():
            return None
        try:
            verify_directory(self.path, kind=_KIND, schema=_SCHEMA)
            return load_tensors(self.path / _TENSORS)
        except CheckpointError as error:
            hint = f"Remove {self.path} to begin the fit anew."
            raise CheckpointError(f"the fit cannot go on: {error}", hint=hint) from None

    def after(self, step: int, state: Callable[[], dict[str, Tensor]]) -> None:
        """Keep the state every few hundred steps, and when asked to stop.

        Raises:
            StoppedEarly: `should_stop` said so.
            StorageError: The disk refuses.
        """
        stops = self._should_stop()
        if stops or step % _EVERY == 0:
            with committed_directory(self.path, kind=_KIND, schema=_SCHEMA) as place:
                save_tensors(state(), place / _TENSORS)
        if stops:
            raise StoppedEarly(
                f"stopped after step {step:,} of the prior's fit; the state is saved in {self.path}",
                hint="The same command resumes.",
            )

    def forget(self) -> None:
        """Remove the state, once the result is safe, and the directory above if no other fit is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self.path.parent.is_dir() and not any(self.path.parent.iterdir()):
            self.path.parent.rmdir()


def name_of(asked: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """Twelve characters by which a fit is known: the same only if all that decides it is the same.

    Args:
        asked: What decides it, as JSON holds it.
        tensors: Weights that decide it.
    """
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
