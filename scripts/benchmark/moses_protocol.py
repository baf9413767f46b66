"""Train models with different objectives on MOSES molecules; compare their reconstruction and samples.

Instead of MOSES's 1.58 million training molecules, its 176,074 test molecules are used: 20,000 are held out,
and the others are for training (2,000 of them for validation). There are three KL weights: so large that z
carries no information (a language model), the final weight of MOSES's VAE, and molvae's, adapted to a target
KL. Two targets are used: one low enough for a density fitted to latent vectors, and a higher one, for a
smaller network and half as many epochs, with a language prior. The first two models sample at temperature 1
from N(0, I), as MOSES does; the others like `MolVAE.sample`.

    python scripts/benchmark/moses_protocol.py
    python scripts/benchmark/moses_protocol.py --only-language-model  # in parallel, on another core

MOLVAE_DATA names the directory with moses/ and filters/. Runs are saved in --work, and the same command
continues after an interruption; about four hours of a core with bfloat16 (AMX), ten without.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from family import LABELS, prepared
from metrics_golden import CACHE, moses_smiles
from record import ROOT, amend, cached, commit, machine, record, rounded

from molvae.chemistry.descriptors import describe_smiles
from molvae.chemistry.molecule import parse
from molvae.data.corpus import Corpus
from molvae.evaluation.distribution import measure
from molvae.evaluation.frechet import chemnet_statistics, frechet_distance
from molvae.evaluation.molecules import MoleculeSet
from molvae.latent.assessment import assess
from molvae.latent.codec import MolVAE
from molvae.progress import PlainProgress
from molvae.seeding import Seeds
from molvae.training.assembly import fresh_model
from molvae.training.config import PriorSettings, TrainSettings
from molvae.training.prior_fitting import fit_prior, kept_fit
from molvae.training.trainer import train

if TYPE_CHECKING:
    from molvae.evaluation.profile import Part

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
_SHOWN = (
    "model", "prior", "recon_mu", "recon_sampled", "kl", "valid", "novelty", "fcd_holdout", "fcd_testsf",
)  # fmt: skip


def main() -> None:
    """Train, measure, print and write results/moses_protocol.json."""
    options = _options()
    started_at = commit()
    progress = PlainProgress(sys.stderr, every=60.0)
    data = Path(os.environ["MOLVAE_DATA"]).resolve()
    molecules = _molecules(data, options.work)
    corpus = Corpus.open(prepared(molecules, options.work / "corpus"))
    bench = Bench(corpus, data, options, progress)
    if options.only_language_model:
        bench.language_model()
        return
    table = []
    for arm in options.arms:
        model, seconds = bench.trained(arm)
        shared = {"model": arm, **bench.on_molecules(arm, model), "seconds_per_epoch": seconds}
        for prior in _priors(arm):
            row = {**shared, "prior": prior, **bench.on_samples(arm, model, prior)}
            print(row, flush=True)
            table.append(row)
    table.append({"model": FLOOR, "fcd_holdout": bench.floor()})
    if options.no_record:
        print(_figures(table))
    elif set(options.arms) == set(ARMS):
        record("moses_protocol", **_content(table), seeds=[options.seed], started_at=started_at)
    else:
        amend("moses_protocol", lambda known: known.update(_content(_with_rows(known["table"], table))))


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
            run = self.options.work / (_slug(arm) + (f"-{number}" if number > 1 else ""))
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

        return cached(self.options.work / f"{_slug(arm)}-molecules.json", asked, measured)

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

        return cached(self.options.work / f"{_slug(arm)}-{prior}.json", asked, measured)

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
        return self._kept_fit(f"{_slug(arm)}-{prior}", model, settings, self._trainings(arm))

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


def _molecules(data: Path, work: Path) -> Path:
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


def _with_rows(known: list[dict[str, Any]], measured: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The recorded rows, with those of models that were measured again replaced."""
    cpu, again = machine()["cpu"], {row["model"] for row in measured}
    rows = [{**row, "cpu": cpu} for row in measured] + [row for row in known if row["model"] not in again]
    order = [*ARMS, FLOOR]
    return sorted(rows, key=lambda row: order.index(row["model"]))


def _content(table: list[dict[str, Any]]) -> dict[str, Any]:
    summary = [{name: row.get(name) for name in _SHOWN} for row in table]
    return {"figures": _figures(table), "summary": summary, "table": table}


def _figures(table: list[dict[str, Any]]) -> dict[str, float | int | None]:
    """Metrics of molvae with a language prior, and the FCD of the others."""
    rows = {(row["model"], row.get("prior")): row for row in table}
    shipped = rows.get((MOLVAE, "language"), {})
    names = {"fcd_holdout": "moses_fcd_holdout", "recon_sampled": "moses_recon_sampled"}
    names |= {"recon_mu": "moses_recon_mu", "recon_sampled_encoder": "moses_recon_sampled_encoder"}
    names |= {"valid": "moses_valid", "fcd_testsf": "moses_fcd_testsf"}
    figures = {figure: shipped.get(name) for name, figure in names.items()}
    for arm in ARMS:
        if arm != MOLVAE:
            best = _priors(arm)[-1]
            figures[f"moses_fcd_holdout_{_slug(arm)}"] = rows.get((arm, best), {}).get("fcd_holdout")
    return {**figures, "moses_fcd_floor": rows[FLOOR, None]["fcd_holdout"]}


def _priors(arm: str) -> tuple[str, ...]:
    """What an arm draws z from, the best last."""
    return PRIORS.get(arm, ("normal",))


def _slug(arm: str) -> str:
    return arm.lower().replace("'s", "").replace(" ", "-")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--arms",
        nargs="+",
        choices=list(ARMS),
        default=list(ARMS),
        help="others keep their rows in the record",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--work", type=Path, default=ROOT / "runs" / "moses-protocol", help="directory of runs"
    )
    parser.add_argument(
        "--only-language-model",
        action="store_true",
        help="only train the language model, in parallel to another run on another core",
    )
    parser.add_argument("--no-record", action="store_true", help="do not write results/moses_protocol.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
