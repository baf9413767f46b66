"""Train models with different objectives on MOSES molecules; compare their reconstruction and samples.

Instead of MOSES's 1.58 million training molecules, its 176,074 test molecules are used: 20,000 are held out,
and the others are for training (2,000 of them for validation). There are three KL weights: so large that z
carries no information (a language model), the final weight of MOSES's VAE, and molvae's, adapted to a target
KL. Two targets are used: one low enough for a density fitted to latent vectors, and a higher one, for a
smaller network and half as many epochs, with a language prior. The first two models sample at temperature 1
from N(0, I), as MOSES does; the others like `MolVAE.sample`.

    python scripts/benchmark/moses_protocol.py
    python scripts/benchmark/moses_protocol.py --only-language-model  # in parallel, on another core

MOLVAE_DATA names the directory with moses/ and filters/. Runs are saved in --work, and the same command
continues after an interruption; about four hours of a core with bfloat16 (AMX), ten without.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from family import prepared
from moses_models import ARMS, FLOOR, MOLVAE, PRIORS, Bench, molecules_file, slug
from record import ROOT, amend, commit, machine, record

from molvae.data.corpus import Corpus
from molvae.progress import PlainProgress

_SHOWN = (
    "model", "prior", "recon_mu", "recon_sampled", "kl", "valid", "novelty", "fcd_holdout", "fcd_testsf",
)  # fmt: skip


def main() -> None:
    """Train, measure, print and write results/moses_protocol.json."""
    options = _options()
    started_at = commit()
    progress = PlainProgress(sys.stderr, every=60.0)
    data = Path(os.environ["MOLVAE_DATA"]).resolve()
    molecules = molecules_file(data, options.work)
    corpus = Corpus.open(prepared(molecules, options.work / "corpus"))
    bench = Bench(corpus, data, options, progress)
    if options.only_language_model:
        bench.language_model()
        return
    table = []
    for arm in options.arms:
        model, seconds = bench.trained(arm)
        shared = {"model": arm, **bench.on_molecules(arm, model), "seconds_per_epoch": seconds}
        for prior in _priors(arm):
            row = {**shared, "prior": prior, **bench.on_samples(arm, model, prior)}
            print(row, flush=True)
            table.append(row)
    table.append({"model": FLOOR, "fcd_holdout": bench.floor()})
    if options.no_record:
        print(_figures(table))
    elif set(options.arms) == set(ARMS):
        record("moses_protocol", **_content(table), seeds=[options.seed], started_at=started_at)
    else:
        amend("moses_protocol", lambda known: known.update(_content(_with_rows(known["table"], table))))


def _with_rows(known: list[dict[str, Any]], measured: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The recorded rows, with those of models that were measured again replaced."""
    cpu, again = machine()["cpu"], {row["model"] for row in measured}
    rows = [{**row, "cpu": cpu} for row in measured] + [row for row in known if row["model"] not in again]
    order = [*ARMS, FLOOR]
    return sorted(rows, key=lambda row: order.index(row["model"]))


def _content(table: list[dict[str, Any]]) -> dict[str, Any]:
    summary = [{name: row.get(name) for name in _SHOWN} for row in table]
    return {"figures": _figures(table), "summary": summary, "table": table}


def _figures(table: list[dict[str, Any]]) -> dict[str, float | int | None]:
    """Metrics of molvae with a language prior, and the FCD of the others."""
    rows = {(row["model"], row.get("prior")): row for row in table}
    shipped = rows.get((MOLVAE, "language"), {})
    names = {"fcd_holdout": "moses_fcd_holdout", "recon_sampled": "moses_recon_sampled"}
    names |= {"recon_mu": "moses_recon_mu", "recon_sampled_encoder": "moses_recon_sampled_encoder"}
    names |= {"valid": "moses_valid", "fcd_testsf": "moses_fcd_testsf"}
    figures = {figure: shipped.get(name) for name, figure in names.items()}
    for arm in ARMS:
        if arm != MOLVAE:
            best = _priors(arm)[-1]
            figures[f"moses_fcd_holdout_{slug(arm)}"] = rows.get((arm, best), {}).get("fcd_holdout")
    return {**figures, "moses_fcd_floor": rows[FLOOR, None]["fcd_holdout"]}


def _priors(arm: str) -> tuple[str, ...]:
    """What an arm draws z from, the best last."""
    return PRIORS.get(arm, ("normal",))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--arms",
        nargs="+",
        choices=list(ARMS),
        default=list(ARMS),
        help="others keep their rows in the record",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--work", type=Path, default=ROOT / "runs" / "moses-protocol", help="directory of runs"
    )
    parser.add_argument(
        "--only-language-model",
        action="store_true",
        help="only train the language model, in parallel to another run on another core",
    )
    parser.add_argument("--no-record", action="store_true", help="do not write results/moses_protocol.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
