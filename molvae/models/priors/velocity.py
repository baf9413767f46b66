"""The velocity field of a flow: exact for a Gaussian, and a residual network for what is not Gaussian."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from molvae.models.growth import take_over

if TYPE_CHECKING:
    from torch import Generator


class ResidualBlock(nn.Module):
    """h + contract(SiLU(expand(h) + clock(time))); inputs have unit variance, so that no layer needs a norm.

    Args:
        width: Units in and out.
        hidden: Units inside.
        clock: Numbers that tell the time.
    """

    def __init__(self, width: int, hidden: int, clock: int) -> None:
        super().__init__()
        self.expand = nn.Linear(width, hidden)
        self.clock = nn.Linear(clock, hidden, bias=False)
        self.contract = nn.Linear(hidden, width)

    def forward(self, states: Tensor, clock: Tensor) -> Tensor:
        """States after the block, `b x width`."""
        inside = self.expand(states) + self.clock(clock)
        after: Tensor = states + self.contract(functional.silu(inside))
        return after


class VelocityField(nn.Module):
    r"""The velocity of points on their way from noise to latent vectors; an angle a goes from 0 to pi / 2.

    A point is x = cos(a) x0 + sin(a) x1 with x0 from N(0, I) and x1 a latent vector; the field is the mean of
    its velocity -sin(a) x0 + cos(a) x1 over all such pairs that meet in x. (These are straight paths from
    noise to data, scaled to keep the variance: Lipman et al., arXiv:2210.02747; Albergo & Vanden-Eijnden,
    arXiv:2209.15571.) Were the latent vectors Gaussian with variance l along a coordinate, the point would
    have the variance d(a)^2 along it and, divided by d(a), it would rest:

    .. math:: d(a)^2 = \cos^2 a + l \sin^2 a

    So points are kept divided by d, and the network, whose last layer begins at 0, has to know only how the
    distribution differs from a Gaussian. Its unit is the standard deviation the velocity has in the Gaussian
    case, the square root of l over d.

    Args:
        variances: Of the latent vectors along their principal axes, `d`.
        width: Units between the blocks.
        hidden: Hidden units of a block.
        n_blocks: Residual blocks.
        n_harmonics: Cosines and sines of the angle the network reads.
    """

    variances: Tensor
    multiples: Tensor

    def __init__(
        self, variances: Tensor, *, width: int, hidden: int, n_blocks: int, n_harmonics: int
    ) -> None:
        super().__init__()
        size, clock = len(variances), 2 * n_harmonics
        self.register_buffer("variances", variances)
        # Numbers of its own also where the weights have none yet; torch's ranges load a compiler there.
        even = [2.0 * k for k in range(1, n_harmonics + 1)]
        self.register_buffer("multiples", torch.tensor(even, device="cpu"), persistent=False)
        self.enter = nn.Linear(size, width)
        self.clock = nn.Linear(clock, width, bias=False)
        self.blocks = nn.ModuleList(ResidualBlock(width, hidden, clock) for _ in range(n_blocks))
        self.leave = nn.Linear(width, size)

    @classmethod
    def drawn(cls, variances: Tensor, *, generator: Generator, **sizes: int) -> VelocityField:
        """A field of these sizes with weights from `initialize`; the caller's random numbers stay unused."""
        with torch.random.fork_rng(devices=[]):  # modules draw weights when they are made
            field = cls(variances, **sizes)
        field.initialize(generator)
        return field

    def initialize(self, generator: Generator) -> None:
        """Fill the network: every layer keeps the variance of its inputs, but the last one begins at 0."""
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=1.0 / math.sqrt(layer.in_features), generator=generator)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        for block in self.blocks:  # their sum adds as much variance as it finds
            block.get_parameter("contract.weight").data.div_(math.sqrt(len(self.blocks)))
        nn.init.zeros_(self.leave.weight)

    def grown(self, *, width: int, hidden: int, n_blocks: int, generator: Generator) -> VelocityField:
        """The same function by a network of at least these sizes, which can learn what this one could not.

        New units take random weights and give their results, at first, to nobody but new units (Chen et al.,
        arXiv:1511.05641); new blocks add nothing yet.

        Args:
            width: Units between the blocks.
            hidden: Hidden units of a block.
            n_blocks: Residual blocks.
            generator: Source of the weights of what is new.
        """
        known = self.state_dict()
        field = self.drawn(
            self.variances.clone(),
            width=max(width, self.enter.out_features),
            hidden=max(hidden, len(known["blocks.0.expand.weight"])),
            n_blocks=max(n_blocks, len(self.blocks)),
            n_harmonics=len(self.multiples),
            generator=generator,
        )
        for name, parameter in field.named_parameters():
            if name in known:
                take_over(parameter, known[name])
            elif name.endswith("contract.weight"):
                nn.init.zeros_(parameter)
        return field

    def deviations(self, angles: Tensor) -> Tensor:
        """d(a) of the coordinates at angles `b x 1`, `b x d`."""
        return (angles.cos().square() + self.variances * angles.sin().square()).sqrt()

    def forward(self, points: Tensor, angles: Tensor) -> Tensor:
        """Velocities of points divided by d(a), `b x d`, at angles `b x 1`."""
        return self.correction(points, angles) * self.variances.sqrt() / self.deviations(angles).square()

    def correction(self, points: Tensor, angles: Tensor) -> Tensor:
        """What the network adds to the velocities of a Gaussian, in its unit, `b x d`."""
        turns = angles * self.multiples
        clock = torch.cat([turns.cos(), turns.sin()], dim=1)
        states = self.enter(points) + self.clock(clock)
        for block in self.blocks:
            states = block(states, clock)
        added: Tensor = self.leave(states)
        return added
