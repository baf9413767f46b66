"""Measure a checkpoint on molecules it was not trained on: approved drugs, ChEMBL, ZINC250k.

Drugs are those of drugs/approved.csv.gz that are neither in ZINC250k nor in MOSES, compared in standard
form; the training part of the ChEMBL set contains none of them. Reconstruction is exact and greedy: from the
encoder's mean alone, and after the steps that `encode` takes. Neighbors of ChEMBL test molecules are sampled
once each, at the radii where their mean similarity is .8, .6, .4 and .2; neighbors_sane_ratio is the share of
plausible ones (sense.py) at .6 and .4 divided by that of the molecules themselves. mae_* and held_* are the
errors of the property heads on drugs and the share of true values within their 90 % intervals.

    MOLVAE_DATA=../shared/data python scripts/benchmark/druglike.py checkpoints/druglike checkpoints/zinc250k

The figures are those of the first checkpoint; the table has all of them.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from arguments import parser_of
from metrics_golden import moses_smiles
from moses import N_PARENTS, valid_shares
from record import commit, record, table_rows
from sense import is_plausible

from molvae.chemistry.descriptors import describe_smiles
from molvae.chemistry.molecule import Molecule, is_valid
from molvae.chemistry.standardize import standardize
from molvae.evaluation.information import kl_divergence
from molvae.latent.codec import MolVAE
from molvae.latent.neighbors import measure_similarity, neighborhood
from molvae.progress import PlainProgress
from molvae.seeding import Seeds

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

SIZES = {"drugs": (10, 38), "drugs_large": (39, 60)}  # heavy atoms
HEADS = ("logp", "qed")
WIDTH_90 = 1.645  # standard deviations on each side of a normal's 90 % interval
N_SANE = 300


def main() -> None:
    """Measure every checkpoint, print, and write results/druglike.json."""
    options = _options()
    started_at = commit()
    sets = _sets(Path(os.environ["MOLVAE_DATA"]).resolve(), options.molecules)
    measured = {}
    for checkpoint in options.checkpoints:
        found = _measured(MolVAE.load(checkpoint, device=options.device), sets, options)
        measured[checkpoint.name] = found
        print(checkpoint.name)
        for name, value in found.items():
            print(f"{name:28} {value}", flush=True)
    figures = next(iter(measured.values()))
    summary = [
        {"figure": name.replace("_", " "), **{model: found[name] for model, found in measured.items()}}
        for name in figures
    ]
    if not options.no_record:
        table = [{"model": model, **found} for model, found in measured.items()]
        path = record(
            "druglike",
            figures=figures,
            table=table,
            summary=summary,
            seeds=[options.seed],
            started_at=started_at,
        )
        print(f"-> {path.name}")


def _measured(
    model: MolVAE, sets: dict[str, list[Molecule]], options: argparse.Namespace
) -> dict[str, float | int | None]:
    found: dict[str, float | int | None] = {}
    for name, molecules in sets.items():
        found |= {f"{name}_{what}": value for what, value in _reconstructed(model, molecules).items()}
    found |= _errors(model, sets["drugs"])
    return {**found, **_neighbors(model, sets["chembl"], options.seed)}


def _reconstructed(model: MolVAE, molecules: Sequence[Molecule]) -> dict[str, float | int | None]:
    """Shares of all molecules that are reconstructed; those outside the vocabulary count as failures."""
    mu, sigma = model.posterior(molecules)
    read = np.asarray(np.isfinite(mu).all(axis=1))
    smiles = [molecule.smiles for molecule, fine in zip(molecules, read) if fine]
    starts = {"recon_encoder": mu[read], "recon": model.encode(molecules)[read]}
    progress = PlainProgress(sys.stderr, every=60.0)
    shares = {
        name: sum(map(_same, smiles, model.decoder.write(z, progress=progress, task=name)))
        for name, z in starts.items()
    }
    kl = float(np.mean(kl_divergence(mu[read], sigma[read])))
    return {
        **{name: round(n / len(molecules), 4) for name, n in shares.items()},
        "read": round(float(read.mean()), 4),
        "kl": round(kl, 1),
        "n": len(molecules),
    }


def _same(smiles: str, text: str) -> bool:
    found = standardize(text)
    return is_valid(found) and found.smiles == smiles


def _errors(model: MolVAE, molecules: Sequence[Molecule]) -> dict[str, float | None]:
    """Errors of property heads on drugs; None where the model has no such head.

    `mae_*` is the mean absolute error, `held_*` the share of true values within the 90 % interval.
    """
    names = {name.lower(): name for name in model.property_names}
    predicted = model.predict(molecules)
    truth = describe_smiles([molecule.smiles for molecule in molecules], HEADS)
    found: dict[str, float | None] = {}
    for column, head in enumerate(HEADS):
        found |= {f"mae_{head}_drugs": None, f"held_{head}_drugs": None}
        if head in names:
            own = predicted.names.index(names[head])
            gaps = np.abs(predicted.mean[:, own] - truth[:, column])
            within = gaps <= WIDTH_90 * np.sqrt(predicted.variance[:, own])
            known = np.isfinite(gaps)
            found[f"mae_{head}_drugs"] = round(float(gaps[known].mean()), 4)
            found[f"held_{head}_drugs"] = round(float(within[known].mean()), 4)
    return found


def _neighbors(model: MolVAE, molecules: Sequence[Molecule], seed: int) -> dict[str, float | None]:
    chosen = Seeds(1).numpy("druglike-parents").permutation(len(molecules))[:N_PARENTS]
    parents = [molecules[row] for row in sorted(chosen)]
    curve = measure_similarity(model, parents, seed=seed)
    found = valid_shares(curve)
    rows = range(min(N_SANE, len(molecules)))
    own = np.mean([is_plausible(molecules[row].smiles) for row in rows])
    varied = []
    for wanted in (0.6, 0.4):
        radius = curve.radius_for(wanted)
        for row in rows:
            found_here = neighborhood(model, molecules[row], radius=radius, n_draws=1, seed=seed)
            varied += [neighbor.molecule.smiles for neighbor in found_here.neighbors]
    found["sane_held_out"] = round(float(own), 4)
    found["neighbors_sane_ratio"] = round(float(np.mean(list(map(is_plausible, varied))) / own), 4)
    return found


def _sets(data: Path, n: int) -> dict[str, list[Molecule]]:
    """Standardized molecules of each set: all drugs, at most `n` of the others, drawn at random."""
    zinc = list(table_rows(data / "zinc250k" / "zinc250k.csv.gz"))
    drugs = _standard(row["smiles"] for row in table_rows(data / "drugs" / "approved.csv.gz"))
    atoms = {_atoms(molecule.smiles) for molecule in drugs}
    trained = [*(row["smiles"] for row in zinc), *moses_smiles(data / "moses" / "train.csv.gz")]
    known = {m.smiles for m in _standard(text for text in trained if _atoms(text) in atoms)}
    drugs = [molecule for molecule in drugs if molecule.smiles not in known]
    sets = {
        name: [m for m in drugs if low <= m.mol.GetNumHeavyAtoms() <= high]
        for name, (low, high) in SIZES.items()
    }
    chembl = [row["smiles"] for row in table_rows(data / "chembl" / "broad.csv.gz") if row["split"] == "test"]
    for name, smiles in (("chembl", chembl), ("zinc", [r["smiles"] for r in zinc if r["split"] == "test"])):
        chosen = Seeds(0).numpy(f"druglike-{name}").permutation(len(smiles))[:n]
        sets[name] = _standard(smiles[row] for row in sorted(chosen))
    return sets


def _atoms(smiles: str) -> str:
    """Heavy atoms of a SMILES, sorted: the same for all SMILES of a molecule."""
    return "".join(sorted(re.findall("Cl|Br|[A-Za-z]", smiles.replace("H", "")))).upper()


def _standard(smiles: Any) -> list[Molecule]:
    return list({m.smiles: m for m in map(standardize, smiles) if is_valid(m)}.values())


def _options() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument(
        "--molecules", type=int, default=2_000, help="molecules of ChEMBL and of ZINC250k each"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--no-record", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
