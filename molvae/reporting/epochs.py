"""What a training log says of its epochs: which figures there are, and which belong into one panel."""

from __future__ import annotations

from fnmatch import fnmatch
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PANELS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("validation loss (nats per molecule)", ("loss",)),
    ("reconstruction (nats per molecule)", ("train reconstruction", "valid reconstruction")),
    ("KL (nats per molecule)", ("train kl", "valid kl")),
    ("share of molecules", ("valid exact_reconstruction", "valid *validity", "valid *uniqueness")),
    ("mean absolute error of properties", ("valid mae_*",)),
    ("beta", ("beta",)),
    ("active units", ("valid active_units",)),
    ("property term (nats per molecule)", ("train property", "valid property")),
    ("norm of the gradient", ("train gradient_norm",)),
)
"""Panel title -> metrics it shows, by section and name in `metrics.jsonl`; a star stands for any ending."""


def panels(epochs: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """The panels of `PANELS` that these records have figures for, with the names of those."""
    seen = list(dict.fromkeys(name for record in epochs for name in record))
    found = [
        (title, [name for name in seen if any(map(partial(fnmatch, name), names))]) for title, names in PANELS
    ]
    return [(title, names) for title, names in found if names]


def flat_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """`{"valid": {"kl": 3}}` as `{"valid kl": 3}`; numbers and missing numbers only."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        inner = value.items() if isinstance(value, dict) else ()
        flat |= {f"{name} {key}": item for key, item in inner if _drawable(item)}
        if _drawable(value):
            flat[name] = value
    return flat


def _drawable(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def words(name: str) -> str:
    """The name of a metric as a legend says it.

    >>> words("valid mae_qed"), words("valid prior_validity")
    ('qed', 'prior validity')
    """
    for prefix in ("valid mae_", "valid exact_"):
        name = name.removeprefix(prefix)
    return name.replace("valid prior", "prior").replace("_", " ")
