"""HTML pages in headless Chromium, if it is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next((found for name in NAMES if (found := shutil.which(name))), None)
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason=f"no Chromium here (looked for {', '.join(NAMES)}): apt-get install chromium"
)


@dataclass(frozen=True)
class Seen:
    """A page after loading.

    Attributes:
        html: The document after its scripts have run.
        console: Warnings and errors of the page's console.
    """

    html: str
    console: list[str]


def look(address: str, profile: Path, *options: str, milliseconds: int = 20_000) -> Seen:
    """Open a page, run its scripts, and return the result.

    Args:
        address: URL of the page, file:// or http://.
        profile: An empty directory the browser may write into.
        options: Options of Chromium, such as --window-size=1280,900 or --screenshot=FILE.
        milliseconds: Virtual time for the scripts; waiting for the network does not count.
    """
    fixed = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
    fixed += [
        f"--user-data-dir={profile}",
        f"--virtual-time-budget={milliseconds}",
        "--enable-logging=stderr",
    ]
    done = subprocess.run(
        [str(CHROMIUM), *fixed, *options, "--dump-dom", address],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return Seen(done.stdout, re.findall(r":CONSOLE[:(]\d+\)?\] (.*)", done.stderr))
