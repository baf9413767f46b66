"""Shared fixtures: a small corpus of real molecules and a small model trained on it."""

from __future__ import annotations

import csv
import signal
from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from molvae.latent.codec import MolVAE

HEADS = ("C", "CC", "CCC", "CC(C)", "N", "O", "F", "Cl", "CO", "CN(C)", "N#C")
CORES = ("c1ccc({})cc1", "C1CCC({})CC1", "c1ccnc({})c1", "C(=O)N{}", "c1ccc({})s1", "S(=O)(=O)N{}")
TAILS = ("C", "CC", "CCC", "C(C)C", "CO", "CCO", "CC#N", "CCN", "C(F)F", "CCCl")


def pytest_configure() -> None:
    """Disable the time limit of Hypothesis, and enable Ctrl-C.

    Ctrl-C also if the tests were started in the background, for child processes.
    """
    settings.register_profile("molvae", deadline=None)
    settings.load_profile("molvae")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def little_smiles() -> list[str]:
    """About a hundred small molecules."""
    return [head + core.format(tail) for head, core, tail in product(HEADS, CORES, TAILS)]


@pytest.fixture(scope="session")
def little_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of small molecules: columns smiles, name, weight."""
    path = tmp_path_factory.mktemp("little") / "little.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["smiles", "name", "weight"])
        for number, smiles in enumerate(little_smiles()):
            writer.writerow([smiles, f"m{number}", len(smiles) if number % 5 else ""])
    return path


@pytest.fixture(scope="session")
def little_corpus(little_csv: Path) -> Path:
    """The table as a corpus, with labels weight (some missing), qed, logp."""
    from molvae.data.config import PrepareSettings
    from molvae.data.preparation import prepare

    path = little_csv.parent / "corpus"
    prepare(
        PrepareSettings(
            input=(str(little_csv),),
            output=path,
            labels=("weight",),
            descriptors=("qed", "logp"),
        ),
        workers=0,
    )
    return path


@pytest.fixture(scope="session")
def tiny_checkpoint(little_corpus: Path) -> Path:
    """A checkpoint of a tiny model that reconstructs a part of the small corpus; trained in seconds."""
    from molvae.training.config import TrainSettings
    from molvae.training.trainer import train

    settings = TrainSettings.model_validate(
        {
            "model": {
                "latent_size": 16,
                "embedding_size": 16,
                "encoder_hidden": 48,
                "decoder_hidden": 96,
                "head_hidden": 32,
                "token_dropout": 0.0,
            },
            "epochs": 25,
            "batch_size": 32,
            "learning_rate": 1e-2,
            "beta": 0.05,
            "beta_warmup_steps": 100,
            "kl_target": 16.0,
            "prior": {"name": "normal"},
            "n_validation": 32,
            "patience": 25,
            "threads": 1,
            "device": "cpu",
            "precision": "float32",  # the same model on every processor
        }
    )
    return train(little_corpus, little_corpus.parent / "run", settings).checkpoint


@pytest.fixture(scope="module")
def small_priors() -> Iterator[None]:
    """Make priors small and fast, with few samples for their metrics, in modules that use this."""
    from molvae.models.priors import flow, flow_fitting, gan
    from molvae.training import language_fitting, prior_fitting

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow, "_SIZES", {"width": 32, "hidden": 64, "n_blocks": 2, "n_harmonics": 4})
        patch.setattr(flow_fitting, "_RATE", 3e-3)
        patch.setattr(gan, "_HIDDEN", 32)
        patch.setattr(gan, "_RATE", 3e-3)
        patch.setattr(language_fitting, "BATCH", 64)
        patch.setattr(prior_fitting, "N_VALIDATION", 20)
        yield


@pytest.fixture(scope="session")
def tiny_model(tiny_checkpoint: Path) -> MolVAE:
    """The tiny model, loaded."""
    from molvae.latent.codec import MolVAE

    return MolVAE.load(tiny_checkpoint, device="cpu")
