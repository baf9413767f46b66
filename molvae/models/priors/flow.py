"""The flow-matching prior: an ODE from noise to latent vectors."""

from __future__ import annotations

import math
from copy import deepcopy
from itertools import pairwise
from typing import TYPE_CHECKING, Self

import torch

from molvae.models.priors.base import PRIORS, LatentDensity
from molvae.models.priors.flow_fitting import (
    FIRST_ANGLE,
    Standardization,
    VelocityField,
    standardization,
    train_field,
)
from molvae.models.tensors import check_tensors, fill, frozen, halved, shapes_of

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from molvae.models.config import FitSettings
    from molvae.models.fitting import FitContext
    from molvae.models.network import Posterior

_ROWS = 2048  # points integrated at once
_STEPS, _MOST_STEPS = 5, 1000  # of Runge-Kutta
_SIZES = {"width": 256, "hidden": 512, "n_blocks": 3, "n_harmonics": 4}  # of a new network
_FIELD, _VARIANCES = "velocity.", "velocity.variances"


@PRIORS.register("flow")
class FlowPrior(LatentDensity):
    """Normal noise of standard deviation `temperature`, transported by an ordinary differential equation.

    The velocity field `velocity`, along the principal axes of `units`, is integrated by the classical
    Runge-Kutta method (order 4) in `n_steps` from the smallest training angle; an untrained network gives a
    Gaussian. The network is rounded to half precision, in which it is stored, so that samples are the same
    after saving and loading.
    """

    name = "flow"

    def __init__(
        self, units: Standardization, velocity: VelocityField, n_steps: int, temperature: float = 1.0
    ) -> None:
        self.units, self.n_steps = units, n_steps
        self.temperature = float(torch.tensor(temperature))  # in single precision, in which it is stored
        self.velocity = frozen(velocity)

    @classmethod
    def fit(
        cls, posterior: Posterior, settings: FitSettings, context: FitContext, initial: Self | None = None
    ) -> Self:
        """Fit by flow matching to the posteriors, with their noise integrated out (`flow_fitting`).

        A fit that continues from `initial` keeps its units, its temperature and the sizes of its network.
        """
        temperature = 1.0
        if initial is None:
            units, variances = standardization(posterior)
            begun = VelocityField.drawn(variances, generator=context.generator, **_SIZES)
        else:
            units, temperature = initial.units, initial.temperature
            begun = deepcopy(initial.velocity).requires_grad_()
        velocity = train_field(begun, units, posterior, settings.flow.steps, context)
        return cls(units, velocity, _STEPS, temperature)

    def sample(self, n: int, generator: Generator) -> Tensor:
        """`from_normal` of standard normal draws, `n x d`."""
        return self.from_normal(torch.randn(n, len(self.units.mean), generator=generator))

    @torch.inference_mode()
    def from_normal(self, noise: Tensor) -> Tensor:
        """Transport `noise`, `n x d`, to latent vectors, `n x d`."""
        stops = torch.linspace(FIRST_ANGLE, math.pi / 2, self.n_steps + 1, dtype=torch.float64)
        parts = []
        for first in range(0, max(len(noise), 1), _ROWS):
            x = self.temperature * noise[first : first + _ROWS]
            for now, then in pairwise(stops.tolist()):
                x = self._step(x, now, then - now)
            parts.append(x)
        return self.units.restore(torch.cat(parts) * self.velocity.variances.sqrt())

    def _step(self, x: Tensor, angle: float, step: float) -> Tensor:
        def at(points: Tensor, share: float) -> Tensor:
            field: Tensor = self.velocity(points, points.new_full((len(points), 1), angle + share * step))
            return field

        first = at(x, 0.0)
        second = at(x + 0.5 * step * first, 0.5)
        third = at(x + 0.5 * step * second, 0.5)
        fourth = at(x + step * third, 1.0)
        return x + step / 6.0 * (first + 2.0 * second + 2.0 * third + fourth)

    def tensors(self) -> dict[str, Tensor]:
        """Units, number of steps, temperature, and the network of the field in half precision."""
        return {
            **halved(self.velocity, _FIELD),
            _VARIANCES: self.velocity.variances,
            **self.units.tensors(),
            "steps": torch.tensor([float(self.n_steps)]),
            "temperature": torch.tensor([self.temperature]),
        }

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], latent_size: int) -> Self:
        """Restore a flow; `ValueError` if the tensors are inconsistent."""
        velocity = _field_of(tensors, latent_size)
        shapes = shapes_of(velocity.state_dict(), _FIELD) | Standardization.shapes(latent_size)
        check_tensors(tensors, {**shapes, "steps": (1,), "temperature": (1,)})
        if not bool((tensors["scale"] > 0).all()) or not bool((tensors[_VARIANCES] > 0).all()):
            raise ValueError("scales and variances of a flow are positive")
        n_steps = float(tensors["steps"])
        if not n_steps.is_integer() or not 1 <= n_steps <= _MOST_STEPS:
            raise ValueError(f"a flow takes 1 to {_MOST_STEPS} steps, got {n_steps}")
        temperature = float(tensors["temperature"])
        if temperature <= 0.0:
            raise ValueError(f"the temperature of a flow is positive, got {temperature}")
        fill(velocity, tensors, _FIELD)
        return cls(Standardization.from_tensors(tensors), velocity, int(n_steps), temperature)


def _field_of(tensors: dict[str, Tensor], latent_size: int) -> VelocityField:
    """A field on the meta device, with sizes from the tensors; `ValueError` if these are inconsistent."""
    try:
        width = tensors[_FIELD + "enter.weight"].shape[0]
        n_harmonics = tensors[_FIELD + "clock.weight"].shape[1] // 2
        hidden = tensors[_FIELD + "blocks.0.expand.weight"].shape[0]
    except (KeyError, IndexError) as error:
        raise ValueError(f"a flow has a network, but {error} is missing or not a matrix") from None
    n_blocks = sum(name.endswith(".expand.weight") for name in tensors)
    with torch.device("meta"):
        return VelocityField(
            torch.ones(latent_size), width=width, hidden=hidden, n_blocks=n_blocks, n_harmonics=n_harmonics
        )
