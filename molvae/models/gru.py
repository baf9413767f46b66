"""A GRU layer on precomputed input projections, with a backward pass that is fast on CPU."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def embedding(n: int, size: int) -> nn.Embedding:
    """A table of `n` vectors, N(0, 1) as torch draws them.

    Not left to `nn.Embedding`: on the meta device, used to load checkpoints, its initialization imports
    torch's compiler, which takes seconds.
    """
    return nn.Embedding(n, size, _weight=torch.normal(0.0, 1.0, (n, size)))


class GRULayer(nn.Module):
    r"""One direction of one GRU layer (Cho et al. 2014), with the gate convention of `torch.nn.GRU`.

    ```
    r_t = sigmoid(a_r + W_r h + b_r)      u_t = sigmoid(a_u + W_u h + b_u)
    n_t = tanh(a_n + r_t * (W_n h + b_n)) h_t = (1 - u_t) * n_t + u_t * h
    ```

    The layer takes the input projections `a` (`t x b x 3h`, gates in the order r, u, n) instead of the
    inputs, because molvae's inputs are tokens (a row of a small table) and z (one vector for the whole
    sequence): both are projected once, outside the time loop. `nn.GRU` on CPU spends a third of its backward
    pass zero-filling slices and accumulates the weight gradient step by step; here it is one matrix product
    at the end.

    Args:
        hidden_size: `h`.
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        bound = 1.0 / math.sqrt(hidden_size)
        self.weight = nn.Parameter(torch.empty(3 * hidden_size, hidden_size).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(3 * hidden_size).uniform_(-bound, bound))

    def forward(self, projected: Tensor, initial: Tensor) -> Tensor:
        """All hidden states.

        Args:
            projected: Input projections, `t x b x 3h`.
            initial: Hidden state before the first step, `b x h`.

        Returns:
            Hidden states after each step, `t x b x h`.
        """
        kind = projected.dtype  # half precision under autocast
        tensors = [tensor.to(kind) for tensor in (projected, initial, self.weight, self.bias)]
        states: Tensor = (
            _cudnn(*tensors) if projected.is_cuda else _GRUFunction.apply(*tensors)  # type: ignore[no-untyped-call]
        )
        return states

    def step(self, projected: Tensor, hidden: Tensor) -> Tensor:
        """One step without gradients: `b x 3h` and `b x h` to the next `b x h`."""
        size = self.hidden_size
        recurrent = torch.addmm(self.bias, hidden, self.weight.t())
        gates = recurrent[:, : 2 * size].add_(projected[:, : 2 * size]).sigmoid_()
        candidate = _tanh_(torch.addcmul(projected[:, 2 * size :], gates[:, :size], recurrent[:, 2 * size :]))
        return torch.lerp(candidate, hidden, gates[:, size:])


def _tanh_(values: Tensor) -> Tensor:
    """Hyperbolic tangent in place, from the logistic function where that is two to three times as fast."""
    if values.is_cuda or values.element_size() < 4:  # noqa: PLR2004 - half precision has no digits to spare
        return values.tanh_()
    return values.mul_(2.0).sigmoid_().mul_(2.0).sub_(1.0)


def _cudnn(projected: Tensor, initial: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    # cuDNN wants inputs and a weight, so the projections go through an identity: on a GPU that product is
    # cheaper than leaving cuDNN's fused loop.
    identity = torch.eye(len(weight), device=weight.device, dtype=weight.dtype)
    weights = [identity, weight, torch.zeros_like(bias), bias]
    states: Tensor = torch._VF.gru(  # noqa: SLF001 - the function behind nn.GRU
        projected, initial[None], weights, True, 1, 0.0, True, False, False
    )[0]
    return states


class _GRUFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, projected: Tensor, initial: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        n_steps, n_rows, _ = projected.shape
        size = initial.shape[-1]
        states = projected.new_empty(n_steps + 1, n_rows, size)
        states[0] = initial
        inner = projected.new_empty(n_steps, n_rows, 3 * size)  # W h + b, its r and u turned into the gates
        candidates = projected.new_empty(n_steps, n_rows, size)
        transposed = weight.t()
        for t in range(n_steps):
            torch.addmm(bias, states[t], transposed, out=inner[t])
            gates = inner[t, :, : 2 * size].add_(projected[t, :, : 2 * size]).sigmoid_()
            reset, update = gates[:, :size], gates[:, size:]
            torch.addcmul(projected[t, :, 2 * size :], reset, inner[t, :, 2 * size :], out=candidates[t])
            torch.lerp(_tanh_(candidates[t]), states[t], update, out=states[t + 1])
        ctx.save_for_backward(states, inner, candidates, weight)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad_states,) = grads
        states, inner, candidates, weight = ctx.saved_tensors
        n_steps, n_rows, size = candidates.shape
        grad_recurrent = candidates.new_empty(n_steps, n_rows, 3 * size)
        grad_candidates = candidates.new_empty(n_steps, n_rows, size)
        carried = grad_states.new_zeros(n_rows, size)
        kept, scratch = torch.empty_like(carried), torch.empty_like(carried)
        # Step by step and in place, so that the working set stays in the cache; addcmul with -1 is x (1 - y).
        for t in range(n_steps - 1, -1, -1):
            reset, update, recurrent = inner[t].split(size, dim=1)
            to_reset, to_update, to_candidate = grad_recurrent[t].split(size, dim=1)
            candidate = candidates[t]
            carried.add_(grad_states[t])
            torch.mul(carried, update, out=kept)
            torch.sub(states[t], candidate, out=scratch).mul_(kept)
            torch.addcmul(scratch, scratch, update, value=-1, out=to_update)
            carried.sub_(kept)
            torch.mul(candidate, candidate, out=scratch)
            torch.addcmul(carried, carried, scratch, value=-1, out=grad_candidates[t])
            torch.mul(grad_candidates[t], reset, out=to_candidate)
            torch.mul(to_candidate, recurrent, out=scratch)
            torch.addcmul(scratch, scratch, reset, value=-1, out=to_reset)
            torch.addmm(kept, grad_recurrent[t], weight, out=carried)
        grad_weight = grad_bias = None
        if ctx.needs_input_grad[2]:  # not of a frozen layer
            flat = grad_recurrent.view(-1, 3 * size)
            grad_weight = flat.t() @ states[:-1].reshape(-1, size)
            grad_bias = flat.sum(0)
        # The input projections share the r and u gradients; n's differs by the reset gate.
        grad_projected = grad_recurrent
        grad_projected[..., 2 * size :] = grad_candidates
        return grad_projected, carried, grad_weight, grad_bias
