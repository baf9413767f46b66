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
    r"""The velocity of points on their way from noise to latent vectors; an angle a goes from 0 to pi / 2.

    A point is x = cos(a) x0 + sin(a) x1 with x0 from N(0, I) and x1 a latent vector; the field is the mean of
    its velocity -sin(a) x0 + cos(a) x1 over all such pairs that meet in x. (These are straight paths from
    noise to data, scaled to keep the variance: Lipman et al., arXiv:2210.02747; Albergo & Vanden-Eijnden,
    arXiv:2209.15571.) Were the latent vectors Gaussian with variance l along a coordinate, the point would
    have the variance d(a)^2 along it and, divided by d(a), it would rest:

    .. math:: d(a)^2 = \cos^2 a + l \sin^2 a

    So points are kept divided by d, and the network, whose last layer begins at 0, has to know only how the
    distribution differs from a Gaussian. Its unit is the standard deviation the velocity has in the Gaussian
    case, the square root of l over d. The variances, `d`, are those along the principal axes; the network
    reads `n_harmonics` cosines and sines of the angle.
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


_SMALL = 1e-6
_BATCH, _RATE = 256, 1e-3  # posteriors in a step, peak of the learning rate
_MOST_PASSES = 200  # over the posteriors, of which there may be few
_LARGEST_GRADIENT = 0.5  # norm; in training it is about 0.1, and one step far above that undoes hours
_LOG_NOISE_MEAN, _LOG_NOISE_STD = (
    -1.0,
    1.0,
)  # of cot(a), noise over signal: there is little to learn elsewhere

FIRST_ANGLE = math.pi / 2 - math.atan(math.exp(_LOG_NOISE_MEAN + 3.0 * _LOG_NOISE_STD))
"""Where paths begin. Of smaller angles, where points are all but noise, training sees one in 700: what the
network says there is made up, and may carry a point away."""


@dataclass(frozen=True)
class Standardization:
    """Latent vectors in units of their standard deviations, along axes in which these do not correlate."""

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
        """What a prior keeps of it."""
        return {"mean": self.mean, "scale": self.scale, "axes": self.axes}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Self:
        """What `tensors` came from, among those of a prior."""
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
    # A factorization lays its result out by columns, a file by rows, and products round by the layout.
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
        del at  # every step draws anew
        rows = torch.randint(n_rows, (size,), generator=context.generator).to(device)
        return matching_loss(field, axes, Posterior(mu[rows], logvar[rows]), context.generator), {}

    fit = Fit(field, adam(field), recipe, task="prior", **context._asdict())
    fit.resume()
    return fit.run(loss).cpu()  # type: ignore[return-value]


def matching_loss(field: VelocityField, axes: Tensor, posterior: Posterior, generator: Generator) -> Tensor:
    r"""Mean square of what the network misses, per dimension, at one random angle for each posterior.

    A point x = cos(a) x0 + sin(a) x1 is drawn with x1 from the posterior N(m, s). Its velocity is then not
    used as drawn but as its mean given x and the posterior, which has the same regression and less noise:

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
