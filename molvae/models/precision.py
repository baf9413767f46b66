"""Half precision ends where sums and exponentials begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def at_least_single(values: Tensor) -> Tensor:
    """The values in float32 if they are in half precision, unchanged otherwise; any shape."""
    return values.float() if values.element_size() < 4 else values  # noqa: PLR2004 - bytes of a float32
