"""Distinguish out-of-domain molecules from ZINC250k test molecules: the domain score and two baselines."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import selfies
from record import smiles_in
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from molvae.chemistry.fingerprints import packed_bits
from molvae.chemistry.graph_moves import mutated
from molvae.chemistry.molecule import is_valid
from molvae.chemistry.profile import profiles
from molvae.evaluation.profile import nearest_similarity
from molvae.latent.calibration import likelihood
from molvae.latent.domain import require_domain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from molvae.chemistry.molecule import Molecule
    from molvae.data.corpus import Corpus
    from molvae.latent.codec import MolVAE
    from molvae.seeding import Seeds

_REFERENCE = 10  # training molecules of the baselines, for each test molecule
_EDITS = 4  # of a corrupted molecule
_FEWEST, _MOST = 10, 40  # symbols of a random SELFIES
_STRANGEST = 1e6  # score of molecules that the model cannot encode


def domain_rows(model: MolVAE, corpus: Corpus, n: int, seeds: Seeds) -> list[dict[str, Any]]:
    """AUROC of each other set against the test molecules, by the model and by each baseline."""
    known = _molecules(corpus.smiles(_rows(corpus, "train", _REFERENCE * n, seeds)), model, _REFERENCE * n)
    home = _molecules(corpus.smiles(_rows(corpus, "test", n, seeds)), model, n)
    sets = _foreign(model, home, n, seeds)
    own = _Model(model)
    scorers: dict[str, Callable[[Sequence[Molecule]], np.ndarray]]
    scorers = {"model": own, "isolation forest": _Forest(known), "nearest Tanimoto": _Nearest(known)}
    scored = {name: (scorer(home), scorer) for name, scorer in scorers.items()}
    rows = []
    for name, molecules in sets.items():
        labels = [0] * len(home) + [1] * len(molecules)
        found = {
            key: float(roc_auc_score(labels, np.concatenate([at_home, scorer(molecules)])))
            for key, (at_home, scorer) in scored.items()
        }
        words = ", ".join(f"{key} {value:.3f}" for key, value in found.items() if key != "model")
        rows.append(
            {
                "figure": f"auroc_{name}",
                "value": round(found["model"], 4),
                "n": len(molecules),
                "meaning": f"domain score; baselines: {words}",
            }
        )
    alarms = 1.0 - float(np.mean(own.inside(home)))
    words = "share of test molecules outside the domain; .05 is expected"
    rows.append({"figure": "domain_false_alarm", "value": round(alarms, 4), "n": len(home), "meaning": words})
    return rows


def _foreign(model: MolVAE, home: list[Molecule], n: int, seeds: Seeds) -> dict[str, list[Molecule]]:
    data = Path(os.environ["MOLVAE_DATA"])
    rng = Random(seeds.integer("corrupted"))
    corrupted = (mutated(molecule, rng, n_edits=_EDITS) for molecule in home)
    shuffled = seeds.numpy("foreign")
    texts = {
        "qm9": smiles_in(data / "qm9" / "qm9.csv.gz"),
        "esol": smiles_in(data / "moleculenet" / "ESOL.csv"),
        "lipophilicity": smiles_in(data / "moleculenet" / "Lipophilicity.csv"),
    }
    sets = {name: _molecules(shuffled.permutation(rows), model, n) for name, rows in texts.items()}
    sets["corrupted"] = _molecules((text for text in corrupted if text), model, n)
    sets["random_selfies"] = _molecules(_random_selfies(rng), model, n)
    return sets


def _random_selfies(rng: Random) -> Iterable[str]:
    """Molecules of random SELFIES symbols."""
    symbols = sorted(selfies.get_semantic_robust_alphabet())
    while True:
        yield selfies.decoder("".join(rng.choices(symbols, k=rng.randint(_FEWEST, _MOST))))


def _molecules(texts: Iterable[str], model: MolVAE, n: int) -> list[Molecule]:
    """The first `n` valid molecules, standardized like the model's."""
    prepared = (model.prepare([str(text)])[0] for text in texts)
    return list(islice((item for item in prepared if is_valid(item)), n))


def _rows(corpus: Corpus, part: str, n: int, seeds: Seeds) -> np.ndarray:
    return np.sort(seeds.numpy(f"domain-{part}").permutation(corpus.rows(part))[:n])  # type: ignore[arg-type]


class _Model:
    """The combined domain score; `_STRANGEST` for molecules that the model cannot encode."""

    def __init__(self, model: MolVAE) -> None:
        self._model, self._domain = model, require_domain(model.domain)

    def __call__(self, molecules: Sequence[Molecule]) -> np.ndarray:
        scores = self._domain.score(likelihood(self._model, molecules)).combined
        return np.nan_to_num(scores, nan=_STRANGEST)

    def inside(self, molecules: Sequence[Molecule]) -> np.ndarray:
        """Which of them are in the domain."""
        return self._domain.score(likelihood(self._model, molecules)).inside()


class _Forest:
    """An isolation forest (Liu 2008) on physicochemical descriptors."""

    def __init__(self, known: Sequence[Molecule]) -> None:
        self._forest = IsolationForest(random_state=0).fit(np.nan_to_num(profiles(known)))

    def __call__(self, molecules: Sequence[Molecule]) -> np.ndarray:
        return np.asarray(-self._forest.score_samples(np.nan_to_num(profiles(molecules))))


class _Nearest:
    """One minus the Tanimoto similarity (ECFP4) to the nearest known molecule."""

    def __init__(self, known: Sequence[Molecule]) -> None:
        self._bits = packed_bits(known)

    def __call__(self, molecules: Sequence[Molecule]) -> np.ndarray:
        return np.asarray(1.0 - nearest_similarity(packed_bits(molecules), self._bits))
