"""Flow matching: the velocity field, exact for a Gaussian, and its training on posteriors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from molvae.models.devices import has_fast_bfloat16
from molvae.models.fitting import EMA_DECAY, Fit, Recipe, adam
from molvae.models.network import Posterior, at_least_single

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Generator, Tensor

    from molvae.models.fitting import FitContext, Standing


class ResidualBlock(nn.Module):
    """h + contract(SiLU(expand(h) + clock(time))); inputs of unit variance, so that no layer needs a norm."""

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
    r"""The velocity of points on paths from noise to latent vectors; the angle a goes from 0 to pi / 2.

    A point is x = cos(a) x0 + sin(a) x1 with x0 from N(0, I) and x1 a latent vector; the field is the mean of
    its velocity -sin(a) x0 + cos(a) x1 given x. (These are straight paths from noise to data, scaled to keep
    the variance: Lipman et al., arXiv:2210.02747; Albergo & Vanden-Eijnden, arXiv:2209.15571.) If the latent
    vectors were Gaussian with variance l along a coordinate, points would have variance d(a)^2 along it, and
    points divided by d(a) would be constant:

    .. math:: d(a)^2 = \cos^2 a + l \sin^2 a

    So points are divided by d, and the network, whose last layer starts at 0, learns only the difference from
    a Gaussian. Its output is in units of the standard deviation of the velocity in the Gaussian case,
    sqrt(l) / d. The variances, `d`, are along the principal axes; the network reads `n_harmonics` cosines and
    sines of the angle.
    """

    variances: Tensor
    multiples: Tensor

    def __init__(
        self, variances: Tensor, *, width: int, hidden: int, n_blocks: int, n_harmonics: int
    ) -> None:
        super().__init__()
        size, clock = len(variances), 2 * n_harmonics
        self.register_buffer("variances", variances)
        # Real values even on the meta device, where torch.arange would import torch's compiler.
        even = [2.0 * k for k in range(1, n_harmonics + 1)]
        self.register_buffer("multiples", torch.tensor(even, device="cpu"), persistent=False)
        self.enter = nn.Linear(size, width)
        self.clock = nn.Linear(clock, width, bias=False)
        self.blocks = nn.ModuleList(ResidualBlock(width, hidden, clock) for _ in range(n_blocks))
        self.leave = nn.Linear(width, size)

    @classmethod
    def drawn(cls, variances: Tensor, *, generator: Generator, **sizes: int) -> VelocityField:
        """A field of these sizes with weights from `initialize`; torch's global generator is untouched."""
        with torch.random.fork_rng(devices=[]):  # module constructors draw weights
            field = cls(variances, **sizes)
        field.initialize(generator)
        return field

    def initialize(self, generator: Generator) -> None:
        """Initialize the network: every layer keeps the variance of its inputs; the last one is 0."""
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=1.0 / math.sqrt(layer.in_features), generator=generator)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        for block in self.blocks:  # together they double the variance
            block.get_parameter("contract.weight").data.div_(math.sqrt(len(self.blocks)))
        nn.init.zeros_(self.leave.weight)

    def deviations(self, angles: Tensor) -> Tensor:
        """d(a) of the coordinates at angles `b x 1`, `b x d`."""
        return (angles.cos().square() + self.variances * angles.sin().square()).sqrt()

    def forward(self, points: Tensor, angles: Tensor) -> Tensor:
        """Velocities of points divided by d(a), `b x d`, at angles `b x 1`."""
        return self.correction(points, angles) * self.variances.sqrt() / self.deviations(angles).square()

    def correction(self, points: Tensor, angles: Tensor) -> Tensor:
        """The network's correction to the Gaussian velocities, in its unit, `b x d`."""
        turns = angles * self.multiples
        clock = torch.cat([turns.cos(), turns.sin()], dim=1)
        states = self.enter(points) + self.clock(clock)
        for block in self.blocks:
            states = block(states, clock)
        added: Tensor = self.leave(states)
        return added


_SMALL = 1e-6
_BATCH, _RATE = 256, 1e-3  # posteriors in a step, peak of the learning rate
_MOST_PASSES = 200  # over the posteriors, when there are few
_LARGEST_GRADIENT = 0.5  # norm; about 0.1 is usual, and one much larger step can undo hours of training
# Of cot(a), the noise-to-signal ratio, where the field differs most from a Gaussian's.
_LOG_NOISE_MEAN, _LOG_NOISE_STD = -1.0, 1.0

FIRST_ANGLE = math.pi / 2 - math.atan(math.exp(_LOG_NOISE_MEAN + 3.0 * _LOG_NOISE_STD))
"""Start of the paths. Only one training angle in 700 is smaller, so the network is unreliable there."""


@dataclass(frozen=True)
class Standardization:
    """Latent vectors standardized and rotated to their principal axes."""

    mean: Tensor  # d
    scale: Tensor  # standard deviations, d
    axes: Tensor  # eigenvectors of the correlation matrix, in columns, d x d

    def apply(self, z: Tensor) -> Tensor:
        """Coordinates of latent vectors `n x d`, `n x d`."""
        return (z - self.mean) / self.scale @ self.axes

    def restore(self, coordinates: Tensor) -> Tensor:
        """Latent vectors of coordinates `n x d`, `n x d`."""
        return coordinates @ self.axes.t() * self.scale + self.mean

    def tensors(self) -> dict[str, Tensor]:
        """Tensors from which this can be restored."""
        return {"mean": self.mean, "scale": self.scale, "axes": self.axes}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Self:
        """Restore from the tensors of a prior."""
        return cls(*(tensors[name].float() for name in ("mean", "scale", "axes")))

    @staticmethod
    def shapes(latent_size: int) -> dict[str, tuple[int, ...]]:
        """Shapes of `tensors`."""
        return {"mean": (latent_size,), "scale": (latent_size,), "axes": (latent_size, latent_size)}


def standardization(posterior: Posterior) -> tuple[Standardization, Tensor]:
    """The units of an aggregated posterior, and its variances along the axes, `d`; on the CPU."""
    mu = posterior.mu.cpu().double()
    mean = mu.mean(0)
    within = posterior.logvar.cpu().double().exp().mean(0)
    covariance = (mu - mean).t() @ (mu - mean) / len(mu) + within.diag()
    scale = covariance.diagonal().clamp_min(_SMALL).sqrt()
    variances, axes = torch.linalg.eigh(covariance / torch.outer(scale, scale))
    # eigh returns columns-first, a loaded file is rows-first, and the rounding of products depends on it.
    units = Standardization(mean.float(), scale.float(), axes.float().contiguous())
    return units, variances.clamp_min(_SMALL).float()


def train_field(
    field: VelocityField, units: Standardization, posterior: Posterior, steps: int, context: FitContext
) -> VelocityField:
    """The field after so many training steps, on the CPU: the running mean of its weights."""
    device, n_rows = posterior.mu.device, len(posterior.mu)
    mu = (posterior.mu - units.mean.to(device)) / units.scale.to(device)
    logvar = posterior.logvar - 2.0 * units.scale.log().to(device)
    field, axes = field.to(device), units.axes.to(device)
    size = min(_BATCH, n_rows)
    recipe = Recipe(
        epochs=1,
        steps=min(steps, math.ceil(_MOST_PASSES * n_rows / size)),
        learning_rate=_RATE,
        gradient_clip=_LARGEST_GRADIENT,
        ema_decay=EMA_DECAY,
    )

    def loss(at: Standing) -> tuple[Tensor, dict[str, float]]:
        del at  # independent of the step
        rows = torch.randint(n_rows, (size,), generator=context.generator).to(device)
        return matching_loss(field, axes, Posterior(mu[rows], logvar[rows]), context.generator), {}

    fit = Fit(field, adam(field), recipe, task="prior", **context._asdict())
    fit.resume()
    return fit.run(loss).cpu()  # type: ignore[return-value]


def matching_loss(field: VelocityField, axes: Tensor, posterior: Posterior, generator: Generator) -> Tensor:
    r"""Mean squared error of the network, per dimension, at one random angle for each posterior.

    A point x = cos(a) x0 + sin(a) x1 is drawn with x1 from the posterior N(m, s). The target is the mean of
    its velocity given x and the posterior, which has the same expectation and less noise:

    .. math:: E[v | x] = \cos a\, m + \frac{\cos a \sin a (s - 1)}{\cos^2 a + s \sin^2 a} (x - \sin a\, m)

    Posteriors are standardized, `b x d`; the columns of `axes`, `d x d`, are the principal axes in which the
    field works; the generator is on the CPU.
    """
    center, variance = posterior.mu, posterior.logvar.exp()
    share = torch.randn(len(center), 1, generator=generator).mul_(_LOG_NOISE_STD).add_(_LOG_NOISE_MEAN).exp_()
    angles = (math.pi / 2 - share.atan()).to(axes.device)
    noise = torch.randn(center.shape, generator=generator).to(axes.device)
    cosine, sine = angles.cos(), angles.sin()
    spread = (cosine.square() + variance * sine.square()).clamp_min(_SMALL)
    away = spread.sqrt() * noise  # x - sin(a) m
    velocity = cosine * center + cosine * sine * (variance - 1.0) / spread * away
    deviations = field.deviations(angles)
    points = (sine * center + away) @ axes / deviations
    resting = cosine * sine * (field.variances - 1.0) / deviations * points  # the velocity were all Gaussian
    wanted = (velocity @ axes - resting) * deviations / field.variances.sqrt()
    with torch.autocast(points.device.type, torch.bfloat16, enabled=has_fast_bfloat16(points.device)):
        found = at_least_single(field.correction(points, angles))
    missed = found - wanted
    return missed.square().mean()
