"""Propose two plates from an assay table, and score them with the hidden rule that made the table.

A simulated series of 397 compounds, as messy as a real table (see its README), is the start of a campaign:
maximize the potency, keep the core, and keep logP and synthetic accessibility within bounds. Two batches of
24 are proposed with `molvae ask`; in between, the first is reported with noisy values of the rule.

    MOLVAE_DATA=../shared/data python scripts/benchmark/series.py --series ../shared/cases/series

Baselines, for each seed: the first 24 molecules within the same bounds among samples of the same model around
the series; and, of the ChEMBL-like molecules within the bounds, the 24 that a random forest on Morgan counts,
trained on the same table, ranks highest.
"""

from __future__ import annotations

import csv
import importlib.util
import subprocess
import sys
from functools import cache
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

import numpy as np
from arguments import search_parser
from counts import count_matrix
from record import record, standard_error, table_rows
from sklearn.ensemble import RandomForestRegressor

from molvae.chemistry.molecule import Molecule, is_valid, parse
from molvae.chemistry.standardize import standardize
from molvae.latent.codec import MolVAE
from molvae.oracles.plugins import load_oracle

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence
    from types import ModuleType

CORE = "substructure:c1cnc(Nc2ccccc2)nc1"
BOUNDS = (
    ("at-least", CORE, 1.0),
    ("at-most", "sa", 4.0),
    ("at-most", "logp", 5.0),
    ("at-least", "logp", 1.0),
)
GOAL = "pIC50 (nM)"
BATCH, NOISE = 24, 0.25
_DRAWS, _ROUND = 200_000, 2_000


def main() -> None:
    """Run every seed; print and record the table."""
    options = _options()
    options.work.mkdir(parents=True, exist_ok=True)
    truth = _truth(options.series / "truth.py")
    known = measured(options.series / "series.csv")
    model = MolVAE.load(options.checkpoint, device="cpu")
    library = [m for m in _library(options.data) if within(m)]
    table = []
    for seed in options.seeds:
        for round_, batch in enumerate(_campaign(options, truth, seed), start=1):
            table.append({"arm": "molvae", "seed": seed, "round": round_, **_evaluated(batch, known, truth)})
        drawn = _drawn(model, list(known), seed)
        table.append({"arm": "random", "seed": seed, "round": 1, **_evaluated(drawn, known, truth)})
        screened = _screened(known, library, seed)
        table.append(
            {"arm": "screened library", "seed": seed, "round": 1, **_evaluated(screened, known, truth)}
        )
        for row in table[-4:]:
            print(row, flush=True)
    figures = _figures(table)
    print("  ".join(f"{name} {value}" for name, value in figures.items()))
    if not options.no_record:
        print(record("series", figures=figures, table=table, seeds=list(options.seeds)))


def within(molecule: Molecule) -> bool:
    """Whether a molecule meets all bounds, by molvae's oracles."""
    for direction, name, bound in BOUNDS:
        value = _oracle(name)([molecule])[0].value
        if not (value >= bound if direction == "at-least" else value <= bound):
            return False
    return True


_oracle = cache(load_oracle)


def measured(path: Path) -> dict[str, list[float]]:
    """The numbers of the series by standard SMILES; no numbers if the cell has a bound or text.

    A molecule with an empty cell was not measured and may be proposed.
    """
    found: dict[str, list[float]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            molecule = standardize(row["SMILES"] or "")
            if not isinstance(molecule, Molecule) or not row[GOAL].strip():
                continue
            values = found.setdefault(molecule.smiles, [])
            try:
                values.append(float(row[GOAL]))
            except ValueError:
                continue
    return found


def _campaign(options: argparse.Namespace, truth: ModuleType, seed: int) -> Iterable[list[str]]:
    """Two batches, proposed by the command line; results of the first are read in between."""
    directory = options.work / f"campaign{seed}"
    if directory.exists():
        subprocess.run(["rm", "-r", str(directory)], check=True)  # noqa: S603, S607
    first = ["--checkpoint", str(options.checkpoint), "--start", str(options.series / "series.csv")]
    first += ["--maximize", GOAL, "--seed", str(seed)]
    for direction, name, bound in BOUNDS:
        first += [f"--{direction}", f"{name}={bound:g}"]
    generator = np.random.default_rng(seed)
    for round_ in (1, 2):
        sheet = options.work / f"batch{seed}-{round_}.csv"
        sheet.unlink(missing_ok=True)
        asked = first if round_ == 1 else []
        _molvae("ask", str(directory), *asked, "-n", str(BATCH), "-o", str(sheet))
        with sheet.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        yield [row["smiles"] for row in rows]
        for row in rows:
            value = truth.potency(parse(row["smiles"]).mol)  # type: ignore[union-attr]
            row[GOAL] = f"{value + NOISE * generator.normal():.2f}"
        with sheet.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        _molvae("tell", str(directory), str(sheet))


def _drawn(model: MolVAE, series: Sequence[str], seed: int) -> list[str]:
    """24 molecules within the bounds, sampled around the series at two posterior standard deviations."""
    generator = np.random.default_rng(seed)
    molecules = [m for smiles in series if is_valid(m := parse(smiles))]
    mu, deviation = model.posterior(molecules)
    found: dict[str, None] = {}
    for _ in range(_DRAWS // _ROUND):
        rows = generator.integers(len(mu), size=_ROUND)
        z = mu[rows] + 2.0 * deviation[rows] * generator.standard_normal((_ROUND, mu.shape[1]))
        for decoded in model.decode(z.astype(np.float32)):
            molecule = standardize(decoded) if is_valid(decoded) else decoded
            if isinstance(molecule, Molecule) and molecule.smiles not in series and within(molecule):
                found.setdefault(molecule.smiles)
        if len(found) >= BATCH:
            break
    return list(found)[:BATCH]


def _screened(known: dict[str, list[float]], library: list[Molecule], seed: int) -> list[str]:
    """The 24 molecules of the library within the bounds that a random forest ranks highest."""
    values = {smiles: mean(values) for smiles, values in known.items() if values}
    forest = RandomForestRegressor(500, random_state=seed, n_jobs=1)
    forest.fit(count_matrix([parse(s) for s in values]), list(values.values()))  # type: ignore[misc]
    fresh = [m for m in library if m.smiles not in known]
    order = np.argsort(-forest.predict(count_matrix(fresh)), kind="stable")[:BATCH]
    return [fresh[row].smiles for row in order]


def _library(data: Path) -> Iterable[Molecule]:
    """Molecules of the ChEMBL-like set with the core."""
    for row in table_rows(data / "chembl" / "broad.csv.gz"):
        read = parse(row["smiles"]) if "Nc" in row["smiles"] or "N(" in row["smiles"] else None
        if isinstance(read, Molecule) and _oracle(CORE)([read])[0].value == 1.0:
            molecule = standardize(read)
            if isinstance(molecule, Molecule):
                yield molecule


def _evaluated(batch: list[str], known: dict[str, list[float]], truth: ModuleType) -> dict[str, Any]:
    molecules = [m for smiles in batch if isinstance(m := standardize(smiles), Molecule)]
    values = [truth.potency(m.mol) for m in molecules]
    flat = {truth.flat(smiles) for smiles in known}
    return {
        "n": len(batch),
        "in_bounds": sum(map(within, molecules)),
        "core": sum(m.mol.HasSubstructMatch(truth.PATTERNS["core"]) for m in molecules),
        "repeats": sum(truth.flat(m.smiles) in flat for m in molecules) + len(batch) - len(set(batch)),
        "mean_true": round(mean(values), 3),
        "best_true": round(max(values), 3),
        "best_smiles": molecules[int(np.argmax(values))].smiles,
    }


def _figures(table: list[dict[str, Any]]) -> dict[str, float | int | None]:
    def of(arm: str, round_: int, what: str) -> list[float]:
        return [row[what] for row in table if (row["arm"], row["round"]) == (arm, round_)]

    first, second = of("molvae", 1, "mean_true"), of("molvae", 2, "mean_true")
    both = [row for row in table if row["arm"] == "molvae"]
    gains = [b - a for a, b in zip(first, second)]
    return {
        "in_bounds": min(row["in_bounds"] for row in both),
        "core": min(row["core"] for row in both),
        "repeats": sum(row["repeats"] for row in both),
        "mean_true_round1": round(mean(first), 3),
        "mean_true_round2": round(mean(second), 3),
        "gain_round2_error": standard_error(gains, 3),
        "mean_true_random": round(mean(of("random", 1, "mean_true")), 3),
        "mean_true_library": round(mean(of("screened library", 1, "mean_true")), 3),
    }


def _molvae(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "molvae", *words], check=True)  # noqa: S603


def _truth(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("truth", path)
    assert spec is not None  # noqa: S101 - it is a file of Python
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _options() -> argparse.Namespace:
    parser = search_parser(__doc__, "series", seeds=(0, 1, 2, 3, 4))
    parser.add_argument("--series", type=Path, required=True, help="directory with series.csv and truth.py")
    return parser.parse_args()


if __name__ == "__main__":
    main()
