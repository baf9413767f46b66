"""Run many trials of each family of faults in tests/faults, and count the failures.

`scripts/faults` calls it. A trial that violates a guarantee is reported with its family, number and reason;
the exit code is 1 if there is any.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from record import RESULTS, amend, commit, record

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "faults"))

from families import FAMILIES  # type: ignore[import-not-found]
from fault import Broken  # type: ignore[import-not-found]

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = {
    "silent_load": "silent_loads",
    "lost_score": "lost_scores",
    "doubled_score": "doubled_scores",
    "orphan": "orphans",
    "lost": "lost",
    "mixed": "mixed",
    "untyped": "untyped",
    "reader_refused": "readers_refused",
    "bomb_over_1gb": "bombs_over_1gb",
}

SHOWN = ("family", "trials", "nightly", "failures")  # on the page of benchmarks


def tried(
    trial: Callable[[random.Random, Path], str], rng: random.Random, temporary: Path
) -> tuple[str, str]:
    """Run one trial; return what happened and, if a guarantee was violated, its kind."""
    folder = Path(tempfile.mkdtemp(dir=temporary))
    try:
        return trial(rng, folder), ""
    except Broken as broken:
        return str(broken), broken.kind
    except Exception as error:  # noqa: BLE001 - unexpected errors are failures, too
        return f"{type(error).__name__}: {error}", "failure"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def family_row(family: Any, n_trials: int, seed: int, temporary: Path, seconds: float) -> dict[str, Any]:
    """Run the trials of one family, as many as the time allows; return its row of the table."""
    found: Counter[str] = Counter()
    broken: Counter[str] = Counter()
    reasons: list[str] = []
    begun = time.monotonic()
    done = 0
    for number in range(n_trials):
        if time.monotonic() - begun > seconds:
            break
        word, kind = tried(family.trial, random.Random(f"{seed} {family.name} {number}"), temporary)
        done += 1
        if kind:
            broken[kind] += 1
            reasons.append(word)
            print(f"  {family.name}, trial {number}: {word}", file=sys.stderr)
        else:
            found[word.partition(":")[0]] += 1
    return {
        "family": family.name,
        "trials": done,
        "nightly": family.nightly,
        "failures": sum(broken.values()),
        **{plural: broken[kind] for kind, plural in KINDS.items()},
        "what happened": ", ".join(f"{word} {count}" for word, count in found.most_common(4)),
        "causes": reasons[:3],
        **({"kinds of calls": family.covered()} if family.covered else {}),
        "seconds": round(time.monotonic() - begun, 1),
    }


def main() -> None:
    """Run the families and print the table; with --record, write results/faults.json after each of them."""
    options = _options()
    started_at = commit()
    chosen = [f for f in FAMILIES if not options.only or any(part in f.name for part in options.only)]
    rows = {family.name: not_reached(family) for family in chosen}
    temporary = Path(tempfile.mkdtemp(prefix="faults-"))
    os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
    try:
        for family in sorted(chosen, key=lambda f: f.short in {1, 2}):  # the most expensive ones last
            n_trials = max(1, round(family.nightly * options.share))
            if options.complete:
                n_trials = min(n_trials, lacking(family))
            if n_trials == 0:
                continue
            row = rows[family.name] = family_row(family, n_trials, options.seed, temporary, options.seconds)
            print(
                f"{row['family']:36} {row['trials']:6} trials {row['failures']:4} failures "
                f"{row['seconds']:7.1f} s  {row['what happened']}",
                flush=True,
            )
            if options.amend or options.complete:
                put_in(row, started_at, options.seed, add=options.complete)
            elif options.record:
                write(list(rows.values()), options.seed, started_at)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    figures = figures_of(list(rows.values()))
    print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items()))
    sys.exit(1 if figures["failures"] else 0)


def lacking(family: Any) -> int:
    """Nightly trials that the record lacks."""
    content = json.loads((RESULTS / "faults.json").read_text(encoding="utf-8"))
    done = {row["family"]: row["trials"] for row in content["table"]}
    missing: int = family.nightly - done.get(family.name, 0)
    return max(0, missing)


def not_reached(family: Any) -> dict[str, Any]:
    """The row of a family that has not run yet."""
    counts = {"trials": 0, "nightly": family.nightly, "failures": 0, **dict.fromkeys(KINDS.values(), 0)}
    return {"family": family.name, **counts, "what happened": "not reached", "causes": [], "seconds": 0.0}


def figures_of(rows: list[dict[str, Any]]) -> dict[str, float | int | None]:
    """The sums over all families."""
    return {
        "trials": sum(row["trials"] for row in rows),
        "trials_of_a_night": sum(row["nightly"] for row in rows),
        "failures": sum(row["failures"] for row in rows),
        **{plural: sum(row.get(plural, 0) for row in rows) for plural in KINDS.values()},
    }


def write(rows: list[dict[str, Any]], seed: int, started_at: str) -> None:
    """Record the results so far: a run that is stopped keeps the families it finished."""
    summary = [{key: row[key] for key in SHOWN} for row in rows]
    figures = figures_of(rows)
    record("faults", figures=figures, table=rows, seeds=[seed], started_at=started_at, summary=summary)


def _outcome(row: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    """The result of a family's earlier run, with its commit."""
    seen = {key: row[key] for key in ("trials", "failures", "causes")}
    return {"commit": row.get("commit", content["commit"]), **seen}


def put_in(row: dict[str, Any], started_at: str, seed: int, *, add: bool) -> None:
    """Replace the row of a family in the record, or add its trials to the row.

    A row that is replaced stays in the new one, under "before".
    """

    def changed(content: dict[str, Any]) -> None:
        found = {old["family"]: old for old in content["table"]}
        again = {**row, "commit": started_at}
        if old := found.get(row["family"]):
            if add:
                again = _summed({"commit": content["commit"], **old}, again)
            else:
                again["before"] = [*old.get("before", []), _outcome(old, content)]
        found[row["family"]] = again
        content["table"] = [found[family.name] for family in FAMILIES if family.name in found]
        content["summary"] = [{key: old[key] for key in SHOWN} for old in content["table"]]
        content["figures"] = figures_of(content["table"])
        content["seeds"] = sorted({*content["seeds"], seed})

    amend("faults", changed)


def _summed(first: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Both rows added up, with both commits."""
    counts = {
        name: first.get(name, 0) + more[name] for name in ("trials", "failures", *KINDS.values(), "seconds")
    }
    texts = {name: f"{first[name]}; {more[name]}" for name in ("what happened", "commit")}
    counts["seconds"] = round(counts["seconds"], 1)
    causes = first["causes"] + more["causes"]
    return {**first, **counts, **texts, "nightly": more["nightly"], "causes": causes}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="share of the nightly trials (default 1)")
    parser.add_argument("--only", action="append", help="names of families, or parts of them; repeatable")
    parser.add_argument("--seconds", type=float, default=math.inf, help="time limit of each family")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true", help="write scripts/benchmark/results/faults.json")
    parser.add_argument(
        "--amend",
        action="store_true",
        help="replace the rows of these families in the existing record",
    )
    parser.add_argument(
        "--complete",
        action="store_true",
        help="run the nightly trials that the record lacks, with another --seed, and add them",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
