"""The mixed kernel: its definition as a weighted sum, positive semidefinite, stored in the journal."""

import json
import sys
from dataclasses import astuple
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))

from looks import by_definition, counts, gallery, seen

from molvae.optimization.gaussian_process import Hyperparameters, covariances

VIEWS = ("morgan", "atom_pair")
VALUES = Hyperparameters((0.5, 0.2), 0.3, (1.0, 2.0, 4.0), 0.01, 0.0)


def look(n, seed):
    numbers = np.random.default_rng(seed).normal(size=(n, 3))
    return counts(n, seed=seed), counts(n, seed=seed + 50), numbers


def test_equals_the_sum_of_its_parts():
    x, new = look(9, 0), look(4, 1)
    observed = gallery(seen(*x))
    a, b = observed.scaled(new[2]).numpy(), observed.numbers.numpy()
    distance = (((a[:, None] - b[None]) / np.array(VALUES.lengthscales)) ** 2).sum(-1)
    expected = (
        0.5 * by_definition(new[0], x[0]) + 0.2 * by_definition(new[1], x[1]) + 0.3 * np.exp(-0.5 * distance)
    )
    compared = observed.compare(seen(*new))
    found = covariances(VALUES, map(compared.cross, VIEWS), compared.numbers, observed.numbers)
    assert np.allclose(found, expected, atol=1e-12)


def test_is_symmetric_positive_semidefinite_with_a_constant_diagonal():
    observed = gallery(seen(*look(60, 2)))
    table = covariances(VALUES, map(observed.gram, VIEWS), observed.numbers, observed.numbers)
    assert torch.allclose(table, table.T, atol=1e-14)
    assert torch.allclose(table.diagonal(), torch.full((60,), VALUES.outputscale).double())
    assert torch.linalg.eigvalsh(table).min() > -1e-10
    compared = observed.compare(seen(*look(60, 2)))
    again = covariances(VALUES, map(compared.own, VIEWS), compared.numbers, compared.numbers)
    assert torch.allclose(again, table, atol=1e-12)


def test_hyperparameters_round_trip_through_the_journal_exactly():
    values = Hyperparameters((0.1 + 0.2,), 1 / 3, (np.pi,), 1e-6, -0.7)
    assert Hyperparameters.from_json(json.loads(json.dumps(astuple(values)))) == values
