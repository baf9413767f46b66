"""Impute hidden cells of compound-by-assay tables, and compare with single-assay models.

Two tables: docking scores of 58 proteins (DOCKSTRING, nine of ten cells hidden), and the ChEMBL assays that
share most compounds (a fifth hidden). For a tenth of the compounds all cells are hidden. All models see the
same cells and are evaluated on the same hidden ones.

    MOLVAE_DATA=../shared/data python scripts/benchmark/panel.py

* panel: `molvae.AssayPanel`
* mean: mean of the column
* iterative: scikit-learn's IterativeImputer with Bayesian ridge regressions; does not use structures
* ridge, gp: on latent vectors or Morgan counts (gp: RBF or MinMax kernel); strength by leave-one-out error
* forest: 100 trees on Morgan counts
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from arguments import search_parser
from counts import count_matrix
from record import cached, record, table_rows
from scipy.spatial.distance import cdist
from scipy.stats import norm, spearmanr
from sklearn.ensemble import RandomForestRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - enables the next import
from sklearn.impute import IterativeImputer

from molvae.chemistry.fingerprints import count_entries
from molvae.chemistry.molecule import Molecule
from molvae.latent.codec import MolVAE
from molvae.latent.panel import AssayPanel
from molvae.optimization.similarities import MinMaxGallery, Multisets

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

SINGLE = ("mean", "ridge_latent", "ridge_morgan", "gp_latent", "gp_morgan", "forest_morgan")
ARMS = ("panel", *SINGLE, "iterative")
NEW, FEWEST, N_ASSAYS, PICKED, TOP = 0.1, 10, 50, 100, 0.01
HIDDEN = {"docking": 0.9, "assays": 0.2}
_STRENGTHS = 10.0 ** np.arange(-2.0, 1.6, 0.5)


@dataclass
class Task:
    """A table with hidden cells.

    Attributes:
        smiles: Standard SMILES, `n`.
        names: Assays, `p`.
        values: `n x p`, NaN where not measured.
        visible: Cells that models see, `n x p`.
        old: Hidden cells of compounds with other visible values.
        new: Hidden cells of compounds without visible values.
        z: Latent vectors, `n x d`.
        molecules: The same compounds.
    """

    smiles: list[str]
    names: list[str]
    values: np.ndarray[Any, Any]
    visible: np.ndarray[Any, Any]
    old: np.ndarray[Any, Any]
    new: np.ndarray[Any, Any]
    z: np.ndarray[Any, Any]
    molecules: list[Molecule]

    @cached_property
    def counts(self) -> np.ndarray[Any, Any]:
        """Morgan counts, `n x f`."""
        return count_matrix(self.molecules, radius=2)

    @cached_property
    def scaled(self) -> np.ndarray[Any, Any]:
        """Latent vectors of unit spread."""
        return np.asarray((self.z - self.z.mean(axis=0)) / self.z.std(axis=0))

    @cached_property
    def multisets(self) -> Multisets:
        """The counts as multisets."""
        return Multisets.of_entries(*count_entries(self.molecules, n_features=4096), width=4096)


def main() -> None:
    """Run every table and arm; print and record the table."""
    options = _options()
    options.work.mkdir(parents=True, exist_ok=True)
    model = MolVAE.load(options.checkpoint, device="cpu")
    table: list[dict[str, Any]] = []
    for name in HIDDEN:
        task: Task | None = None
        for arm in options.arms:
            asked = {"table": name, "model": arm, "seed": options.seed, "compounds": options.compounds}
            path = options.work / f"{name}-{arm}.json"
            if task is None and not path.exists():
                task = _task(name, model, options)
            row = cached(path, asked, lambda task=task, arm=arm: _run_arm(task, arm, model))  # type: ignore[misc]
            table.append({**asked, **row})
            print(
                f"{name:8} {arm:14} r2 {row['r2']:.3f}  new {row['r2_new']:.3f}  {row['seconds']} s",
                flush=True,
            )
    figures = {**_figures(table, "docking"), **_figures(table, "assays")}
    if not options.no_record:
        print(record("panel", figures=figures, table=table, seeds=[options.seed], summary=_summary(table)))


def _run_arm(task: Task, arm: str, model: MolVAE) -> dict[str, Any]:
    begun = time.process_time()
    deviation = None
    seen = np.where(task.visible, task.values, np.nan)
    if arm == "panel":
        columns = {"smiles": task.smiles, **dict(zip(task.names, seen.T.tolist(), strict=True))}
        found = AssayPanel(model).fit(columns).predict()
        mean, deviation = found.mean, np.sqrt(found.variance)
    elif arm == "iterative":
        mean = IterativeImputer(max_iter=5, random_state=0).fit_transform(seen)
    else:
        mean = np.full(task.values.shape, np.nan)
        for column in range(len(task.names)):
            rows = np.flatnonzero(task.visible[:, column])
            asked = np.flatnonzero((task.old | task.new)[:, column])
            mean[asked, column] = _single(task, arm, rows, seen[rows, column], asked)
    old, new = (_metrics(task.values, mean, cells, deviation) for cells in (task.old, task.new))
    return {
        **old,
        **{f"{name}_new": value for name, value in new.items()},
        "recall_100": _recall(task, mean),
        "n_cells": int(task.visible.sum()),
        "n_compounds": len(task.smiles),
        "n_assays": len(task.names),
        "seconds": round(time.process_time() - begun),
    }


def _single(task: Task, arm: str, rows: Any, y: Any, asked: Any) -> Any:
    """Predictions for `asked` by a model of a single assay."""
    if arm == "mean":
        return np.full(len(asked), y.mean())
    if arm == "forest_morgan":
        forest = RandomForestRegressor(100, max_features=0.3, min_samples_leaf=2, random_state=0, n_jobs=1)
        return forest.fit(task.counts[rows], y).predict(task.counts[asked])
    return min(
        (_smoothed(own, cross, y) for own, cross in _kernels(task, arm, rows, asked)), key=lambda x: x[0]
    )[1]


def _kernels(task: Task, arm: str, rows: Any, asked: Any) -> Iterator[tuple[Any, Any]]:
    if arm == "gp_morgan":
        gallery = MinMaxGallery(task.multisets.take(rows))
        yield (
            gallery.similarities(task.multisets.take(rows)),
            gallery.similarities(task.multisets.take(asked)),
        )
    elif arm == "gp_latent":
        own, cross = (cdist(task.scaled[part], task.scaled[rows], "sqeuclidean") for part in (rows, asked))
        for length in (0.5, 1.0, 2.0):
            width = 2 * length * task.z.shape[1]
            yield np.exp(-own / width), np.exp(-cross / width)
    else:
        features = task.scaled if arm == "ridge_latent" else np.log1p(task.counts)
        features = features / np.sqrt(np.square(features[rows]).sum(axis=1).mean())
        yield features[rows] @ features[rows].T, features[asked] @ features[rows].T


def _smoothed(own: Any, cross: Any, y: Any) -> tuple[float, Any]:
    """Leave-one-out error of the best strength, and predictions of kernel ridge regression with it."""
    values, vectors = np.linalg.eigh(own.astype(np.float64))
    turned, best = vectors.T @ (y - y.mean()), (np.inf, np.empty(0))
    for strength in _STRENGTHS:
        inverse = 1.0 / (np.maximum(values, 0.0) + strength)
        weights = vectors @ (inverse * turned)
        error = float(np.square(weights / (vectors**2 @ inverse)).mean())
        if error < best[0]:
            best = (error, weights)
    return best[0], y.mean() + cross @ best[1]


def _metrics(truth: Any, mean: Any, cells: Any, deviation: Any) -> dict[str, Any]:
    """Means over the assays with enough hidden cells."""
    r2, rank, within = [], [], []
    for column in range(truth.shape[1]):
        at = cells[:, column]
        if at.sum() < FEWEST:
            continue
        y, m = truth[at, column], mean[at, column]
        r2.append(1.0 - np.square(y - m).sum() / np.square(y - y.mean()).sum())
        rank.append(float(spearmanr(y, m)[0]) if np.ptp(m) > 0 else 0.0)
        if deviation is not None:
            within.append((np.abs(y - m) <= norm.ppf(0.95) * deviation[at, column]).mean())
    found = {"r2": np.mean(r2), "spearman": np.mean(rank), "within_90": np.mean(within) if within else None}
    return {name: value if value is None else round(float(value), 4) for name, value in found.items()}


def _recall(task: Task, mean: Any) -> float | None:
    """Share of the best (lowest) 1 % of hidden cells among the 100 predicted best; None if there are few."""
    found = []
    for column in range(len(task.names)):
        rows = np.flatnonzero((task.old | task.new)[:, column])
        n_best = round(TOP * len(rows))
        if n_best >= FEWEST:
            best = np.argsort(task.values[rows, column], kind="stable")[:n_best]
            chosen = np.argsort(mean[rows, column], kind="stable")[:PICKED]
            found.append(len(set(best) & set(chosen)) / n_best)
    return round(float(np.mean(found)), 4) if found else None


def _task(name: str, model: MolVAE, options: argparse.Namespace) -> Task:
    generator = np.random.default_rng(options.seed)
    read = _docking if name == "docking" else _assays
    smiles, names, values = read(options, generator)
    prepared = model.prepare(smiles)
    first = {
        item.smiles: row for row, item in reversed(list(enumerate(prepared))) if isinstance(item, Molecule)
    }
    rows = sorted(first.values())
    molecules = [item for row in rows if isinstance(item := prepared[row], Molecule)]
    values = values[rows]
    known = np.isfinite(values)
    is_new = generator.random(len(values)) < NEW
    hidden = known & ((generator.random(values.shape) < HIDDEN[name]) | is_new[:, None])
    visible = known & ~hidden
    old = hidden & visible.any(axis=1)[:, None]
    z = np.nan_to_num(model.encode(molecules, inference_steps=0))
    new = hidden & is_new[:, None]
    return Task([item.smiles for item in molecules], names, values, visible, old, new, z, molecules)


def _docking(options: argparse.Namespace, generator: np.random.Generator) -> tuple[list[str], list[str], Any]:
    rows = list(table_rows(options.data / "docking" / "dockstring.csv.gz"))
    rows = [rows[i] for i in sorted(generator.permutation(len(rows))[: options.compounds])]
    names = [name for name in rows[0] if name != "smiles"]
    values = np.array([[float(row[name] or "nan") for name in names] for row in rows])
    return [row["smiles"] for row in rows], names, values


def _assays(options: argparse.Namespace, _: np.random.Generator) -> tuple[list[str], list[str], Any]:
    """The assays with most values of compounds that were also measured in another assay."""
    cells: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in table_rows(options.data / "bioactivity" / "assays.csv.gz"):
        cells[row["smiles"], row["assay"]].append(float(row["pvalue"]))
    smiles, names = (list(dict.fromkeys(key[part] for key in cells)) for part in (0, 1))
    row_of, column_of = ({text: i for i, text in enumerate(texts)} for texts in (smiles, names))
    values = np.full((len(smiles), len(names)), np.nan)
    for (compound, assay), found in cells.items():
        values[row_of[compound], column_of[assay]] = np.mean(found)
    known = np.isfinite(values)
    shared = (known & (known.sum(axis=1) > 1)[:, None]).sum(axis=0)
    columns = np.sort(np.argsort(-shared, kind="stable")[:N_ASSAYS])
    rows = np.flatnonzero(known[:, columns].any(axis=1))
    return [smiles[i] for i in rows], [names[j] for j in columns], values[np.ix_(rows, columns)]


def _figures(table: list[dict[str, Any]], name: str) -> dict[str, float | int | None]:
    rows = {row["model"]: row for row in table if row["table"] == name}
    single = [rows[arm] for arm in SINGLE if arm in rows]
    panel = rows["panel"]
    figures: dict[str, float | int | None] = {
        f"{name}_panel_r2": panel["r2"],
        f"{name}_best_single_r2": max(row["r2"] for row in single),
        f"{name}_panel_r2_new": panel["r2_new"],
        f"{name}_best_single_r2_new": max(row["r2_new"] for row in single),
        f"{name}_within_90": panel["within_90"],
        f"{name}_within_90_new": panel["within_90_new"],
        f"{name}_panel_seconds": panel["seconds"],
    }
    if panel["recall_100"] is not None:
        figures[f"{name}_recall_100"] = panel["recall_100"]
        figures[f"{name}_best_single_recall_100"] = max(row["recall_100"] for row in single)
    return figures


def _summary(table: list[dict[str, Any]]) -> list[dict[str, Any]]:
    shown = (
        "table",
        "model",
        "r2",
        "r2_new",
        "spearman",
        "within_90",
        "within_90_new",
        "recall_100",
        "seconds",
    )
    return [{name: row[name] for name in shown} for row in table]


def _options() -> argparse.Namespace:
    parser = search_parser(__doc__, "panel")
    parser.add_argument("--compounds", type=int, default=6000, help="of DOCKSTRING, at most 28,858")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
