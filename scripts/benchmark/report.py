"""Measure the report of a 1,000-call campaign (size, time to open); draw the picture of the documentation.

    python scripts/benchmark/report.py

The measured campaign is random search in the starter set. The picture shows another one, with 80 calls and
two objectives. Journals are saved in --work; the same command continues after an interruption.
"""

from __future__ import annotations

import argparse
import re
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from arguments import CHECKPOINT
from record import ROOT, record, smiles_in

from molvae.api import optimize
from molvae.latent.codec import MolVAE
from molvae.reporting.page import render
from molvae.reporting.report import make_report

PICTURE = ROOT / "docs" / "pictures" / "report.png"
N_PICTURED = 300  # start molecules of the pictured campaign
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_LOADED = (
    "<script>addEventListener('load', () => setTimeout(() => { const t = performance.getEntriesByType("
    "'navigation')[0]; document.documentElement.dataset.loaded = t.loadEventEnd; }))</script></body>"
)


def main() -> None:
    """Run the campaigns, make and open their reports; print and record the figures."""
    options = _options()
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise SystemExit("this benchmark needs Chromium, which was not found")
    model = MolVAE.load(options.checkpoint, device="cpu")
    library = smiles_in(options.library)
    long, pictured = options.work / "random", options.work / "two"
    optimize(model, maximize=["qed"], budget=1000, q=50, method="random", seed=3, start=library, output=long)
    begun = time.process_time()
    html = render(make_report(long))
    made = time.process_time() - begun
    opened = [_load_seconds(browser, html) for _ in range(options.repeats)]
    empty = [_load_seconds(browser, "<!doctype html><body></body>") for _ in range(options.repeats)]
    load = min(seconds for seconds, _ in opened)
    work = round(min(spent for _, spent in opened) - min(spent for _, spent in empty), 3)
    table = [
        {
            "rows": 1000,
            "megabytes": round(len(html.encode()) / 1e6, 3),
            "s to make (processor)": round(made, 2),
            "s to open (processor)": work,
            "s to open (clock)": load,
        }
    ]
    optimize(
        model,
        maximize=["qed"],
        minimize=["tpsa"],
        at_most={"sa": 3.5},
        budget=80,
        seed=3,
        start=library[:N_PICTURED],
        output=pictured,
    )
    _draw(browser, render(make_report(pictured)))
    print(table[0])
    figures: dict[str, float | int | None] = {
        "megabytes": len(html.encode()) / 1e6,
        "open_processor": work,
        "open_clock": load,
    }
    print(record("report", figures=figures, table=table, seeds=[3]))


def _load_seconds(browser: str, html: str) -> tuple[float, float]:
    """Seconds until a page has loaded and its script has run, by its own clock; and processor seconds."""
    text = re.sub(
        r"<meta http-equiv[^>]*>", "", html, count=1
    )  # its content security policy would block the script
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    seen = _open(browser, text.replace("</body>", _LOADED), "--dump-dom")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = re.search(r'data-loaded="([\d.]+)"', seen)
    if found is None:
        raise SystemExit("the page did not report when it had loaded")
    return round(float(found[1]) / 1000, 3), spent


def _draw(browser: str, html: str) -> None:
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    size = ["--window-size=1180,1640", "--force-device-scale-factor=1"]
    _open(browser, html, f"--screenshot={PICTURE}", "--virtual-time-budget=5000", *size)


def _open(browser: str, html: str, *words: str) -> str:
    fixed = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
    with tempfile.TemporaryDirectory() as place:
        page = Path(place) / "report.html"
        page.write_text(html, encoding="utf-8")
        command = [browser, *fixed, f"--user-data-dir={place}/profile", *words, f"file://{page}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)  # noqa: S603
    return done.stdout


def _options() -> Any:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    parser.add_argument("--library", type=Path, default=ROOT / "datasets" / "starter.csv.gz")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "report", help="directory of journals")
    parser.add_argument("--repeats", type=int, default=4)
    return parser.parse_args()


if __name__ == "__main__":
    main()
