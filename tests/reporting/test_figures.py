from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from molvae.errors import InputError, UsageError
from molvae.progress import EventLog, read_events
from molvae.reporting.charts import Chart, Layer
from molvae.reporting.figures import (
    draw_calibration,
    draw_histograms,
    draw_learning_curves,
    draw_parity,
    save_charts,
)
from molvae.reporting.training_report import curve_charts

PNG = b"\x89PNG"


@pytest.fixture
def metrics(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with EventLog(path) as log:
        for epoch in range(1, 4):
            valid = {
                "kl": 30.0 + epoch,
                "mae_qed": 0.1 / epoch,
                "prior_validity": 0.5,
                "exact_reconstruction": float("nan"),
            }
            log.write(
                "epoch",
                epoch=epoch,
                step=epoch * 10,
                loss=9.0 / epoch,
                beta=0.1,
                train={"kl": 31.0},
                valid=valid,
            )
    return path


def test_learning_curves_show_what_was_logged(metrics, tmp_path):
    draw_learning_curves(metrics, tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes().startswith(PNG)
    charts = curve_charts(read_events(metrics, "epoch"))
    drawn = {chart.title: [layer.label for layer in chart.layers] for chart in charts}
    assert drawn["KL (nats per molecule)"] == ["train kl", "valid kl"]
    assert drawn["mean absolute error of properties"] == ["qed"]
    assert "active units" not in drawn


def test_a_run_without_an_epoch_says_so(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"event": "start"}\n')
    with pytest.raises(InputError, match="no finished epoch"):
        draw_learning_curves(tmp_path / "metrics.jsonl", tmp_path / "c.png")
    assert not (tmp_path / "c.png").exists()


def test_every_form_of_a_chart_is_drawn(tmp_path):
    x, y = np.arange(4.0), np.array([0.1, np.nan, 0.5, 0.3])
    forms = [Layer(x, y, form, form) for form in ("line", "steps", "dots")]
    guides = {"levels": [(0.4, "bound")], "band": (0.5, 1.5, "start set"), "diagonal": True}
    chart = Chart(forms, "calls", "qed", "all of it", whole_x=True, **guides)
    save_charts([chart] * 4, tmp_path / "p.svg")
    drawn = (tmp_path / "p.svg").read_text()
    assert drawn.count("<!-- all of it -->") == drawn.count("<!-- steps -->") == 4


def test_an_evaluation_is_drawn(tmp_path):
    truth, mean = np.random.default_rng(0).random((2, 30, 2))
    truth[3] = np.nan
    draw_parity(truth, mean, ("qed", "sa"), tmp_path / "parity.png", (0.1, 0.2))
    draw_calibration({"qed": (np.array([0.1, 0.9]), np.array([0.2, 0.8]))}, tmp_path / "calibration.png")
    draw_histograms(truth, {"reference": mean}, ("qed", "sa"), tmp_path / "histograms.png")
    for name in ("parity", "calibration", "histograms"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_same_data_same_bytes(metrics, tmp_path, suffix):
    for name in "ab":
        draw_learning_curves(metrics, tmp_path / f"{name}{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_other_suffixes_are_refused(metrics, tmp_path):
    with pytest.raises(UsageError, match=r"did you mean '\.png'"):
        draw_learning_curves(metrics, tmp_path / "c.pgn")


def test_no_global_state_of_pyplot_is_used(metrics, tmp_path):
    program = (
        "import sys; from pathlib import Path\n"
        "from molvae.reporting.figures import draw_learning_curves\n"
        "draw_learning_curves(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(metrics), str(tmp_path / "a.png")]
    assert subprocess.run(command, check=False).returncode == 0
