"""What graph moves make of drug-like molecules, judged by the gate of precedent and from outside.

Parents are molecules of ZINC250k's test split that pass the gate. Each move is made blindly, and with the
gate asked inside the move. The judge is chembl-gen-check, as in sense.py, which the moves never see. Then
the moves of molecules grown from the cores of keep.py, with and without the core protected.

    MOLVAE_DATA=../shared/data python scripts/benchmark/moves.py
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from random import Random
from statistics import mean
from typing import TYPE_CHECKING, Any

from keep import CORES
from record import ROOT, record
from sense import sane, zinc

from molvae.campaign.gates import PrecedentGate, Remembering
from molvae.chemistry.graph_moves import Requirements, crossed, decorated, mutated
from molvae.chemistry.molecule import Molecule, parse
from molvae.chemistry.standardize import standardize
from molvae.chemistry.substructure import contains, core_molecule, core_pattern
from molvae.latent.codec import MolVAE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Move = Callable[[Molecule, Molecule, Random, Requirements], str | None]

MOVES: dict[str, Move] = {
    "mutation": lambda a, _, rng, required: mutated(a, rng, required=required),
    "two mutations": lambda a, _, rng, required: mutated(a, rng, n_edits=2, required=required),
    "crossover": lambda a, b, rng, required: crossed(a, b, rng, required=required),
    "decoration": lambda a, _, rng, required: decorated(a, rng, required=required),
}
_N_GROWN = 30


def main() -> None:
    """Make the moves, print a row for each, record them."""
    options = _options()
    model = MolVAE.load(options.checkpoint, device="cpu")
    test = zinc(options.data / "zinc250k" / "zinc250k.csv.gz")["test"]
    gate = Remembering(PrecedentGate(model, ()))
    held_out = [m for m in map(standardize, test[: 2 * options.n]) if isinstance(m, Molecule)]
    parents = [m for m, passes in zip(held_out, gate(held_out)) if passes][: options.n]
    asked = {"blind": Requirements(), "gate": Requirements(passes=lambda molecule: gate([molecule])[0])}
    table = [
        {"move": name, "arm": arm, **_judged(parents, move, required, gate)}
        for name, move in MOVES.items()
        for arm, required in asked.items()
    ]
    table += [_kept(core, parents, arm) for core in CORES for arm in ("blind", "protected")]
    for row in table:
        print("  ".join(f"{name} {value}" for name, value in row.items()))
    figures: dict[str, float | int | None] = {
        f"{what}_{arm}": round(mean(row[what] for row in table if row["arm"] == arm and what in row), 3)
        for what, arms in (("passed", asked), ("sane", asked), ("kept", ("blind", "protected")))
        for arm in arms
    }
    print("  ".join(f"{name} {value}" for name, value in figures.items()))
    print(record("moves", figures=figures, table=table, seeds=[0]))


def _judged(
    parents: Sequence[Molecule], move: Move, required: Requirements, gate: Remembering
) -> dict[str, Any]:
    """Share of attempts with a child that passes the gate, share of children that are sane, time."""
    rng, mates = Random(0), [*parents[1:], parents[0]]
    begun = time.process_time()
    children = [move(a, b, rng, required) for a, b in zip(parents, mates)]
    spent = time.process_time() - begun
    made = [child for child in children if child is not None]
    passed = sum(gate([m for m in map(parse, made) if isinstance(m, Molecule)]))
    return {
        "passed": round(passed / len(parents), 3),
        "sane": round(mean(map(sane, made)), 3),
        "ms": round(1e3 * spent / len(parents), 2),
        "ms_per_passed": round(1e3 * spent / max(passed, 1), 1),
    }


def _kept(core: str, mates: Sequence[Molecule], arm: str) -> dict[str, Any]:
    """Share of children that keep the core of their parents."""
    smarts, rng = core_pattern(core), Random(0)
    drawn = core_molecule(smarts)
    assert drawn is not None  # noqa: S101
    required = Requirements(cores=(smarts,))
    grown = [text for _ in range(_N_GROWN) if (text := decorated(drawn, rng, required=required)) is not None]
    parents = [m for m in map(parse, grown) if isinstance(m, Molecule) and contains(m, smarts)]
    moved = [
        move(parent, rng.choice(mates), rng, required if arm == "protected" else Requirements())
        for parent in parents
        for move in MOVES.values()
    ]
    kept = [contains(m, smarts) for m in map(parse, filter(None, moved)) if isinstance(m, Molecule)]
    return {"core": core, "arm": arm, "children": len(kept), "kept": round(mean(kept), 3)}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--checkpoint", type=Path, default=ROOT / "checkpoints" / "zinc250k")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MOLVAE_DATA", "../shared/data")))
    parser.add_argument("--n", type=int, default=500, help="parents of each move")
    return parser.parse_args()


if __name__ == "__main__":
    main()
