"""Pareto fronts, hypervolume and scalarizations against values computed by hand."""

import pytest
import torch

from molvae.optimization.multiobjective import chebyshev_functions, columns_of, hypervolume, non_dominated


def test_front_of_a_known_set():
    y = torch.tensor([[1.0, 5.0], [3.0, 3.0], [2.0, 2.0], [5.0, 1.0], [3.0, 3.0], [9.0, torch.nan]])
    assert non_dominated(y).tolist() == [True, True, False, True, True, False]
    assert non_dominated(torch.empty(0, 2)).tolist() == []


def test_hypervolume_golden():
    front = torch.tensor([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0]])
    assert hypervolume(front, torch.zeros(2)) == pytest.approx(6.0)
    cube = torch.tensor([[1.0, 2.0, 3.0]])
    assert hypervolume(cube, torch.zeros(3)) == pytest.approx(6.0)
    two = torch.tensor([[2.0, 1.0, 1.0], [1.0, 2.0, 1.0]])
    assert hypervolume(two, torch.zeros(3)) == pytest.approx(3.0)


def test_hypervolume_ignores_what_is_dominated_repeated_or_below_the_reference():
    front = torch.tensor([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0]])
    more = torch.cat([front, front, torch.tensor([[0.5, 0.5], [-1.0, 9.0], [torch.nan, 1.0]])])
    assert hypervolume(more, torch.zeros(2)) == pytest.approx(6.0)
    assert hypervolume(-front, torch.zeros(2)) == 0.0


def test_one_objective_is_left_alone():
    y = torch.tensor([[3.0], [1.0]])
    assert torch.equal(columns_of(y, chebyshev_functions(y, 4, torch.Generator())), y.double())


def test_scalarizations_reward_the_front_and_never_rank_against_dominance():
    generator = torch.Generator().manual_seed(0)
    y = torch.rand(40, 3, generator=generator)
    y[0, 1] = torch.nan
    columns = columns_of(y, chebyshev_functions(y, 16, torch.Generator().manual_seed(1)))
    assert columns.shape == (40, 16)
    assert torch.isnan(columns[0]).all()
    front = non_dominated(y)
    assert all(bool(front[column.nan_to_num(nan=-torch.inf).argmax()]) for column in columns.T)
    y[1] = y[2] + 0.01
    better = columns_of(y, chebyshev_functions(y, 16, torch.Generator().manual_seed(1)))
    assert (better[1] > better[2]).all()
