"""The GRU layer agrees with torch's GRU, forward, backward and step by step."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from molvae.models.gru import GRULayer


def _pair(hidden, generator):
    ours, theirs = GRULayer(hidden), nn.GRU(3 * hidden, hidden)
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
        theirs.weight_ih_l0.copy_(torch.eye(3 * hidden))
        theirs.bias_ih_l0.zero_()
        theirs.weight_hh_l0.copy_(ours.weight)
        theirs.bias_hh_l0.copy_(ours.bias)
    return ours.double(), theirs.double()


@pytest.mark.parametrize(("n_steps", "n_rows", "hidden"), [(1, 1, 3), (7, 4, 5), (12, 2, 8)])
def test_states_and_gradients_equal_torch(n_steps, n_rows, hidden):
    generator = torch.Generator().manual_seed(n_steps)
    ours, theirs = _pair(hidden, generator)
    projected = torch.randn(n_steps, n_rows, 3 * hidden, generator=generator, dtype=torch.double)
    initial = torch.randn(n_rows, hidden, generator=generator, dtype=torch.double)
    weight = torch.randn(n_steps, n_rows, hidden, generator=generator, dtype=torch.double)
    results = []
    for run, parameters in (
        (ours, [ours.weight, ours.bias]),
        (lambda p, i: theirs(p, i[None])[0], [theirs.weight_hh_l0, theirs.bias_hh_l0]),
    ):
        inputs = [projected.clone().requires_grad_(), initial.clone().requires_grad_()]
        states = run(*inputs)
        results.append([states, *torch.autograd.grad((states * weight).sum(), [*inputs, *parameters])])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


def test_gradient_equals_finite_differences():
    generator = torch.Generator().manual_seed(0)
    layer, _ = _pair(3, generator)
    projected = torch.randn(4, 2, 9, generator=generator, dtype=torch.double, requires_grad=True)
    initial = torch.randn(2, 3, generator=generator, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (projected, initial))


def test_step_by_step_equals_the_loop():
    generator = torch.Generator().manual_seed(1)
    layer, _ = _pair(5, generator)
    projected = torch.randn(6, 3, 15, generator=generator, dtype=torch.double)
    hidden = torch.zeros(3, 5, dtype=torch.double)
    states = layer(projected, hidden)
    for t in range(6):
        hidden = layer.step(projected[t], hidden)
        torch.testing.assert_close(hidden, states[t])
