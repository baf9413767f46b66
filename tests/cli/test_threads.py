"""`--threads` holds while a command runs; the default is one thread."""

from __future__ import annotations

import click
import pytest
import torch
from click.testing import CliRunner

from molvae.cli import options


@click.command()
@click.argument("name")
@options.device()
def told(name: str, device: str) -> None:
    click.echo(f"{name} {device} {torch.get_num_threads()}")


@pytest.mark.parametrize(
    ("given", "environment", "used"), [((), None, 1), ((), "3", 3), (("--threads", "2"), "3", 2)]
)
def test_threads_of_the_option_the_environment_or_one(monkeypatch, given, environment, used):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)  # what torch reads from OMP_NUM_THREADS when it starts
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        if environment is not None:
            monkeypatch.setenv("OMP_NUM_THREADS", environment)
        assert CliRunner().invoke(told, ["x", *given]).output == f"x auto {used}\n"
        assert torch.get_num_threads() == 3, "as it was before"
    finally:
        torch.set_num_threads(before)


def test_a_number_of_threads_is_not_negative():
    assert CliRunner().invoke(told, ["x", "--threads", "-1"]).exit_code == 2
