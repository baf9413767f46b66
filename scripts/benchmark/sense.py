"""Search with and without the precedent filter, and check the results with an external filter.

Ten objectives that are not part of PMO, ten random ZINC250k molecules to start from, 300 calls, batches of
10; the arms differ only in `wild` and share start molecules and seed. The external filter is
chembl-gen-check, which the search does not use: a molecule is plausible ("sane" in the record) if all its
ring systems and bonds occur in ChEMBL.

    MOLVAE_DATA=../shared/data python scripts/benchmark/sense.py

Finished runs are read from --work; the same command continues after an interruption.
"""

from __future__ import annotations

import random
import tempfile
import time
from functools import cache
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from arguments import search_parser
from keep import violations
from record import cached, record, standard_error, table_rows

from molvae.campaign.campaign import Campaign
from molvae.campaign.config import CampaignSettings
from molvae.campaign.gates import precedent_gate
from molvae.campaign.runner import run
from molvae.campaign.utility import top_auc
from molvae.chemistry.molecule import Molecule, is_valid, parse
from molvae.chemistry.standardize import standardize
from molvae.latent.codec import MolVAE
from molvae.oracles.config import Objective
from molvae.oracles.plugins import load_oracle

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

SIMILAR = {
    "losartan": "similarity[ecfp4]:CCCCc1nc(Cl)c(CO)n1Cc1ccc(cc1)-c1ccccc1-c1nnn[nH]1",
    "erlotinib": "similarity[fcfp4]:COCCOc1cc2ncnc(Nc3cccc(c3)C#C)c2cc1OCCOC",
    "haloperidol": "similarity[ecfp6]:O=C(CCCN1CCC(O)(CC1)c1ccc(Cl)cc1)c1ccc(F)cc1",
    "linezolid": "similarity[ecfp4]:CC(=O)NCC1CN(C(=O)O1)c1ccc(N2CCOCC2)c(F)c1",
    "glibenclamide": "similarity[atom_pair]:COc1ccc(Cl)cc1C(=O)NCCc1ccc(cc1)S(=O)(=O)NC(=O)NC1CCCCC1",
}
PROFILES = {
    "gefitinib_polar": (
        "clipped[0.7]:similarity[fcfp4]:COc1cc2ncnc(Nc3ccc(F)c(Cl)c3)c2cc1OCCCN1CCOCC1",
        "gaussian[100,10]:tpsa",
        "gaussian[2,0.5]:logp",
    ),
    "clozapine_light": (
        "clipped[0.6]:similarity[ecfp4]:CN1CCN(CC1)C1=Nc2cc(Cl)ccc2Nc2ccccc12",
        "gaussian[2.5,0.5]:logp",
        "max_gaussian[2,1]:hbd",
    ),
    "saturated_lead": (
        "gaussian[320,20]:mw",
        "gaussian[0.6,0.1]:fraction_sp3",
        "gaussian[80,10]:tpsa",
        "qed",
    ),
}
ISOMERS = {"albendazole_isomers": "isomers:C12H15N3O2S", "flumazenil_isomers": "isomers:C15H14FN3O3"}
ARMS = {"gate": False, "wild": True}
BUDGET, BATCH, N_START, TOP, MANY, EASY = 300, 10, 10, 10, 100, 4.5


def main() -> None:
    """Run every objective, seed and arm; check samples of the prior; print and record."""
    options = _options()
    options.work.mkdir(parents=True, exist_ok=True)
    model = MolVAE.load(options.checkpoint, device="cpu")
    data = zinc(options.data / "zinc250k" / "zinc250k.csv.gz")
    table = []
    for name, objective in objectives_in(options.work).items():
        for seed in options.seeds:
            start = random.Random(seed).sample(data["train"], N_START)
            for arm, wild in ARMS.items():
                asked = {"objective": name, "seed": seed, "arm": arm}
                row = cached(
                    options.work / f"{name}-{seed}-{arm}.json",
                    asked,
                    lambda o=objective, s=seed, w=wild, b=start: _run_arm(
                        model, o, b, options.work, seed=s, wild=w
                    ),  # type: ignore[misc]
                )
                table.append({**asked, **row})
                print(
                    f"{name:20} seed {seed} {arm:5} AUC {row['auc']:.3f} best {row['best']:.3f} "
                    f"sane {row['sane_top10']:.2f} {row['sane_top100']:.2f}",
                    flush=True,
                )
    figures = _figures(table) | _of_the_model(model, data["test"], options.n_draws) | violations(model)
    print("  ".join(f"{name} {value}" for name, value in figures.items()))
    if not options.no_record:
        print(record("sense", figures=figures, table=table, seeds=list(options.seeds)))


def _run_arm(
    model: MolVAE, objective: str, start: Sequence[str], work: Path, *, seed: int, wild: bool
) -> dict[str, Any]:
    settings = CampaignSettings(
        objectives=(Objective(name=objective),), budget=BUDGET, q=BATCH, seed=seed, wild=wild
    )
    with (
        tempfile.TemporaryDirectory(dir=work) as place,
        Campaign.create(Path(place) / "journal.sqlite", model, settings, start=start) as campaign,
    ):
        result = run(campaign)
        best = [row.smiles for row in campaign.best(MANY)]
    return {
        "auc": round(top_auc([point.utility for point in result.trace], budget=BUDGET), 4),
        "best": round(result.trace[-1].best, 4),
        "top10": round(result.trace[-1].top10, 4),
        "sane_top10": round(mean(map(is_plausible, best[:TOP])), 3),
        "sane_top100": round(mean(map(is_plausible, best)), 3),
        "ms_per_call": round(1e3 * result.overhead_per_call, 1),
        "best_smiles": best[0],
    }


def is_plausible(smiles: str) -> bool:
    """Whether all ring systems and bonds of a molecule occur in ChEMBL, by chembl-gen-check."""
    checker = _checker()
    checker.load_smiles(smiles)
    return bool(checker.check_ring_systems() and checker.check_lacan() > 0)


def is_plausible_lead(smiles: str) -> bool:
    """Whether a valid molecule is plausible and has a synthetic accessibility score of at most 4.5."""
    molecule = standardize(smiles)
    assert isinstance(molecule, Molecule)  # noqa: S101 - it was scored
    return is_plausible(smiles) and load_oracle("sa")([molecule])[0].value <= EASY


@cache
def _checker() -> Any:
    from chembl_gen_check import Checker

    return Checker()


def _of_the_model(model: MolVAE, held_out: list[str], n_draws: int) -> dict[str, float | int | None]:
    """Rejections and cost of the precedent filter on held-out molecules; plausible samples of the prior."""
    assert model.precedent is not None, "calibrate the model first"  # noqa: S101
    molecules = [m for m in map(standardize, held_out) if isinstance(m, Molecule)]
    begun = time.process_time()
    for molecule in molecules:
        model.precedent.covers(molecule)
    spent = time.process_time() - begun
    drawn = [m.smiles for m in model.sample(n_draws, seed=0) if is_valid(m)]
    return {
        "sane_prior": round(mean(map(is_plausible, drawn)), 4),
        "sane_held_out": round(mean(is_plausible(m.smiles) for m in molecules), 4),
        "false_alarms": round(1 - mean(precedent_gate(model, ())(molecules)), 4),
        "without_precedent": round(mean(not model.precedent.covers(m) for m in molecules), 4),
        "precedent_ms": round(1e3 * spent / len(molecules), 3),
    }


def _figures(table: list[dict[str, Any]]) -> dict[str, float | int | None]:
    def of(arm: str, what: str) -> list[float]:
        return [row[what] for row in table if row["arm"] == arm]

    names = sorted({row["objective"] for row in table})
    gains = [
        mean(r["auc"] for r in table if r["objective"] == n and r["arm"] == "gate")
        - mean(r["auc"] for r in table if r["objective"] == n and r["arm"] == "wild")
        for n in names
    ]
    figures: dict[str, float | int | None] = {
        f"{what}{'' if arm == 'gate' else '_wild'}": round(mean(of(arm, what)), 4)
        for what in ("sane_top10", "sane_top100")
        for arm in ARMS
    }
    return {
        **figures,
        "auc_gate": round(mean(of("gate", "auc")), 4),
        "auc_wild": round(mean(of("wild", "auc")), 4),
        "auc_gain": round(mean(gains), 4),
        "auc_gain_error": standard_error(gains, 4),
        "n_objectives": len(names),
    }


def objectives_in(work: Path) -> dict[str, str]:
    """Ten objectives outside PMO, by name; profiles are written into `work`."""
    found = {**SIMILAR, **ISOMERS}
    for name, terms in PROFILES.items():
        file = work / f"{name}.toml"
        listed = ", ".join(f'"{term}"' for term in terms)
        file.write_text(f'mean = "geometric"\nterms = [{listed}]\n', encoding="utf-8")
        found[name] = f"mpo:{file}"
    return found


def zinc(path: Path) -> dict[str, list[str]]:
    """SMILES of ZINC250k by split."""
    found: dict[str, list[str]] = {}
    for row in table_rows(path):
        found.setdefault(row["split"], []).append(row["smiles"])
    for name, smiles in found.items():
        if name != "train":
            found[name] = [s for s in smiles if is_valid(parse(s))][:5000]
    return found


def _options() -> argparse.Namespace:
    parser = search_parser(__doc__, "sense", seeds=(0, 1, 2))
    parser.add_argument("--n-draws", type=int, default=10_000)
    return parser.parse_args()


if __name__ == "__main__":
    main()
