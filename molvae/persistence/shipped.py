"""What comes with molvae: models and data in a checkout, or beside an installed package."""

from __future__ import annotations

import sysconfig
from pathlib import Path


def shipped(kind: str) -> dict[str, Path]:
    """Entries of a kind (`checkpoints`, `datasets`) by name; those of a checkout come first."""
    package = Path(__file__).resolve().parents[1]
    beside = Path("share") / "molvae" / kind
    schemes = {sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user")}
    places = [
        package.parent / kind if (package.parent / "pyproject.toml").is_file() else None,
        package.parent / beside,  # pip install --target
        *(Path(sysconfig.get_path("data", scheme)) / beside for scheme in sorted(schemes)),
    ]
    found: dict[str, Path] = {}
    for place in places:
        if place is not None and place.is_dir():
            found = {entry.name: entry for entry in sorted(place.iterdir())} | found
    return found
