"""The MinMax kernel is what its formula says, positive semidefinite, and a proper GPyTorch kernel."""

import pytest
import torch
from gpytorch.kernels import ScaleKernel
from hypothesis import given, settings
from hypothesis import strategies as st

from molvae.optimization.kernels import MinMaxKernel, TableKernel, minmax_similarity

COUNTS = st.lists(st.lists(st.integers(0, 9), min_size=5, max_size=5), min_size=1, max_size=8)


def by_definition(a, b):
    low, high = torch.minimum(a[:, None], b[None]).sum(-1), torch.maximum(a[:, None], b[None]).sum(-1)
    return torch.where(high > 0, low / high.clamp_min(1), 1.0).double()


def counts(n, f=64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.poisson(torch.full((n, f), 0.7), generator=generator)


@settings(max_examples=60, deadline=None)
@given(COUNTS, COUNTS)
def test_equals_its_definition(a, b):
    a, b = torch.tensor(a).double(), torch.tensor(b).double()
    assert torch.allclose(minmax_similarity(a, b), by_definition(a, b), atol=1e-12)


def test_is_a_similarity_and_positive_semidefinite():
    x = counts(80)
    gram = minmax_similarity(x, x)
    assert torch.equal(gram, gram.T)
    assert torch.equal(gram.diagonal(), torch.ones(80).double())
    assert gram.min() >= 0
    assert torch.linalg.eigvalsh(gram).min() > -1e-10


def test_empty_vectors_and_empty_sets():
    zero = torch.zeros(1, 4)
    assert minmax_similarity(zero, zero).item() == 1.0
    assert minmax_similarity(zero, torch.ones(1, 4)).item() == 0.0
    assert minmax_similarity(torch.zeros(0, 4), torch.ones(3, 4)).shape == (0, 3)


def test_gpytorch_kernel_agrees_in_every_mode():
    kernel, x, y = MinMaxKernel(), counts(6).double(), counts(4, seed=1).double()
    assert torch.equal(kernel(x, y).to_dense(), minmax_similarity(x, y))
    assert torch.allclose(kernel(x, x, diag=True), torch.ones(6).double())
    batched = kernel(x.expand(3, 6, 64), y.expand(3, 4, 64)).to_dense()
    assert torch.equal(batched[2], minmax_similarity(x, y))
    assert ScaleKernel(MinMaxKernel())(x).to_dense().shape == (6, 6)


def test_table_kernel_looks_up_rows_and_columns():
    table = torch.arange(9.0, dtype=torch.float64).reshape(3, 3)
    rows, columns = torch.tensor([[2.0], [0.0]]), torch.tensor([[1.0]])
    assert TableKernel(table)(rows, columns).to_dense().tolist() == [[7.0], [1.0]]
    assert TableKernel(table)(rows, rows, diag=True).tolist() == [8.0, 0.0]


@pytest.mark.parametrize("high", [1, 40, 250])
def test_high_counts_stay_exact(high):
    a, b = torch.full((1, 3), float(high)), torch.tensor([[float(high), 0.0, 1.0]])
    assert minmax_similarity(a, b).item() == pytest.approx((high + 1) / (3 * high), abs=1e-15)
