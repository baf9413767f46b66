"""Noise levels: the share of z that is replaced by noise before decoding, 0 to 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from molvae.models.network import normal

if TYPE_CHECKING:
    from torch import Generator, Tensor

N_COLUMNS = 2
"""Number of `columns`."""


def draw_levels(n: int, exact: float, free: float, generator: Generator | None = None) -> Tensor:
    """Training levels, `n`, in random order: a share `exact` at 0, and a share `free` of the others at 1.

    The rest are spread evenly between.
    """
    places = torch.randperm(n, generator=generator) + torch.rand(n, generator=generator)
    between = (places / n - exact) / max((1.0 - exact) * (1.0 - free), 1e-9)
    return between.clamp(0.0, 1.0)


def blurred(z: Tensor, levels: Tensor, generator: Generator | None = None) -> Tensor:
    """z_s = sqrt(1 - s^2) z + s noise, `b x d`, at levels s, `b`: N(0, I) stays N(0, I) at every level."""
    return kept(levels)[:, None] * z + levels[:, None] * normal(z, generator)


def expected(z: Tensor, levels: Tensor) -> Tensor:
    """The mean of z ~ N(0, I) given z_s `b x d` at levels s `b`: sqrt(1 - s^2) z_s, `b x d`.

    This is the decoder's input: z itself at level 0, and zero at level 1, where the output does not depend on
    z or on the noise.
    """
    return kept(levels)[:, None] * z


def columns(levels: Tensor) -> Tensor:
    """Columns of the decoder's input for the levels `b`: s and sqrt(1 - s^2), `b x 2`."""
    return torch.stack([levels, kept(levels)], dim=-1)


def kept(levels: Tensor) -> Tensor:
    """sqrt(1 - s^2): the share of z that is left in z_s."""
    return (1.0 - levels.square()).clamp_min(0.0).sqrt()
