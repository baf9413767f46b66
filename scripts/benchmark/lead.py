"""Lead optimization: raise the QED of a molecule to .9 under a similarity constraint, and count the calls.

800 molecules of ZINC250k's test and validation splits with a QED of .7 to .8, drawn with seed 0 (the list of
the published benchmark is not available). For each, a campaign starts with the molecule and its QED, proposes
only molecules with a similarity by Morgan bits of at least .4 (--at-least similarity[ecfp4_bits]:LEAD=0.4),
and ends with the first success: QED >= .9 at a Tanimoto similarity of Morgan bits (radius 2, 2,048 bits)
>= .4. Every molecule whose QED is evaluated is a call; similarities are computed and do not count.

    MOLVAE_DATA=../shared/data python scripts/benchmark/lead.py              # all 800
    MOLVAE_DATA=../shared/data python scripts/benchmark/lead.py --first 50   # the first 50

Finished leads are read from --work; the same command continues with the others, and the record says how many
there are.
"""

from __future__ import annotations

import random
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import mean, median
from typing import TYPE_CHECKING, Any

from arguments import search_parser
from rdkit import DataStructs
from rdkit.Chem import QED, rdFingerprintGenerator
from record import cached, record, table_rows
from sense import is_plausible_lead

from molvae.campaign.campaign import Campaign
from molvae.campaign.config import CampaignSettings
from molvae.campaign.observations import StartMolecule
from molvae.campaign.runner import run
from molvae.chemistry.molecule import Molecule
from molvae.chemistry.standardize import standardize
from molvae.latent.codec import MolVAE
from molvae.oracles.config import Objective
from molvae.oracles.plugins import load_oracle

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

GOAL, SIMILAR, LEADS, BUDGET, BATCH = 0.9, 0.4, 800, 1000, 10
MARKS = (100, BUDGET)
_GENERATOR = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)


def main() -> None:
    """Improve every lead; print and record the table."""
    options = _options()
    options.work.mkdir(parents=True, exist_ok=True)
    model = MolVAE.load(options.checkpoint, device="cpu")
    leads = drawn(options.data / "zinc250k" / "zinc250k.csv.gz", options.seed)
    table = []
    for number, lead in enumerate(leads[: options.first]):
        asked = {"lead": lead, "seed": options.seed}
        row = cached(options.work / f"{number:03d}.json", asked, partial(improve, model, lead, options.seed))
        table.append({**asked, **row})
        print(
            f"{number:3} {row['success_call'] or '-':>5} calls  {row['seconds']:5.1f} s  {lead}", flush=True
        )
    figures = _figures(table)
    print("  ".join(f"{name} {value}" for name, value in figures.items()))
    if not options.no_record:
        print(record("lead", figures=figures, table=table, seeds=[options.seed]))


def improve(model: MolVAE, lead: str, seed: int) -> dict[str, Any]:
    """The row of a lead: the call of the first success, if any."""
    settings = CampaignSettings(
        objectives=(
            Objective(name="qed"),
            Objective(name=f"similarity[ecfp4_bits]:{lead}", direction="at_least", bound=SIMILAR),
        ),
        budget=BUDGET,
        q=BATCH,
        seed=seed,
        n_initial=1,
    )
    begun = time.process_time()
    start = StartMolecule(lead, (value_of("qed", lead), None))
    with (
        tempfile.TemporaryDirectory() as place,
        Campaign.create(Path(place) / "journal.sqlite", model, settings, start=[start]) as campaign,
    ):
        run(campaign, enough=lambda campaign: next(successes(campaign, lead), None) is not None)
        found = next(successes(campaign, lead), None)
        calls = campaign.n_calls
    call, smiles = found or (None, None)
    return {
        "success_call": call,
        "calls": calls,
        "smiles": smiles,
        "sane": None if smiles is None else is_plausible_lead(smiles),
        "seconds": round(time.process_time() - begun, 1),
    }


def successes(campaign: Campaign, lead: str) -> Iterator[tuple[int, str]]:
    """Call, counted from 1, and SMILES of each success, in the order of calls."""
    charged = sorted((row.call, row.smiles) for row in campaign.table() if row.call is not None)
    return ((call + 1, smiles) for call, smiles in charged if is_success(smiles, lead))


def is_success(smiles: str, lead: str) -> bool:
    """Whether a molecule reaches the QED and the similarity, both computed with RDKit."""
    ours, theirs = standardize(smiles), standardize(lead)
    assert isinstance(ours, Molecule)  # noqa: S101 - it was scored
    assert isinstance(theirs, Molecule)  # noqa: S101 - it was drawn
    if QED.qed(ours.mol) < GOAL:
        return False
    prints = [_GENERATOR.GetFingerprint(molecule.mol) for molecule in (ours, theirs)]
    return bool(DataStructs.TanimotoSimilarity(*prints) >= SIMILAR)


def value_of(name: str, smiles: str) -> float:
    """A descriptor of a molecule."""
    molecule = standardize(smiles)
    assert isinstance(molecule, Molecule)  # noqa: S101 - ours
    return load_oracle(name)([molecule])[0].value


def drawn(path: Path, seed: int) -> list[str]:
    """The leads, in random order."""
    held_out = [row["smiles"] for row in table_rows(path) if row["split"] != "train"]
    found: dict[str, None] = {}
    for text in random.Random(seed).sample(held_out, len(held_out)):
        molecule = standardize(text)
        if isinstance(molecule, Molecule) and 0.7 <= QED.qed(molecule.mol) <= 0.8:  # noqa: PLR2004 - as published
            found.setdefault(molecule.smiles)
        if len(found) == LEADS:
            break
    return list(found)


def _figures(table: list[dict[str, Any]]) -> dict[str, float | int | None]:
    calls = [row["success_call"] for row in table]
    reached = [call for call in calls if call is not None]
    return {
        **{
            f"qed800_{mark}": round(mean(call is not None and call <= mark for call in calls), 4)
            for mark in MARKS
        },
        "median_calls": median(reached) if reached else None,
        "sane": round(mean(row["sane"] for row in table if row["sane"] is not None), 4) if reached else None,
        "leads": len(table),
    }


def _options() -> argparse.Namespace:
    parser = search_parser(__doc__, "lead")
    parser.add_argument("--first", type=int, default=LEADS, help="number of leads")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
