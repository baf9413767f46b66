"""`AssayPanel`: impute the empty cells of a table of assays."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from scipy.stats import norm
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from molvae.chemistry.molecule import Molecule
from molvae.data.assay_table import FEWEST, AssayTable
from molvae.errors import CheckpointError, InputError, UsageError, suggest
from molvae.latent.checkpoint import load_tensors, read_json, save_tensors, write_json
from molvae.latent.codec import MolVAE
from molvae.latent.panel_fit import AssayFigures, Cells, PanelFit, substructures
from molvae.latent.panel_fitting import fit_units
from molvae.latent.prediction import PropertyPrediction
from molvae.persistence.directories import committed_directory, read_directory
from molvae.progress import SILENT
from molvae.seeding import Seeds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from molvae.progress import Progress

_KIND, _SCHEMA = "panel", 1
_FACTS, _TENSORS, _MODEL = "panel.json", "panel.safetensors", "model"
_ASSAY = "An assay is a column of numbers, or of 0 and 1; its cells may be empty"


class AssayPanel(BaseEstimator):  # type: ignore[misc]
    """Predicts the empty cells of a sparse compound-by-assay table, with standard deviations.

    A ridge regression on substructures predicts each assay from the molecule alone. A small variational
    autoencoder, given the molecule and its other measurements, predicts the residuals of all assays jointly,
    with their variances. Missing values are masked, never set to 0.

    Args:
        checkpoint: Model of the latent vectors: a model, its directory, or the name of a shipped one.
        seed: Random seed; the same table in any order of rows and columns gives the same panel.
        device: Where the checkpoint's network runs; the panel itself is small and runs on the CPU.

    Attributes:
        names_: The assays, in the order of the table.
        figures_: How well held-out cells of each assay were predicted.
        notes_: What was left out of the table, and why.

    >>> AssayPanel(seed=3).get_params()
    {'checkpoint': 'zinc250k', 'device': 'auto', 'seed': 3}
    """

    def __init__(
        self, checkpoint: str | Path | MolVAE = "zinc250k", seed: int = 0, device: str = "auto"
    ) -> None:
        self.checkpoint = checkpoint
        self.seed = seed
        self.device = device

    def fit(self, table: Any, y: Any = None, *, progress: Progress = SILENT) -> Self:  # noqa: ARG002
        """Learn from a table: a path, a frame, columns by name (one called smiles), or an `AssayTable`.

        Args:
            table: Molecules and their assays. Rows of one molecule are averaged.
            y: Ignored, for scikit-learn compatibility.
            progress: Where progress is reported.

        Raises:
            InputError: No column of numbers, no molecule, or too few different values in every assay.
        """
        given = AssayTable.of(table)
        held = self.checkpoint
        self.model_ = held if isinstance(held, MolVAE) else MolVAE.load(held, device=self.device)
        progress.start("read molecules", len(given))
        found, self.rows_ = self._molecules(given)
        self.smiles_ = tuple(found)
        progress.finish("read molecules")
        self.names_, values, left_out = _assays(given, _merged(given.values, self.rows_, len(found)))
        n_twice = int((self.rows_ >= 0).sum()) - len(found)
        self.notes_ = (
            *given.notes,
            *([f"{n_bad} rows hold no molecule"] if (n_bad := int((self.rows_ < 0).sum())) else []),
            *([f"{n_twice} rows repeat a molecule: their values are averaged"] if n_twice else []),
            *left_out,
        )
        molecules = list(found.values())
        z = self.model_.encode(molecules, inference_steps=0)
        seeds = Seeds(self.seed)
        self.fitted_ = fit_units(self.names_, substructures(molecules), z, values, seeds, progress)
        return self

    @property
    def figures_(self) -> tuple[AssayFigures, ...]:
        """How well held-out cells of each assay were predicted."""
        check_is_fitted(self, "fitted_")
        return self.fitted_.figures

    def predict(self, table: Any = None) -> PropertyPrediction:
        """Every cell of a table: measured values with variance 0, predictions elsewhere.

        Args:
            table: As for `fit`; its values join those of `fit`, whose table is the default.

        Returns:
            A row for each row of the table, NaN where it has no molecule. In a binary column the mean is a
            probability.
        """
        rows, cells = self._cells(table)
        mean, variance = (self._placed(part, rows) for part in self.fitted_.predict(cells))
        return PropertyPrediction(self.names_, mean, variance)

    def gains(self, table: Any = None) -> NDArray[np.float64]:
        """Information gain of measuring each empty cell, `n x p`; NaN where a value is known.

        The reduction in variance of all empty cells of the molecule, each assay in units of its spread.
        """
        rows, cells = self._cells(table)
        return self._placed(self.fitted_.gains(cells), rows)

    def expected_improvement(
        self, assay: str, table: Any = None, *, lowest: bool = False
    ) -> NDArray[np.float64]:
        """Expected improvement of each molecule over the best measured one, `n`; NaN if measured.

        Raises:
            UsageError: There is no such assay.
        """
        column = self.column(assay)
        found = self.predict(table)
        sign = -1.0 if lowest else 1.0
        best = np.nanmax(sign * self.fitted_.values[:, self.fitted_.names.index(assay)])
        beyond = sign * found.mean[:, column] - best
        deviation = np.sqrt(np.where(found.variance[:, column] > 0, found.variance[:, column], np.nan))
        return np.asarray(beyond * norm.cdf(beyond / deviation) + deviation * norm.pdf(beyond / deviation))

    def column(self, assay: str) -> int:
        """Index of an assay in `names_`.

        Raises:
            UsageError: There is no such assay.
        """
        check_is_fitted(self, "fitted_")
        if assay not in self.names_:
            raise UsageError(
                f"no assay '{assay}'{suggest(assay, self.names_)}",
                hint=f"There are {', '.join(self.names_[:20])}.",
            )
        return self.names_.index(assay)

    def _placed(self, part: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Results in the original order of rows and columns; NaN rows where there is no molecule."""
        order = [self.fitted_.names.index(name) for name in self.names_]
        return np.where((rows >= 0)[:, None], part[rows][:, order], np.nan)

    def _cells(self, table: Any) -> tuple[NDArray[np.int64], Cells | None]:
        """Index of each row's molecule, and the cells of these molecules; None for the table of `fit`."""
        check_is_fitted(self, "fitted_")
        if table is None:
            return self.rows_, None
        given = AssayTable.of(table)
        found, rows = self._molecules(given)
        if not found:
            raise InputError("no row of the table holds a molecule")
        merged = _merged(given.values, rows, len(found))
        values = np.full((len(found), len(self.names_)), np.nan)
        for column, name in enumerate(self.fitted_.names):
            if name in given.names:
                values[:, column] = merged[:, given.names.index(name)]
        trained = {smiles: row for row, smiles in enumerate(self.smiles_)}
        known = np.array([trained.get(smiles, -1) for smiles in found], dtype=np.int64)
        molecules = list(found.values())
        z = self.model_.encode(molecules, inference_steps=0)
        return rows, Cells(substructures(molecules), z, values, known)

    def _molecules(self, given: AssayTable) -> tuple[dict[str, Molecule], NDArray[np.int64]]:
        """The molecules of a table by standard SMILES, in their order, and which each row holds (or -1)."""
        prepared = self.model_.prepare(given.smiles)
        found = {item.smiles: item for item in prepared if isinstance(item, Molecule)}
        found = {smiles: found[smiles] for smiles in sorted(found)}
        place = {smiles: row for row, smiles in enumerate(found)}
        rows = [place.get(item.smiles, -1) if isinstance(item, Molecule) else -1 for item in prepared]
        return found, np.array(rows, dtype=np.int64)

    def save(self, path: str | Path) -> None:
        """Write the panel and a copy of its checkpoint, atomically; it holds the table as well."""
        check_is_fitted(self, "fitted_")
        tensors = {
            **self.fitted_.tensors(),
            "rows": torch.from_numpy(self.rows_),
            "smiles": torch.frombuffer(bytearray("\n".join(self.smiles_).encode()), dtype=torch.uint8),
        }
        facts = {
            "seed": self.seed,
            "names": self.names_,
            "members": len(self.fitted_.members),
            "figures": [
                {key: None if value != value else value for key, value in asdict(row).items()}  # noqa: PLR0124
                for row in self.figures_
            ],
            "notes": self.notes_,
        }
        files = (_FACTS, _TENSORS)
        with committed_directory(Path(path), kind=_KIND, schema=_SCHEMA, holding=files) as directory:
            self.model_.save(directory / _MODEL)
            save_tensors(tensors, directory / _TENSORS)
            write_json(facts, directory / _FACTS)

    @classmethod
    def load(cls, path: str | Path, *, device: str = "auto") -> AssayPanel:
        """Read what `save` wrote.

        Raises:
            CheckpointError: It is missing, incomplete, altered, inconsistent, or of another version.
        """
        place = Path(path)
        return read_directory(place, lambda _: cls._read(place, device), kind=_KIND, schema=_SCHEMA)

    @classmethod
    def _read(cls, path: Path, device: str) -> AssayPanel:
        model = MolVAE.load(path / _MODEL, device=device)
        tensors, facts = load_tensors(path / _TENSORS), read_json(path / _FACTS)
        try:
            panel = cls(model, int(facts["seed"]), device)
            panel.model_, panel.rows_ = model, tensors["rows"].numpy()
            panel.names_, panel.notes_ = (tuple(map(str, facts[key])) for key in ("names", "notes"))
            panel.smiles_ = tuple(tensors["smiles"].numpy().tobytes().decode().split("\n"))
            figures: list[dict[str, Any]] = [
                {key: np.nan if value is None else value for key, value in row.items()}
                for row in facts["figures"]
            ]
            panel.fitted_ = PanelFit.from_tensors(
                tensors,
                (len(panel.smiles_), model.latent_size),
                names=tuple(sorted(panel.names_)),
                figures=tuple(AssayFigures(**row) for row in figures),
                n_members=int(facts["members"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
            raise CheckpointError(f"{path} does not fit together as a panel: {error}") from None
        if not ((panel.rows_ >= -1) & (panel.rows_ < len(panel.smiles_))).all():
            raise CheckpointError(f"{path} does not fit together as a panel: rows point beyond its molecules")
        return panel


def _merged(values: NDArray[np.float64], rows: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """Mean of the values of each molecule, `n x p`, NaN if absent."""
    total, count = np.zeros((n, values.shape[1])), np.zeros((n, values.shape[1]))
    of_molecules = rows >= 0
    np.add.at(total, rows[of_molecules], np.nan_to_num(values[of_molecules]))
    np.add.at(count, rows[of_molecules], np.isfinite(values[of_molecules]))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _assays(
    given: AssayTable, values: NDArray[np.float64]
) -> tuple[tuple[str, ...], NDArray[np.float64], Sequence[str]]:
    """The assays that can be learned, sorted by name, their values, and why others were left out."""
    if not len(values):
        raise InputError("no row of the table holds a molecule")
    if not given.names:
        raise InputError("the table has no column of numbers", hint=". ".join((_ASSAY, *given.notes)))
    kept, left_out = [], []
    for column, name in enumerate(given.names):
        known = values[np.isfinite(values[:, column]), column]
        if len(known) < FEWEST:
            left_out.append(f"'{name}' is left out: {len(known)} values, at least {FEWEST} are needed")
        elif np.ptp(known) <= 1e-12 * max(np.abs(known).max(), 1.0):
            left_out.append(f"'{name}' is left out: all its values are {known[0]:g}")
        else:
            kept.append(name)
    if not kept:
        raise InputError("no assay can be learned", hint=". ".join(left_out) + ".")
    order = [given.names.index(name) for name in sorted(kept)]
    return tuple(kept), values[:, order], left_out
