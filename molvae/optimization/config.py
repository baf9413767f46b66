"""Settings of the search: surrogate, acquisition, proposals, trust region."""

from __future__ import annotations

from typing import Literal

from molvae.config import Field, Settings


class MemberSettings(Settings):
    """One surrogate of the portfolio."""

    name: str = Field(min_length=1)
    """What the journal calls it."""

    kind: str = "mixture"
    """Surrogate: mixture (exact Gaussian process with a mixed kernel) or the name of a plug-in."""

    views: tuple[Literal["morgan", "feature_morgan", "atom_pair"], ...] = ("morgan",)
    """Fingerprints it looks at through MinMax kernels."""

    numbers: bool = False
    """Whether it looks at physicochemical numbers through an RBF kernel too."""

    hyperparameters: Literal["fixed", "map"] = "fixed"
    """fixed = keep the values below; map = fit weights, length scales, noise and mean under their priors. A
    fit learns which features matter, which wins when scores are made of numbers, and follows the data into
    one basin, which loses when they are similarities: hence a portfolio."""

    outputscale: float = Field(default=10.0, gt=0)
    """Prior variance of the scores, whose observed variance is scaled to 1, when it is not fitted. Well above
    1, so that what is unlike all observations counts as uncertain."""

    noise: float = Field(default=1e-3, gt=0)
    """Noise variance of the scaled scores, when it is not fitted."""

    mean: float = 0.0
    """Prior mean in units of the observed spread from the observed average, when it is not fitted: below 0,
    what is unlike all observations counts as worse than average."""

    own_lengthscales: bool = True
    """Whether a fit gives each number its own length scale, or all of them one."""

    n_fit: int = Field(default=300, ge=4)
    """Most observations used to fit hyperparameters (the best half and a random half)."""

    refit_growth: float = Field(default=1.3, gt=1)
    """Hyperparameters are fitted again when the observations have grown by this factor."""


class PortfolioSettings(Settings):
    """How surrogates share the batches: by what they brought and by how well they foretold it."""

    half_life: float = Field(default=60.0, gt=0)
    """Scored candidates after which a hit or a miss counts half."""

    n_recent: int = Field(default=60, ge=2)
    """Latest scored candidates by which predictions are judged."""

    prior_picks: float = Field(default=4.0, gt=0)
    """Each surrogate begins as if it had chosen so many candidates with average luck."""

    skill_weight: float = Field(default=1.0, ge=0)
    """Weight of the rank correlation between predictions and the newest scores; 0 = only hits count."""

    floor: float = Field(default=0.2, ge=0, le=1)
    """This part of every batch is shared equally, so that nobody is forgotten."""

    n_elite: int = Field(default=10, ge=1)
    """A candidate that comes among this many best is a hit."""


class SurrogateSettings(Settings):
    """How observed scores become beliefs about unseen molecules."""

    members: tuple[MemberSettings, ...] = Field(
        default=(
            MemberSettings(name="plain"),
            MemberSettings(
                name="mixed",
                views=("morgan", "feature_morgan", "atom_pair"),
                numbers=True,
                hyperparameters="map",
            ),
        ),
        min_length=1,
    )
    """The surrogates; each chooses part of every batch."""

    portfolio: PortfolioSettings = PortfolioSettings()
    """How they share it."""

    n_best: int = Field(default=1000, ge=1)
    """Past this many observations the surrogates keep the best ones …"""

    n_random: int = Field(default=500, ge=0)
    """… and this many of the others, drawn at random, so that old data are never forgotten …"""

    recency: float = Field(default=2000.0, gt=0)
    """… where an observation is drawn half as likely once some 0.7 times as many others have followed it."""


class AcquisitionSettings(Settings):
    """How a belief becomes a wish."""

    name: str = "ucb"
    """Acquisition function: ucb, logei, qlogei or thompson."""

    beta_low: float = -2.0
    """UCB draws its beta as 10^U(low, high), anew for every slot of a batch: the lower exponent."""

    beta_high: float = 0.0
    """UCB draws its beta as 10^U(low, high): the upper exponent."""

    batch: Literal["greedy", "noisy"] = "greedy"
    """How a batch is chosen among the best candidates: greedy = by the functions that were climbed, each
    conditioned on the choices before it; noisy = by qLogNEI, or qLogNEHVI when there are several goals, which
    integrate over noise in the best observations and take longer."""

    similarity_cap: float = Field(default=0.9, gt=0, le=1)
    """Two molecules of one batch are less similar than this (MinMax), where the pool allows."""

    scaffold_cap: int | None = Field(default=None, ge=1)
    """Most molecules of one batch that share a Bemis-Murcko scaffold, where the pool allows; absent: any."""

    n_joint: int = Field(default=256, ge=1)
    """Candidates with the highest acquisition among which the batch is chosen jointly."""


class ProposalSettings(Settings):
    """How latent space is walked."""

    pcn: float = Field(default=0.2, ge=0)
    """Share of proposals that are pCN moves around a parent."""

    slerp: float = Field(default=0.25, ge=0)
    """Share of proposals on the spherical path between two parents."""

    noise: float = Field(default=0.2, ge=0)
    """Share of proposals drawn around a parent from the encoder's posterior, its deviations scaled."""

    ascent: float = Field(default=0.3, ge=0)
    """Share of proposals that go from a parent to where a linear model of the scores rises."""

    prior: float = Field(default=0.05, ge=0)
    """Share of proposals drawn fresh from the prior."""

    step_low: float = Field(default=0.2, gt=0, lt=1)
    """Smallest pCN step."""

    step_high: float = Field(default=0.8, gt=0, lt=1)
    """Largest pCN step; steps are drawn log-uniformly between the two."""

    scale_low: float = Field(default=0.5, gt=0)
    """Smallest factor on the posterior's deviations in a noise move."""

    scale_high: float = Field(default=2.0, gt=0)
    """Largest factor; factors are drawn log-uniformly between the two."""

    climb_low: float = Field(default=0.7, gt=0)
    """Shortest ascent, in deviations of the prior."""

    climb_high: float = Field(default=4.0, gt=0)
    """Longest ascent; lengths are drawn log-uniformly between the two."""

    widen_above: float = Field(default=0.6, ge=0, le=1)
    """Steps grow when more than this share of the decodes repeats known molecules."""

    narrow_below: float = Field(default=0.15, ge=0, le=1)
    """Steps shrink when less than this share of the decodes repeats known molecules."""

    patience: int = Field(default=200, ge=1)
    """Calls in a row that did not reach the ten best after which steps creep wider."""

    pressure: float = Field(default=0.1, gt=0)
    """Parents are drawn with weight 1 / (pressure * n + rank): smaller is greedier."""


class GraphSettings(Settings):
    """How molecular graphs are changed."""

    mutation: float = Field(default=0.45, ge=0)
    """Share of children that are edits of one parent: an atom, a bond, a ring or a group."""

    crossover: float = Field(default=0.4, ge=0)
    """Share of children that join a piece of one parent and a piece of another."""

    decoration: float = Field(default=0.15, ge=0)
    """Share of children that are a parent with a group common in drug-like molecules."""

    another: float = Field(default=0.25, ge=0, lt=1)
    """Probability that an edit is followed by one more."""

    most_edits: int = Field(default=4, ge=1)
    """Edits of one child at most."""


class ShareSettings(Settings):
    """How moves earn their share of the attempts."""

    adapt: bool = True
    """Whether shares follow experience."""

    floor: float = Field(default=0.2, ge=0, le=1)
    """No move gets less than this part of its share at the start."""

    half_life: float = Field(default=10.0, gt=0)
    """Batches after which what a move earned counts half."""

    hit_weight: float = Field(default=0.5, ge=0, le=1)
    """Weight of scored molecules that came among the ten best; the rest is for offspring that came among the
    best of the pool."""

    prior_batches: float = Field(default=2.0, gt=0)
    """Each move begins as if it had earned its share in so many batches."""


class TrustRegionSettings(Settings):
    """TuRBO's trust region, as fractions of the unit cube."""

    length: float = Field(default=0.8, gt=0)
    """Side length at the start and after a restart."""

    shortest: float = Field(default=2.0**-7, gt=0)
    """Below this length the region restarts."""

    longest: float = Field(default=1.6, gt=0)
    """The region never grows past this length."""

    success_tolerance: int = Field(default=3, ge=1)
    """Successes in a row that double the length."""

    failure_tolerance: int | None = Field(default=None, ge=1)
    """Failures in a row that halve it; absent: max(4, d) / q, rounded up."""

    n_candidates: int | None = Field(default=2000, ge=2)
    """Points Thompson sampling looks at; absent: min(5000, max(2000, 200 d)) as in TuRBO, which is slow."""


class RetreatSettings(Settings):
    """When a search for one goal leaves a basin it has exhausted (see `molvae.campaign.methods.retreat`)."""

    patience: int | None = Field(default=100, ge=1)
    """Calls in a row that did not reach the ten best after which every other batch looks elsewhere, …"""

    n_batches: int = Field(default=4, ge=1)
    """… or so many batches, where that is more; without a patience the search never leaves."""

    apart: float = Field(default=0.4, gt=0, le=1)
    """Elsewhere is what is less similar than this (MinMax) to the best molecule of the basin."""

    most: int = Field(default=2, ge=1)
    """Basins that are left at the same time; when the next one is exhausted too, all are open again."""


class SearchSettings(Settings):
    """The inner search for the next batch."""

    surrogate: SurrogateSettings = SurrogateSettings()
    """The surrogate."""

    acquisition: AcquisitionSettings = AcquisitionSettings()
    """The acquisition function and the choice of a batch."""

    proposal: ProposalSettings = ProposalSettings()
    """Moves in latent space."""

    graph: GraphSettings = GraphSettings()
    """Moves on molecular graphs."""

    shares: ShareSettings = ShareSettings()
    """How the moves share the attempts."""

    trust_region: TrustRegionSettings = TrustRegionSettings()
    """Trust region of `turbo`."""

    retreat: RetreatSettings = RetreatSettings()
    """When exhausted basins are left."""

    n_generations: int = Field(default=4, ge=1)
    """Generations of offspring that climb the acquisition before a batch is chosen."""

    n_offspring: int = Field(default=120, ge=1)
    """Attempts in each generation, all sources together, …"""

    n_offspring_each: int = Field(default=3, ge=0)
    """… or so many for each candidate of the batch, where that is more."""

    n_parents: int = Field(default=60, ge=1)
    """Molecules with the highest acquisition that become parents of the next generation."""

    n_scalarizations: int = Field(default=4, ge=1)
    """Random Chebyshev scalarizations per batch when there are several objectives."""
