"""Compare latent vectors with fingerprints and descriptors as features for small data sets of measurements.

ESOL, FreeSolv and Lipophilicity, split at random and by scaffold; a ridge regression and a Gaussian process
on each kind of features: posterior means (`MolVAETransformer`), Morgan counts and RDKit's descriptors.
MOLVAE_DATA names the directory with moleculenet/.

    python scripts/benchmark/representation.py --checkpoint checkpoints/zinc250k
"""

from __future__ import annotations

import csv
import hashlib
import math
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from arguments import CHECKPOINT, parser_of
from counts import count_matrix
from rdkit import rdBase
from rdkit.Chem.Descriptors import CalcMolDescriptors
from record import ROOT, commit, record
from sklearn.exceptions import ConvergenceWarning

from molvae.chemistry.molecule import is_valid
from molvae.chemistry.substructure import murcko_scaffold
from molvae.latent.codec import MolVAE
from molvae.latent.estimators import LatentRegressor, MolVAETransformer
from molvae.seeding import Seeds

if TYPE_CHECKING:
    import argparse

    from numpy.typing import NDArray

    from molvae.chemistry.molecule import Molecule

    Matrix = NDArray[np.float64]

SETS = {
    "ESOL": ("ESOL.csv", "measured log solubility in mols per litre"),
    "FreeSolv": ("FreeSolv.csv", "expt"),
    "Lipophilicity": ("Lipophilicity.csv", "exp"),
}
SPLITS = ("random", "scaffold")
FEATURES = ("latent", "morgan", "descriptors")
HEADS = ("ridge", "gp")
SEEDS = 5
_HELD_OUT = 0.2  # of the molecules
_BITS = 2048


def main() -> None:
    """Measure, print, and write results/representation.json at the standard number of seeds."""
    options = _options()
    started_at = commit()
    model = MolVAE.load(options.checkpoint, device="cpu")
    rows: list[dict[str, Any]] = []
    for name in options.sets:
        molecules, values = measured(name, model)
        features = features_of(molecules, model)
        scaffolds = [murcko_scaffold(molecule) for molecule in molecules]
        for split in SPLITS:
            for seed in range(options.seeds):
                held_out = test_rows(scaffolds, split, seed)
                errors = {
                    f"{kind} {head}": _rmse(features[kind], values, held_out, head, seed)
                    for kind in FEATURES
                    for head in HEADS
                }
                rows.append({"set": name, "split": split, "seed": seed, "molecules": len(values), **errors})
                print(rows[-1], flush=True)
    summary = [_mean(rows, name, split) for name in options.sets for split in SPLITS]
    figures = {
        f"rmse_{row['set'].lower()}_{row['split']}_{kind}": min(row[f"{kind} {head}"] for head in HEADS)
        for row in summary
        for kind in FEATURES
    }
    for line in summary:
        print(line)
    if options.seeds != SEEDS or set(options.sets) != set(SETS):
        print("not the standard sizes: nothing written")
        return
    seeds = list(range(options.seeds))
    path = record(
        "representation", figures=figures, table=rows, seeds=seeds, summary=summary, started_at=started_at
    )
    print(f"-> {path.name}")


def measured(name: str, model: MolVAE) -> tuple[list[Molecule], Matrix]:
    """The valid molecules of a set, standardized like the model's, and their values."""
    file, column = SETS[name]
    path = Path(os.environ["MOLVAE_DATA"]) / "moleculenet" / file
    with path.open(newline="", encoding="utf-8") as stream:
        table = list(csv.DictReader(stream))
    prepared = model.prepare([row["smiles"] for row in table])
    kept = [(item, float(row[column])) for item, row in zip(prepared, table, strict=True) if is_valid(item)]
    return [item for item, _ in kept], np.array([value for _, value in kept])


def features_of(molecules: list[Molecule], model: MolVAE) -> dict[str, Matrix]:
    """Each kind of features, `n x d`; molecules without a latent vector get the mean."""
    z = MolVAETransformer(model).fit([]).transform([molecule.smiles for molecule in molecules])
    return {
        "latent": _filled(z),
        "morgan": np.asarray(count_matrix(molecules, n_features=_BITS), dtype=np.float64),
        "descriptors": _filled(descriptors_of(molecules)),
    }


def descriptors_of(molecules: list[Molecule]) -> Matrix:
    """All RDKit descriptors except Ipc, which overflows; saved under runs/, because they are slow."""
    key = hashlib.sha256("\n".join(molecule.smiles for molecule in molecules).encode()).hexdigest()[:16]
    path = ROOT / "runs" / "representation" / f"descriptors-{key}.npy"
    if path.is_file():
        kept: Matrix = np.load(path)
        return kept
    with rdBase.BlockLogs():
        rows = [CalcMolDescriptors(molecule.mol, missingVal=math.nan) for molecule in molecules]
    names = [name for name in rows[0] if name != "Ipc"]
    values = np.array([[row[name] for name in names] for row in rows], dtype=np.float64)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, values)
    return values


def test_rows(scaffolds: list[str], split: str, seed: int) -> NDArray[np.bool_]:
    """Which molecules are held out: a fifth at random, or whole scaffolds in random order.

    A scaffold with more than a tenth of the held-out molecules goes to the training part; otherwise a single
    series would dominate the error.
    """
    generator = Seeds(seed).numpy("representation-split")
    n = len(scaffolds)
    wanted = round(_HELD_OUT * n)
    held_out = np.zeros(n, dtype=np.bool_)
    if split == "random":
        held_out[generator.permutation(n)[:wanted]] = True
        return held_out
    groups: dict[str, list[int]] = {}
    for row, scaffold in enumerate(scaffolds):
        groups.setdefault(scaffold, []).append(row)
    names = list(groups)
    for position in generator.permutation(len(names)):
        rows = groups[names[position]]
        if len(rows) <= 0.1 * wanted and held_out.sum() + len(rows) <= wanted:
            held_out[rows] = True
    return held_out


def _rmse(x: Matrix, y: Matrix, held_out: NDArray[np.bool_], head: str, seed: int) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = LatentRegressor(head, seed=seed).fit(x[~held_out], y[~held_out])  # type: ignore[arg-type]
    error = fitted.predict(x[held_out]) - y[held_out]
    return round(float(np.sqrt(np.mean(error**2))), 4)


def _mean(rows: list[dict[str, Any]], name: str, split: str) -> dict[str, Any]:
    mine = [row for row in rows if row["set"] == name and row["split"] == split]
    columns = [f"{kind} {head}" for kind in FEATURES for head in HEADS]
    means = {column: round(float(np.mean([row[column] for row in mine])), 4) for column in columns}
    return {"set": name, "split": split, "molecules": mine[0]["molecules"], **means}


def _filled(values: NDArray[np.floating]) -> Matrix:
    known = np.where(np.isfinite(values), values, np.nan).astype(np.float64)
    return np.where(np.isnan(known), np.nanmean(known, axis=0), known)


def _options() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
