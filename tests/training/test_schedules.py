"""Beta reaches the KL target; the best epoch has the lowest validation loss."""

from __future__ import annotations

import pytest

from molvae.training.config import TrainSettings
from molvae.training.validation import BetaController, validation_loss


def test_beta_settles_where_the_kl_meets_its_target():
    controller = BetaController(beta=0.1, target=40.0, warmup=100)
    weights = []
    for _ in range(8000):
        kl = 20.0 / (controller.weight + 0.1)  # a model whose KL falls as beta rises
        weights.append(controller.weight)
        controller = controller.after(kl)
    assert weights[:3] == pytest.approx([0.001, 0.002, 0.003])
    assert kl == pytest.approx(40.0, rel=0.02)


def test_without_a_target_beta_stays():
    controller = BetaController.start(TrainSettings(beta=0.3, fixed_beta=True, beta_warmup_steps=4), 100)
    for _ in range(50):
        controller = controller.after(1000.0)
    assert controller.weight == 0.3


def test_the_goal_of_the_kl_moves_in_a_line_and_stays():
    settings = TrainSettings(kl_start=80.0, kl_target=40.0, kl_moving=0.5)
    controller, goals = BetaController.start(settings, 20), []
    for _ in range(15):
        goals.append(controller.goal)
        controller = controller.after(50.0)
    assert goals[:3] == [80.0, 76.0, 72.0]
    assert goals[10:] == [40.0] * 5


@pytest.mark.parametrize(
    ("target", "measured", "expected"),
    [
        (None, {"kl": 50.0}, 10.0 + 3.0 * 2.0 + 0.1 * 50.0),
        (40.0, {"kl": 50.0}, 10.0 + 3.0 * 2.0 + 10.0),
        (40.0, {"kl": 30.0}, 10.0 + 3.0 * 2.0),
        (40.0, {"kl": 30.0, "free": 4.0}, 10.0 + 4.0 + 3.0 * 2.0),
    ],
)
def test_the_best_epoch_weighs_reconstruction_property_and_kl(target, measured, expected):
    controller = BetaController(beta=0.1, target=target, warmup=0)
    terms = {"reconstruction": 10.0, "property": 2.0, **measured}
    assert validation_loss(terms, controller, property_weight=3.0) == pytest.approx(expected)
