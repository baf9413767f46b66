"""A latent GAN (WGAN-GP), for comparison."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Self

import torch
from torch import nn
from torch.func import functional_call

from molvae.models.fitting import EMA_DECAY, Fit, Recipe, adam
from molvae.models.network import Posterior
from molvae.models.priors.base import PRIORS, LatentDensity
from molvae.models.priors.flow_fitting import Standardization, standardization
from molvae.models.tensors import check_tensors, fill, frozen, halved, shapes_of

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from molvae.models.config import FitSettings
    from molvae.models.fitting import FitContext, Standing

_HIDDEN = 256  # units of each of the three hidden layers of both networks
_BATCH, _RATE = 256, 3e-4  # vectors in a step, peak of the learning rate
_CRITIC_STEPS = 5  # of the critic for one of the generator
_PENALTY = 10.0  # weight of the gradient penalty
_LARGEST_GRADIENT = 10.0  # norm
_POINTS = 100  # of the curve that is kept
_NETWORK = "generator."


@PRIORS.register("gan")
class LatentGAN(LatentDensity):
    """Samples of a generator trained against a critic (WGAN-GP).

    After LatentGAN (Prykhodko et al. 2019, doi:10.1186/s13321-019-0397-9) with the loss of Gulrajani et al.
    (arXiv:1704.00028), on principal coordinates of unit variance. The generator is rounded to half precision,
    in which it is stored. After fitting, `critic` holds the mean difference of the critic's scores of real
    and generated vectors, by training step.
    """

    name = "gan"

    def __init__(
        self, units: Standardization, generator: nn.Sequential, critic: dict[int, float] | None = None
    ) -> None:
        self.units, self.critic = units, critic or {}
        self.generator = frozen(generator)

    @classmethod
    def fit(
        cls, posterior: Posterior, settings: FitSettings, context: FitContext, initial: Self | None = None
    ) -> Self:
        """Train generator and critic in turns on posterior samples; the generators' running mean is kept."""
        del initial  # a GAN cannot be continued
        generator = context.generator
        units, variances = standardization(posterior)
        whitening = units.axes / variances.sqrt()
        units = Standardization(units.mean, units.scale, units.axes * variances.sqrt())
        sizes = (len(variances), _HIDDEN)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))
            pair = nn.ModuleDict(
                {"generator": _perceptron(*sizes, sizes[0]), "critic": _perceptron(*sizes, 1)}
            )
        device = posterior.mu.device
        apart = [tensor.to(device) for tensor in (units.mean, units.scale, whitening)]
        game = _Game(pair.to(device), posterior, Standardization(*apart), settings.gan.steps, generator)
        recipe = Recipe(
            epochs=1,
            steps=settings.gan.steps,
            learning_rate=_RATE,
            gradient_clip=_LARGEST_GRADIENT,
            ema_decay=EMA_DECAY,
        )
        optimizer = adam(pair, betas=(0.0, 0.9))
        fit = Fit(pair, optimizer, recipe, task="prior", **context._asdict())
        fit.resume()
        ended = fit.run(game.loss).cpu()
        critic = {int(step): gap for step, gap in fit.at.facts["critic"].items()}
        return cls(units, ended["generator"], critic)  # type: ignore[index]

    def sample(self, n: int, generator: Generator) -> Tensor:
        """`from_normal` of standard normal draws, `n x d`."""
        return self.from_normal(torch.randn(n, len(self.units.mean), generator=generator))

    def from_normal(self, noise: Tensor) -> Tensor:
        """The generator's output for `noise`, `n x d`."""
        with torch.inference_mode():
            return self.units.restore(self.generator(noise))

    def tensors(self) -> dict[str, Tensor]:
        """Units, and the generator in half precision."""
        return halved(self.generator, _NETWORK) | self.units.tensors()

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], latent_size: int) -> Self:
        """The prior of this generator."""
        first = tensors.get(_NETWORK + "0.weight")
        if first is None or first.dim() != 2:  # noqa: PLR2004 - a matrix
            raise ValueError("a latent GAN has a generator, but its first layer is missing or not a matrix")
        with torch.device("meta"):
            generator = _perceptron(latent_size, first.shape[0], latent_size)
        shapes = shapes_of(generator.state_dict(), _NETWORK) | Standardization.shapes(latent_size)
        check_tensors(tensors, shapes)
        fill(generator, tensors, _NETWORK)
        return cls(Standardization.from_tensors(tensors), generator)


class _Game:
    """The losses of generator and critic."""

    def __init__(
        self,
        pair: nn.ModuleDict,
        posterior: Posterior,
        units: Standardization,
        n_steps: int,
        random: Generator,
    ) -> None:
        self.pair, self.posterior, self.n_steps, self.random = pair, posterior, n_steps, random
        self.units = units  # whose axes are divided by the deviations along them

    def loss(self, at: Standing) -> tuple[Tensor, dict[str, float]]:
        """The critic's loss and, every few steps, the generator's, without gradients for the critic."""
        real = self._real()
        normal = torch.randn((_BATCH, real.shape[1]), generator=self.random).to(real.device)
        fake = self.pair["generator"](normal)
        critic = self.pair["critic"]
        gap = critic(real).mean() - critic(fake.detach()).mean()
        total = _PENALTY * self._penalty(real, fake.detach()) - gap
        if (at.step + 1) % _CRITIC_STEPS == 0:
            fixed = {name: weight.detach() for name, weight in critic.named_parameters()}
            total = total - functional_call(critic, fixed, fake).mean()
        difference = float(gap.detach())
        curve = at.facts.setdefault("critic", {})
        if at.step % max(self.n_steps // _POINTS, 1) == 0:
            curve[str(at.step)] = round(difference, 4)
        return total, {"critic": difference}

    def _real(self) -> Tensor:
        """Samples of posteriors in principal coordinates of unit variance, `b x d`."""
        mu = self.posterior.mu
        rows = torch.randint(len(mu), (_BATCH,), generator=self.random).to(mu.device)
        z = Posterior(mu[rows], self.posterior.logvar[rows]).rsample(self.random)
        return self.units.apply(z)

    def _penalty(self, real: Tensor, fake: Tensor) -> Tensor:
        """Squared deviation from 1 of the critic's gradient norm between real and fake."""
        share = torch.rand((len(real), 1), generator=self.random).to(real)
        between = (share * real + (1.0 - share) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(self.pair["critic"](between).sum(), between, create_graph=True)
        missed: Tensor = slope.norm(dim=1) - 1.0
        return missed.square().mean()


def _perceptron(size: int, hidden: int, out: int) -> nn.Sequential:
    """An MLP with three hidden layers."""
    sizes = (size, hidden, hidden, hidden)
    layers = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.LeakyReLU(0.2))]
    return nn.Sequential(*layers, nn.Linear(hidden, out))
