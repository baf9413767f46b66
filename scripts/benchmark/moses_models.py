"""Train and measure the models of moses_protocol.py."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import time
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from family import LABELS
from metrics_golden import CACHE, moses_smiles
from record import cached, rounded

from molvae.chemistry.descriptors import describe_smiles
from molvae.chemistry.molecule import parse
from molvae.evaluation.distribution import measure
from molvae.evaluation.frechet import chemnet_statistics, frechet_distance
from molvae.evaluation.molecules import MoleculeSet
from molvae.latent.assessment import assess
from molvae.latent.codec import MolVAE
from molvae.seeding import Seeds
from molvae.training.assembly import fresh_model
from molvae.training.config import PriorSettings, TrainSettings
from molvae.training.prior_fitting import fit_prior, kept_fit
from molvae.training.trainer import train

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from molvae.data.corpus import Corpus
    from molvae.evaluation.profile import Part
    from molvae.progress import PlainProgress

COMMON: dict[str, Any] = {
    "batch_size": 256,
    "learning_rate": 0.003,
    "property_weight": 2.0,
    "patience": 24,
    "threads": 1,
    "prior": {"name": "normal"},
}
SIZES = {"encoder_hidden": 256, "decoder_hidden": 512}
AS_MOSES = {"epochs": 8, "fixed_beta": True, "model": {**SIZES, "token_dropout": 0.0}}
ARMS: dict[str, tuple[dict[str, Any], ...]] = {
    "language model": ({**AS_MOSES, "beta": 100.0},),
    "MOSES's weight": ({**AS_MOSES, "beta": 1.8},),
    "molvae at 87 nats": (
        {"epochs": 24, "kl_target": 75.0, "beta": 0.03, "model": SIZES},
        {"epochs": 6, "kl_target": 92.0, "beta": 0.03, "beta_warmup_steps": 1, "learning_rate": 0.0015},
    ),
    "molvae": (
        {
            "epochs": 14,
            "batch_size": 128,
            "learning_rate": 0.0025,
            "kl_target": 120.0,
            "beta": 0.02,
            "model": {"encoder_hidden": 192, "decoder_hidden": 448},
        },
    ),
}
"""Stages of training of each model; each stage starts from the weights of the previous one."""
FITS: dict[str, dict[str, Any]] = {
    "flow": {"posterior_scale": 1.0, "flow": {"steps": 30_000}},
    "language": {"posterior_scale": 0.5, "language": {"epochs": 0, "temperature": 0.95}},
}
"""How priors are fitted. The temperature is the one with samples closest to the training molecules. The flow
in the record was larger, with four blocks of 576 and 1152 units and batches of 1024 molecules."""
LANGUAGE_MODEL: dict[str, Any] = {
    "name": "language",
    "language": {"epochs": 10, "learning_rate": 0.0025},
}
"""How the language model of the language prior is trained; it does not depend on the other models."""
MOLVAE, FLOOR = "molvae", "training molecules"
PRIORS = {"molvae at 87 nats": ("normal", "flow"), MOLVAE: ("normal", "language")}
"""Priors of each model; only N(0, I) for those that are not listed."""
N_HELD_OUT, N_VALID = 20_000, 2_000
N_SAMPLES, N_RECONSTRUCTED = 20_000, 5_000
_COMPARED: tuple[Part, ...] = ("scaffolds", "fingerprints", "descriptors")


class Bench:
    """Trains and measures the models.

    Args:
        corpus: The molecules.
        data: Directory of the downloaded data.
        options: Of the command.
        progress: Receives the progress of every step.
    """

    def __init__(
        self, corpus: Corpus, data: Path, options: argparse.Namespace, progress: PlainProgress
    ) -> None:
        self.corpus, self.options, self.progress = corpus, options, progress
        self.alerts = data / "filters"
        scaffolds = moses_smiles(data / "moses" / "test_scaffolds.csv.gz")
        drawn = Seeds(0).numpy("moses-protocol-scaffolds").permutation(len(scaffolds))[:N_HELD_OUT]
        self.training = corpus.smiles(corpus.rows("train"))
        self.references = [
            self._set(corpus.smiles(corpus.rows("test")), "holdout"),
            self._set([scaffolds[row] for row in sorted(drawn)], "testsf"),
        ]

    def trained(self, arm: str) -> tuple[MolVAE, float]:
        """The model of an arm, trained if it does not exist, and its median of seconds per epoch."""
        checkpoint, seconds = None, []
        for number, stage in enumerate(ARMS[arm], 1):
            run = self.options.work / (slug(arm) + (f"-{number}" if number > 1 else ""))
            settings = TrainSettings.model_validate({**self._given(stage), "initial": checkpoint})
            done = train(self.corpus.path, run, settings, progress=self.progress)
            checkpoint = done.checkpoint
            lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
            times = [event["time"] for line in lines if (event := json.loads(line))["event"] == "epoch"]
            seconds += np.diff(times).tolist()
        assert checkpoint is not None  # noqa: S101 - there is a stage
        return MolVAE.load(checkpoint, device="cpu"), round(median(seconds), 1)

    def on_molecules(self, arm: str, model: MolVAE) -> dict[str, Any]:
        """Reconstruction, KL and errors of property heads on held-out molecules."""
        rows = self.corpus.rows("test")[:N_RECONSTRUCTED]
        held_out = [parse(smiles) for smiles in self.corpus.smiles(rows)]
        asked = {"n": N_RECONSTRUCTED, "trained": self._trainings(arm)}

        def measured() -> dict[str, Any]:
            labels = self.corpus.labels[rows]
            table = assess(model, held_out, labels, n_samples=0, n_variants=0, progress=self.progress).table
            names = {
                "recon_mu": "molecule match (mu)",
                "recon_sampled": "molecule match (sampled z)",
                "recon_mu_encoder": "molecule match (mu, encoder alone)",
                "recon_sampled_encoder": "molecule match (sampled z, encoder alone)",
                "kl": "KL",
                "active_units": "active units",
                **{f"mae_{name.lower()}": f"MAE {name}" for name in LABELS},
            }
            return {key: rounded(table[name]) for key, name in names.items()}

        return cached(self.options.work / f"{slug(arm)}-molecules.json", asked, measured)

    def on_samples(self, arm: str, model: MolVAE, prior: str) -> dict[str, Any]:
        """Metrics of samples of a prior against the references."""
        asked = {"n": N_SAMPLES, "trained": self._trainings(arm), "fit": FITS.get(prior, {})}
        if prior == "language":
            asked["language_model"] = LANGUAGE_MODEL

        def measured() -> dict[str, Any]:
            fitted = self._fitted(arm, model, prior)
            z = fitted.sample_latent(N_SAMPLES, generator=Seeds(self.options.seed).numpy("sample"))
            begun = time.process_time()
            how: dict[str, Any] = {"beam": True} if arm in PRIORS else {"temperature": 1.0}
            texts = fitted.decoder.write(z, progress=self.progress, task=f"{arm} {prior}", **how)
            seconds = time.process_time() - begun
            found = measure(
                self._set(texts, "samples"),
                references=self.references,
                training=set(self.training),
                parts=_COMPARED,
                progress=self.progress,
            )
            names = {"valid": "valid", "unique": "unique@10k", "novelty": "novelty", "intdiv": "IntDiv"}
            for kind in ("FCD", "SNN", "Scaf", "logP", "weight"):
                names |= {f"{kind.lower()}_{r.name}": f"{kind}/{r.name}" for r in self.references}
            row: dict[str, Any] = {key: rounded(found[name]) for key, name in names.items()}
            return {**row, "molecules_per_cpu_second": round(N_SAMPLES / seconds, 1)}

        return cached(self.options.work / f"{slug(arm)}-{prior}.json", asked, measured)

    def floor(self) -> float | None:
        """FCD of as many training molecules as samples to the held-out ones."""
        rows = Seeds(0).numpy("moses-protocol-floor").permutation(len(self.training))[:N_SAMPLES]
        own = chemnet_statistics([self.training[row] for row in sorted(rows)], cache=CACHE)
        return rounded(frechet_distance(own, self.references[0].chemnet()))

    def _fitted(self, arm: str, model: MolVAE, prior: str) -> MolVAE:
        """The model with this prior, fitted if it does not exist."""
        if prior not in FITS:
            return model
        settings = {"name": prior, **FITS[prior]}
        if prior == "language":
            return self._fit(model, settings, self.language_model())
        return self._kept_fit(f"{slug(arm)}-{prior}", model, settings, self._trainings(arm))

    def language_model(self) -> MolVAE:
        """An untrained model whose prior is the language model."""
        settings = TrainSettings.model_validate({**COMMON, "model": SIZES, "seed": self.options.seed})
        untrained = fresh_model(self.corpus, self.corpus.rows("train"), settings, {})
        return self._kept_fit("writing", untrained, LANGUAGE_MODEL, [SIZES, self.options.seed])

    def _kept_fit(self, name: str, model: MolVAE, settings: dict[str, Any], trained: list[Any]) -> MolVAE:
        """The model with a prior, read if it was fitted to the same model with the same settings before."""
        recipe = json.dumps([trained, settings], sort_keys=True)
        path = self.options.work / f"{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:8]}"
        if not path.exists():
            self._fit(model, settings).save(path)
        return MolVAE.load(path, device="cpu")

    def _fit(self, model: MolVAE, given: dict[str, Any], initial: MolVAE | None = None) -> MolVAE:
        """The model with a prior of these settings; an interrupted fit continues."""
        asked = (model, self.corpus, PriorSettings.model_validate(given))
        states = kept_fit(self.options.work / "fits", *asked, initial=initial, seed=self.options.seed)
        fitted = fit_prior(
            *asked, initial=initial, seed=self.options.seed, progress=self.progress, states=states
        )
        states.forget()
        return fitted

    def _given(self, stage: dict[str, Any]) -> dict[str, Any]:
        return {**COMMON, **stage, "seed": self.options.seed}

    def _trainings(self, arm: str) -> list[dict[str, Any]]:
        """All settings that determine the training of an arm."""
        return [self._given(stage) for stage in ARMS[arm]]

    def _set(self, texts: list[str], name: str) -> MoleculeSet:
        cache = None if name == "samples" else CACHE
        return MoleculeSet(texts, name=name, alerts=self.alerts, cache=cache, progress=self.progress)


def molecules_file(data: Path, work: Path) -> Path:
    """Write MOSES's test molecules with labels and a new split, if the file does not exist."""
    path = work / "molecules.csv"
    if path.exists():
        return path
    smiles = moses_smiles(data / "moses" / "test.csv.gz")
    order = Seeds(0).numpy("moses-protocol").permutation(len(smiles))
    split = np.full(len(smiles), "train", dtype="<U5")
    split[order[:N_HELD_OUT]] = "test"
    split[order[N_HELD_OUT : N_HELD_OUT + N_VALID]] = "valid"
    labels = describe_smiles(smiles, ["logp", "qed", "sa"], workers=os.cpu_count() or 1)
    work.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["smiles", *LABELS, "split"])
        writer.writerows(
            [text, *row, part] for text, row, part in zip(smiles, labels.tolist(), split.tolist())
        )
    unfinished.rename(path)
    return path


def slug(arm: str) -> str:
    """Name of an arm in file names and figures."""
    return arm.lower().replace("'s", "").replace(" ", "-")
