"""Half precision is used where it is faster, and changes results little."""

from __future__ import annotations

import pytest
import torch

from molvae.models.devices import has_fast_bfloat16
from molvae.models.network import Posterior
from molvae.models.priors.flow_fitting import VelocityField, matching_loss


@pytest.mark.parametrize(
    ("able", "fast"),
    [
        ({"avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"avx512_f": True, "avx512_bf16": True, "amx_bf16": False}, True),
        ({"amx_bf16": True}, True),
        ({"architecture": "aarch64", "bf16": True}, False),
    ],
)
def test_processors_use_it_where_they_have_instructions_for_it(monkeypatch, able, fast):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    assert has_fast_bfloat16(torch.device("cpu")) is fast
    assert has_fast_bfloat16(torch.device("cuda"))
    assert not has_fast_bfloat16(torch.device("mps"))


def test_single_precision_where_torch_cannot_detect_bfloat16(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not has_fast_bfloat16(torch.device("cpu"))


def test_a_flow_learns_nearly_the_same_from_it(monkeypatch):
    results = []
    for there in (False, True):
        monkeypatch.setattr(
            torch.cpu, "get_capabilities", lambda there=there: {"amx_bf16": there}, raising=False
        )
        own = torch.Generator().manual_seed(0)
        field = VelocityField.drawn(
            torch.ones(4), width=16, hidden=32, n_blocks=2, n_harmonics=2, generator=own
        )
        torch.nn.init.normal_(field.leave.weight, generator=own)  # 0 at first
        posterior = Posterior(torch.randn(64, 4, generator=own), torch.randn(64, 4, generator=own))
        loss = matching_loss(field, torch.eye(4), posterior, own)
        assert loss.dtype == torch.float32
        results.append([loss, *torch.autograd.grad(loss, list(field.parameters()))])
    for full, half in zip(*results, strict=True):
        assert half.dtype == torch.float32
        torch.testing.assert_close(half, full, rtol=0.05, atol=0.05 * float(full.detach().abs().max()))
    assert not torch.equal(results[0][0], results[1][0])  # it did choose
