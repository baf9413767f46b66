"""Offspring of a population by `mol_ga`: the baseline for graph moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rdkit import rdBase

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random


def offspring(population: Sequence[tuple[float, str]], n: int, rng: Random) -> list[str]:
    """About `n` SMILES of children, sorted; fewer where crossovers fail.

    Parents are drawn uniformly from the best 0.1 % to 100 % of the population, evenly on a logarithmic scale;
    nine children of ten are crossovers, the others mutations (Tripp and Hernandez-Lobato, arXiv:2310.09267).

    Args:
        population: Score (higher is better) and SMILES of each member; none may be NaN.
        n: How many children to try for.
        rng: Draws everything.
    """
    with rdBase.BlockLogs():  # the package turns logs off for good, here no longer than it works
        from mol_ga.graph_ga.gen_candidates import graph_ga_blended_generation
        from mol_ga.sample_population import uniform_quantile_sampling

        parents = uniform_quantile_sampling(list(population), 2 * n, rng)
        return sorted(graph_ga_blended_generation(parents, n, rng))
