"""Measure 30,000 molecules of a published model and compare every metric with the published value.

MOLVAE_DATA names the directory with golden/jtnn_moses_30k.txt.gz, moses/ and filters/. Statistics of the
references are saved under runs/reference-statistics, so only the first run takes long.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from arguments import parser_of
from record import ROOT, commit, record, smiles_in

from molvae.evaluation.distribution import measure
from molvae.evaluation.molecules import MoleculeSet
from molvae.progress import PlainProgress

if TYPE_CHECKING:
    from molvae.evaluation.base import MetricTable
    from molvae.evaluation.profile import Part

PUBLISHED = {
    "valid": 1.0,
    "unique@1k": 1.0,
    "unique@10k": 0.9992,
    "FCD/Test": 0.42235,
    "SNN/Test": 0.55606,
    "Frag/Test": 0.99622,
    "Scaf/Test": 0.89250,
    "FCD/TestSF": 0.99622,
    "SNN/TestSF": 0.52729,
    "Frag/TestSF": 0.99479,
    "Scaf/TestSF": 0.10050,
    "IntDiv": 0.85117,
    "IntDiv2": 0.84531,
    "Filters": 0.9778,
}
"""The values published together with the molecules (wengong-jin/icml18-jtnn, fast_molvae/moses-h450z56)."""

CACHE = ROOT / "runs" / "reference-statistics"
_PARTS: tuple[Part, ...] = ("fingerprints", "fragments", "scaffolds", "filters")
_TOLERANCE, _FCD_TOLERANCE = 0.01, 0.02


def main() -> int:
    """Measure, compare and record; exit 1 if a metric is outside the tolerance."""
    parser = parser_of(__doc__)
    parser.add_argument(
        "--no-fcd", action="store_true", help="without FCD, which takes longest; nothing is recorded"
    )
    parser.add_argument("--workers", type=int, default=0)
    options = parser.parse_args()
    started_at = commit()
    table = _measured(fcd=not options.no_fcd, workers=options.workers)
    rows = [_row(name, published, table[name]) for name, published in PUBLISHED.items() if name in table]
    for row in rows:
        print(
            f"{row['metric']:12} published {row['published']:.5f}  measured {row['measured']:.5f}  ", end=""
        )
        print(f"deviation {row['deviation_percent']:+.2f} %  {row['within']}")
    if not options.no_fcd:
        figures: dict[str, float | int | None] = {
            _key(str(row["metric"])): float(row["measured"]) for row in rows
        }
        path = record("metrics_golden", figures=figures, table=rows, seeds=[], started_at=started_at)
        print(f"-> {path.name}")
    return int(any(row["within"] == "no" for row in rows))


def _measured(*, fcd: bool, workers: int) -> MetricTable:
    data = Path(os.environ["MOLVAE_DATA"]).resolve()
    progress = PlainProgress(sys.stderr, every=60.0)

    def molecules(name: str, path: Path) -> MoleculeSet:
        return MoleculeSet(
            moses_smiles(path),
            name=name,
            alerts=data / "filters",
            cache=CACHE,
            workers=workers,
            progress=progress,
        )

    samples = molecules("samples", data / "golden" / "jtnn_moses_30k.txt.gz")
    references = [
        molecules("Test", data / "moses" / "test.csv.gz"),
        molecules("TestSF", data / "moses" / "test_scaffolds.csv.gz"),
    ]
    return measure(samples, references=references, parts=_PARTS, fcd=fcd, progress=progress)


def moses_smiles(path: Path) -> list[str]:
    """The SMILES of a MOSES file, in order."""
    return smiles_in(path, "SMILES")


def _row(name: str, published: float, measured: float) -> dict[str, float | str]:
    deviation = measured / published - 1.0
    allowed = _FCD_TOLERANCE if name.startswith("FCD") else _TOLERANCE
    return {
        "metric": name,
        "published": published,
        "measured": round(measured, 5),
        "deviation_percent": round(100.0 * deviation, 2),
        "within": "yes" if abs(deviation) <= allowed else "no",
    }


def _key(name: str) -> str:
    return name.lower().replace("/", "_").replace("@", "_")


if __name__ == "__main__":
    sys.exit(main())
