"""Flow matching: a velocity field is trained on the posteriors of molecules."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import torch

from molvae.models.fitting import NOT_KEPT, Fit, Recipe, adam
from molvae.models.network import Posterior
from molvae.models.precision import at_least_single, has_fast_bfloat16

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Generator, Tensor

    from molvae.models.fitting import FitStates, Standing
    from molvae.models.priors.config import FlowSettings
    from molvae.models.priors.velocity import VelocityField
    from molvae.progress import Progress

_SMALL = 1e-6
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
    """Latent vectors in units of their standard deviations, along the axes in which these do not correlate.

    Attributes:
        mean: `d`.
        scale: Standard deviations, `d`.
        axes: Eigenvectors of the correlation matrix, in columns, `d x d`.
    """

    mean: Tensor
    scale: Tensor
    axes: Tensor

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
    covariance = (mu - mean).t() @ (mu - mean) / len(mu) + posterior.logvar.cpu().double().exp().mean(
        0
    ).diag()
    scale = covariance.diagonal().clamp_min(_SMALL).sqrt()
    variances, axes = torch.linalg.eigh(covariance / torch.outer(scale, scale))
    # A factorization lays its result out by columns, a file by rows, and products round by the layout.
    units = Standardization(mean.float(), scale.float(), axes.float().contiguous())
    return units, variances.clamp_min(_SMALL).float()


def train_field(
    field: VelocityField,
    units: Standardization,
    posterior: Posterior,
    settings: FlowSettings,
    generator: Generator,
    progress: Progress,
    states: FitStates = NOT_KEPT,
) -> VelocityField:
    """The field after the training that the settings ask for, on the CPU; its sizes are what they are.

    What stays is the running mean of its weights.
    """
    device, n_rows = posterior.mu.device, len(posterior.mu)
    mu = (posterior.mu - units.mean.to(device)) / units.scale.to(device)
    logvar = posterior.logvar - 2.0 * units.scale.log().to(device)
    field, axes = field.to(device), units.axes.to(device)
    size = min(settings.batch_size, n_rows)
    recipe = Recipe(
        epochs=1,
        steps=min(settings.steps, math.ceil(settings.max_passes * n_rows / size)),
        learning_rate=settings.learning_rate,
        gradient_clip=_LARGEST_GRADIENT,
        ema_decay=settings.ema_decay,
    )

    def loss(at: Standing) -> tuple[Tensor, dict[str, float]]:
        del at  # every step draws anew
        rows = torch.randint(n_rows, (size,), generator=generator).to(device)
        return matching_loss(field, axes, Posterior(mu[rows], logvar[rows]), generator), {}

    fit = Fit(field, adam(field), recipe, task="prior", progress=progress, states=states, generator=generator)
    fit.resume()
    return fit.run(loss).cpu()  # type: ignore[return-value]


def matching_loss(field: VelocityField, axes: Tensor, posterior: Posterior, generator: Generator) -> Tensor:
    r"""Mean square of what the network misses, per dimension, at one random angle for each posterior.

    A point x = cos(a) x0 + sin(a) x1 is drawn with x1 from the posterior N(m, s). Its velocity is then not
    used as drawn but as its mean given x and the posterior, which has the same regression and less noise:

    .. math:: E[v | x] = \cos a\, m + \frac{\cos a \sin a (s - 1)}{\cos^2 a + s \sin^2 a} (x - \sin a\, m)

    Args:
        field: The field.
        axes: Principal axes in which it works, columns, `d x d`.
        posterior: Standardized posteriors, `b x d`.
        generator: Source of the angles and the noise, on the CPU.
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
