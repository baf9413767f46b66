"""Read and write an assay panel: JSON, safetensors and a copy of the checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from molvae.errors import CheckpointError
from molvae.latent.checkpoint import load_tensors, read_json, save_tensors, write_json
from molvae.latent.codec import MolVAE
from molvae.latent.panel_fit import WIDTH, AssayFigures, KernelRidges, PanelFit
from molvae.models.panel import PanelVAE
from molvae.optimization.similarities import Multisets
from molvae.persistence.directories import committed_directory, read_directory

if TYPE_CHECKING:
    from numpy.typing import NDArray

KIND, SCHEMA = "panel", 1
_FACTS, _ARRAYS, _MODEL = "panel.json", "panel.safetensors", "model"
_NUMBERS = (
    "binary",
    "center",
    "scale",
    "spread",
    "trust",
    "widening",
    "z_center",
    "z_scale",
    "z",
    "values",
    "expected",
)


@dataclass(frozen=True)
class Stored:
    """All there is of a fitted panel.

    Attributes:
        model: Where latent vectors come from.
        seed: Of all draws.
        names: The assays, in the order of the table.
        notes: What was left out of the table, and why.
        smiles: Its molecules, `n`.
        rows: Which of them each row of the table holds, -1 for none.
        fit: What was learned.
    """

    model: MolVAE
    seed: int
    names: tuple[str, ...]
    notes: tuple[str, ...]
    smiles: tuple[str, ...]
    rows: NDArray[np.int64]
    fit: PanelFit


def write_panel(panel: Stored, path: str | Path) -> None:
    """Write the directory, atomically; what stood there before is replaced."""
    fit = panel.fit
    arrays = {
        **{f"ridge.{name}": getattr(fit.ridges, name) for name in ("dual", "constant")},
        **{f"ridge.{name}": getattr(fit.ridges.multisets, name) for name in ("keys", "offsets")},
        **{name: getattr(fit, name) for name in _NUMBERS},
        "rows": panel.rows,
        "smiles": np.frombuffer("\n".join(panel.smiles).encode(), dtype=np.uint8).copy(),
    }
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
    for number, member in enumerate(fit.members):
        tensors |= {f"member.{number}.{name}": tensor for name, tensor in member.state_dict().items()}
    facts = {
        "seed": panel.seed,
        "names": panel.names,
        "members": len(fit.members),
        "figures": [
            {key: None if value != value else value for key, value in asdict(row).items()}  # noqa: PLR0124
            for row in fit.figures
        ],
        "notes": panel.notes,
    }
    with committed_directory(Path(path), kind=KIND, schema=SCHEMA, holding=(_FACTS, _ARRAYS)) as directory:
        panel.model.save(directory / _MODEL)
        save_tensors(tensors, directory / _ARRAYS)
        write_json(facts, directory / _FACTS)


def read_panel(path: str | Path, *, device: str) -> Stored:
    """Read and check what `write_panel` wrote.

    Raises:
        CheckpointError: It is missing, incomplete, altered, of another version, or not what it says.
    """
    return read_directory(Path(path), lambda _: _read(Path(path), device), kind=KIND, schema=SCHEMA)


def _read(path: Path, device: str) -> Stored:
    model = MolVAE.load(path / _MODEL, device=device)
    tensors, facts = load_tensors(path / _ARRAYS), read_json(path / _FACTS)
    try:
        names, notes = (tuple(map(str, facts[key])) for key in ("names", "notes"))
        smiles = tuple(tensors["smiles"].numpy().tobytes().decode().split("\n"))
        fit = _fit(facts, tensors, len(smiles), model.latent_size)
        return Stored(model, int(facts["seed"]), names, notes, smiles, tensors["rows"].numpy(), fit)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
        raise CheckpointError(f"{path} does not fit together as a panel: {error}") from None


def _fit(facts: dict[str, Any], tensors: dict[str, torch.Tensor], n: int, latent_size: int) -> PanelFit:
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    names = tuple(sorted(facts["names"]))
    shapes: dict[str, tuple[int, ...]] = {
        **dict.fromkeys(("binary", "center", "scale", "spread"), (len(names),)),
        **dict.fromkeys(("trust", "widening"), (2, len(names))),
        **dict.fromkeys(("values", "expected"), (n, len(names))),
        **dict.fromkeys(("z_center", "z_scale"), (latent_size,)),
        "z": (n, latent_size),
        "ridge.dual": (len(arrays["ridge.offsets"]) - 1, len(names)),
        "ridge.constant": (len(names),),
        "ridge.keys": (int(arrays["ridge.offsets"][-1]),),
    }
    if not ((arrays["rows"] >= -1) & (arrays["rows"] < n)).all():
        raise ValueError("'rows' point beyond the molecules")
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise ValueError(f"'{name}' has shape {arrays[name].shape}, not {shape}")
    members = []
    for number in range(int(facts["members"])):
        prefix = f"member.{number}."
        member = PanelVAE(latent_size + len(names), len(names))
        member.load_state_dict(
            {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
        )
        members.append(member)
    multisets = Multisets(arrays["ridge.keys"], arrays["ridge.offsets"], WIDTH)
    return PanelFit(
        names=names,
        **{name: arrays[name] for name in _NUMBERS},
        ridges=KernelRidges(multisets, arrays["ridge.dual"], arrays["ridge.constant"]),
        members=tuple(members),
        figures=tuple(map(_figures, facts["figures"])),
    )


def _figures(row: dict[str, Any]) -> AssayFigures:
    known: dict[str, Any] = {key: np.nan if value is None else value for key, value in row.items()}
    return AssayFigures(**known)
