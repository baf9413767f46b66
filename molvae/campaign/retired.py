"""Settings that earlier versions had: journals and settings files that hold them still open."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOG = logging.getLogger("molvae")

_RETIRED: dict[str, Any] = {
    "n_library": 100, "n_fingerprint": 4096,
    "search": {
        "n_parents": 60, "n_scalarizations": 4, "n_generations": 4, "n_offspring": 120, "n_offspring_each": 3,
        "surrogate": {
            "n_best": 1000, "n_random": 500, "recency": 2000.0,
            "members": {
                "outputscale": 10.0, "noise": 1e-3, "mean": 0.0, "own_lengthscales": True, "n_fit": 300,
                "refit_growth": 1.3,
            },
            "portfolio": {
                "half_life": 60.0, "n_recent": 60, "prior_picks": 4.0, "skill_weight": 1.0, "floor": 0.2,
                "n_elite": 10,
            },
        },
        "acquisition": {
            "beta_low": -2.0, "beta_high": 0.0, "similarity_cap": 0.9, "n_joint": 256, "batch": "greedy",
        },
        "proposal": {
            "pcn": 0.2, "slerp": 0.25, "noise": 0.2, "ascent": 0.3, "prior": 0.05, "step_low": 0.2,
            "step_high": 0.8, "scale_low": 0.5, "scale_high": 2.0, "climb_low": 0.7, "climb_high": 4.0,
            "widen_above": 0.6, "narrow_below": 0.15, "patience": 200, "pressure": 0.1,
        },
        "graph": {"mutation": 0.45, "crossover": 0.4, "decoration": 0.15, "another": 0.25, "most_edits": 4},
        "shares": {"adapt": True, "floor": 0.2, "half_life": 10.0, "hit_weight": 0.5, "prior_batches": 2.0},
        "trust_region": {
            "length": 0.8, "shortest": 2.0**-7, "longest": 1.6, "success_tolerance": 3,
            "failure_tolerance": None, "n_candidates": 2000,
        },
        "retreat": {"patience": 100, "n_batches": 4, "apart": 0.4, "most": 2},
    },
}  # fmt: skip
"""Their defaults, which are constants now, by section."""
_RENAMED = {("method", "latent-bo"): "bo", ("search.acquisition.name", "qlogei"): "logei"}


def without_retired(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a campaign without those that no longer exist; a warning names those that were changed."""
    kept, changed = _pruned(values, _RETIRED, "")
    if changed:
        _warn(", ".join(changed))
    return kept


@cache
def _warn(settings: str) -> None:
    """Warn once, although settings are read from a file and from the journal."""
    _LOG.warning("ignored, as these settings no longer exist: %s", settings)


def _pruned(
    values: Mapping[str, Any], retired: Mapping[str, Any], prefix: str
) -> tuple[dict[str, Any], list[str]]:
    """What is left of a section, and the names of retired settings that are not at their default."""
    kept: dict[str, Any] = {}
    changed: list[str] = []
    for name, value in values.items():
        key = f"{prefix}{name}"
        if name not in retired:
            kept[name] = _RENAMED.get((key, value), value) if isinstance(value, str) else value
        elif not isinstance(retired[name], dict):
            changed += [f"{key} = {value}"] if value != retired[name] else []
        elif isinstance(value, dict):
            inner, more = _pruned(value, retired[name], f"{key}.")
            changed += more
            kept |= {name: inner} if inner else {}
        elif isinstance(value, list):
            rows = [_pruned(row, retired[name], f"{key}.") for row in value if isinstance(row, dict)]
            kept[name] = [row for row, _ in rows] if len(rows) == len(value) else value
            changed += [one for _, more in rows for one in more]
        else:
            kept[name] = value
    return kept, changed
