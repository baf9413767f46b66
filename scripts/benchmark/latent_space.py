"""Measure operations in the latent space of a checkpoint: domain, arithmetic, interpolation, conditions.

    python scripts/benchmark/latent_space.py --corpus CORPUS --checkpoint checkpoints/zinc250k

CORPUS is ZINC250k, prepared by 'molvae prepare'; MOLVAE_DATA names the directory with qm9/ and moleculenet/.
Finished parts are saved under runs/latent-space; at the same commit, the same command continues.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from arguments import CHECKPOINT, parser_of
from latent_space_domain import domain_rows
from record import ROOT, cached, commit, record

from molvae.chemistry.descriptors import describe_many
from molvae.chemistry.molecule import is_valid, parse
from molvae.data.corpus import Corpus
from molvae.latent.arithmetic import Direction, learn_direction, shift
from molvae.latent.codec import MolVAE
from molvae.latent.conditional import sample_conditional
from molvae.latent.interpolation import interpolate
from molvae.persistence.files import sha256_of
from molvae.persistence.manifest import MANIFEST
from molvae.seeding import Seeds

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from molvae.chemistry.molecule import Molecule
    from molvae.latent.arithmetic import Shifted

SIZES = {
    "n_domain": 1000,  # molecules of each set
    "n_shifted": 500,  # test molecules moved
    "n_pairs": 100,  # paths
    "n_requests": 1000,  # conditional samples
}
AMOUNTS = (1.0, 1.5, 2.0, 3.0)  # of logP, along the direction; the best is chosen on other molecules
RISE, SIMILAR = 1.0, 0.4  # a success: logP higher by this and Tanimoto similarity of at least this
_LEARNED = 10  # training molecules a direction is learned from, for each that is moved
_TUNED = 0.4  # validation molecules the amount is chosen on, likewise
_POOL = 10  # draws that are chosen among, for each request
_TRIES = 5  # posterior samples moved for each molecule
_STEPS = 9


def main() -> None:
    """Measure part by part, print, and write results/latent_space.json at the standard sizes."""
    options = _options()
    started_at = commit()
    model, corpus = MolVAE.load(options.checkpoint, device="cpu"), Corpus.open(options.corpus)
    sizes = {name: getattr(options, name) for name in SIZES}
    code = {"checkpoint": sha256_of(options.checkpoint / MANIFEST), "commit": started_at, **sizes}
    options.work.mkdir(parents=True, exist_ok=True)
    seeds = Seeds(options.seed)
    table: list[dict[str, Any]] = []
    parts: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "domain": lambda: domain_rows(model, corpus, options.n_domain, seeds),
        "arithmetic": lambda: _arithmetic(model, corpus, options.n_shifted, seeds),
        "interpolation": lambda: _interpolation(model, corpus, options.n_pairs, seeds),
        "conditional": lambda: _conditional(model, corpus, options.n_requests, seeds),
    }
    for name, part in parts.items():
        key = {"part": name, "seed": options.seed, **code}
        found = cached(options.work / f"{name}.json", key, lambda part=part: {"rows": part()})  # type: ignore[misc]
        table += found["rows"]
        print(*found["rows"], sep="\n", flush=True)
    figures = {row["figure"]: row["value"] for row in table}
    if sizes != SIZES:
        print("not at the standard sizes: nothing written")
        return
    path = record("latent_space", figures=figures, table=table, seeds=[options.seed], started_at=started_at)
    print(f"-> {path.name}")


def row_of(figure: str, value: float | np.floating, n: int, meaning: str) -> dict[str, Any]:
    """A line of the table."""
    return {"figure": figure, "value": round(float(value), 4), "n": n, "meaning": meaning}


def drawn(corpus: Corpus, part: str, n: int, seeds: Seeds, name: str) -> list[Molecule]:
    """`n` molecules of a part of the corpus."""
    rows = np.sort(seeds.numpy(name).permutation(corpus.rows(part))[:n])  # type: ignore[arg-type]
    return [molecule for text in corpus.smiles(rows) if is_valid(molecule := parse(text))]


def random_direction(direction: Direction, generator: np.random.Generator) -> Direction:
    """A random direction of the same length, as a baseline."""
    noise = generator.standard_normal(len(direction.vector))
    vector = noise / np.linalg.norm(noise) * np.linalg.norm(direction.vector)
    return Direction("random", vector.astype(np.float32), direction.method, 0.0, 0)


def _arithmetic(model: MolVAE, corpus: Corpus, n: int, seeds: Seeds) -> list[dict[str, Any]]:
    """How often a step along the logP direction raises logP by 1 and keeps the molecule similar."""
    learned = drawn(corpus, "train", _LEARNED * n, seeds, "arithmetic-train")
    tuned = drawn(corpus, "valid", round(_TUNED * n), seeds, "arithmetic-valid")
    test = drawn(corpus, "test", n, seeds, "arithmetic-test")
    z, logp = model.encode(learned, inference_steps=0), _logp(learned)
    both = [learn_direction(z, logp, name="logp", method=method) for method in ("means", "ridge")]
    along, amount = _best_step(model, tuned, both)
    noise = seeds.numpy("arithmetic-random")
    nowhere, far = _best_step(model, tuned, [random_direction(direction, noise) for direction in both])
    words = f"logP +1 at Tanimoto >= .4: {along.method} direction, step of {amount:g} logP, {_TRIES} tries"
    found = [(along, amount, "success", words), (along, amount, "random", "a random step of the same length")]
    rows = []
    for direction, size, name, meaning in found:
        taken = direction if name == "success" else random_direction(direction, noise)
        rows.append(row_of(f"arithmetic_{name}", _success(model, test, taken, size), len(test), meaning))
    share = _success(model, test, nowhere, far)
    words = "random steps of the best length for them"
    return [*rows, row_of("arithmetic_random_best", share, len(test), words)]


def _best_step(
    model: MolVAE, molecules: list[Molecule], directions: list[Direction]
) -> tuple[Direction, float]:
    """The direction and the amount that succeed most often."""
    steps = [(direction, amount) for direction in directions for amount in AMOUNTS]
    return max(steps, key=lambda step: _success(model, molecules, *step))


def _success(model: MolVAE, molecules: list[Molecule], direction: Direction, amount: float) -> float:
    moved = shift(model, molecules, direction, amount, n_tries=_TRIES)
    return float(np.mean([_succeeds(item) for item in moved]))


def _succeeds(item: Shifted) -> bool:
    if not is_valid(item.molecule) or not is_valid(item.parent) or item.similarity < SIMILAR:
        return False
    before, after = _logp([item.parent, item.molecule])
    return bool(after - before >= RISE)


def _logp(molecules: list[Molecule]) -> np.ndarray:
    return describe_many(molecules, ["logp"])[:, 0]


def _interpolation(model: MolVAE, corpus: Corpus, n: int, seeds: Seeds) -> list[dict[str, Any]]:
    """Spherical paths between test molecules: share of valid steps, and monotonicity of similarity."""
    molecules = drawn(corpus, "test", 2 * n, seeds, "interpolation")
    order = seeds.numpy("interpolation-pairs").permutation(len(molecules))
    pairs = list(zip(order[::2].tolist(), order[1::2].tolist(), strict=False))
    at_once, valid, to_start, to_end = [], [], [], []
    for a, b in pairs:
        path = interpolate(model, molecules[a], molecules[b], n_steps=_STEPS)
        valid.append([is_valid(step.molecule) for step in path])
        at_once.append([is_valid(step.molecule) and step.n_decodes == 1 for step in path])
        to_start.append([step.to_start for step in path])
        to_end.append([step.to_end for step in path])
    falls = np.diff(np.nanmean(np.array(to_start), axis=0)) < 0
    rises = np.diff(np.nanmean(np.array(to_end), axis=0)) > 0
    steps = f"of the {_STEPS} steps of {len(pairs)} paths"
    return [
        row_of("interpolation_valid", np.mean(valid), len(pairs), f"{steps}: a molecule within 10 tries"),
        row_of("interpolation_valid_at_once", np.mean(at_once), len(pairs), f"{steps}: the point itself"),
        row_of(
            "interpolation_monotone",
            np.mean([*falls, *rises]),
            len(pairs),
            "share of steps at which the mean similarity to the start decreases and to the end increases",
        ),
    ]


def _conditional(model: MolVAE, corpus: Corpus, n: int, seeds: Seeds) -> list[dict[str, Any]]:
    """Requests with the logP and QED of test molecules, one molecule each."""
    asked = describe_many(drawn(corpus, "test", n, seeds, "conditional"), ["logp", "qed"])
    names = [name.lower() for name in model.property_names]
    if not {"logp", "qed"} <= set(names):
        return []
    wanted = np.full((len(asked), len(names)), np.nan)
    wanted[:, names.index("logp")], wanted[:, names.index("qed")] = asked.T
    seed = seeds.integer("conditional-sample")
    made = sample_conditional(model, wanted, seed=seed, n_pool=_POOL * len(wanted))
    fine = [number for number, item in enumerate(made) if is_valid(item)]
    molecules = [item for item in made if is_valid(item)]
    error = np.abs(describe_many(molecules, ["logp", "qed"]) - asked[fine]).mean(axis=0)
    n_made = len(made)
    distinct = len({molecule.smiles for molecule in molecules}) / max(1, len(molecules))
    return [
        row_of("cond_logp_mae", error[0], n_made, "of molecules requested with a logP and a QED"),
        row_of("cond_qed_mae", error[1], n_made, "of the same"),
        row_of(
            "cond_validity",
            len(molecules) / n_made,
            n_made,
            "of the same, chosen among samples",
        ),
        row_of("cond_uniqueness", distinct, n_made, "of the valid ones"),
    ]


def _options() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="ZINC250k, prepared by 'molvae prepare'")
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    for name, size in SIZES.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=size)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "latent-space")
    return parser.parse_args()


if __name__ == "__main__":
    main()
