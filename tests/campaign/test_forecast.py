"""Predictions: close to measured values, uncertain far from them, exact if they are computed."""

import numpy as np
import pytest
import torch

from molvae.campaign.campaign import Campaign
from molvae.campaign.observations import Forecast, Observation, StartMolecule
from molvae.campaign.search.forecast import together
from molvae.campaign.table import DESCENDS, LIKENESS, NEAREST, WITHIN
from molvae.chemistry.descriptors import describe
from molvae.chemistry.molecule import Invalid, parse
from molvae.optimization.surrogates import Belief
from molvae.oracles.base import Score


def score(molecule, name):
    return float(describe(molecule, [name])[0])


@pytest.fixture
def begun(tmp_path, model, settings):
    """A campaign with 40 measured and named molecules."""
    wanted = settings(
        maximize=["potency"], minimize=["clearance"], at_most={"logp": 2.0, "clearance": 12.0}, budget=40
    )
    start = [
        StartMolecule(m.smiles, (score(m, "mw") / 20, score(m, "heavy_atoms"), None, None), name=f"A-{n}")
        for n, m in enumerate(model.molecules[::3])
    ]
    with Campaign.create(tmp_path / "c", model, wanted, start=start) as campaign:
        yield campaign


def test_a_forecast_is_near_what_is_measured_and_exact_where_it_is_computed(begun, model):
    unseen = model.molecules[1::3]
    found = begun.predict(unseen)
    truth = np.array([[score(m, "mw") / 20, score(m, "heavy_atoms")] for m in unseen])
    mean = np.array([f.mean[:2] for f in found])
    deviation = np.array([f.deviation[:2] for f in found])
    spread = truth.std(axis=0)
    assert (np.abs(mean - truth).mean(axis=0) < 0.5 * spread).all()  # in the units and with the sign measured
    assert (np.abs(mean - truth) < 3 * deviation + 0.1 * spread).mean() > 0.9
    assert [f.mean[2] for f in found] == pytest.approx([score(m, "logp") for m in unseen], rel=1e-5)
    assert {f.deviation[2] for f in found} == {0.0}
    assert all(f.probability == 0.0 for f, m in zip(found, unseen) if score(m, "logp") > 2.0)
    wet = [f.probability for f, t in zip(found, truth) if f.mean[2] <= 2.0 and t[1] <= 9]
    assert min(wet) > 0.9


def test_surrogates_that_disagree_are_less_sure_together():
    one, other = (Belief(torch.full((1, 1), mean), torch.ones(1, 1)) for mean in (0.0, 4.0))
    both = together([one, other])
    assert (float(both.mean), float(both.variance)) == (2.0, 1.0 + 4.0)


def test_a_measured_molecule_is_its_own_nearest_in_any_form(begun, model):
    known = model.molecules[0]
    exact, salt, broken = begun.predict([known, f"{known.smiles}.Cl", "c1cc"])
    assert (exact.nearest, exact.similarity) == (known.smiles, 1.0)
    assert salt == exact
    assert isinstance(broken, Invalid)


def test_a_batch_is_a_table_with_what_is_expected_and_where_it_comes_from(begun):
    batch = begun.ask(6)
    columns = batch.columns
    assert columns["potency"] == [None] * 6
    assert columns["logp"] == pytest.approx([score(parse(text), "logp") for text in columns["smiles"]])
    assert all(isinstance(value, float) for value in columns["predicted potency"] + columns["sd clearance"])
    assert all(0 <= value <= 1 for value in columns[WITHIN] + columns[LIKENESS])
    measured = {molecule.smiles: molecule for molecule in begun.history.start}
    for row, smiles in enumerate(columns[NEAREST]):
        assert columns[f"{NEAREST} potency"][row] == measured[smiles].scores[0].value
        assert columns[f"{NEAREST} name"][row] == measured[smiles].name
    origins = [text for text in columns[DESCENDS] if text is not None]
    assert origins
    assert set(origins) <= set(measured)
    assert "<table>" in batch._repr_html_()
    assert hasattr(batch, "__arrow_c_stream__")
    assert begun.pending == batch
    assert begun.pending.columns == columns


def test_predictions_are_kept_when_the_score_arrives(begun, tmp_path):
    batch = begun.ask(3)
    begun.tell([Observation(c.smiles, (Score.ok(1.0), Score.ok(5.0), None, Score.ok(5.0))) for c in batch])
    rows = {row.smiles: row for row in begun.table()}
    assert [rows[c.smiles].forecast for c in batch] == [c.forecast for c in batch]
    begun.close()
    with Campaign.open(tmp_path / "c") as again:
        assert [row.forecast for row in again.table()][-3:] == [c.forecast for c in batch]
        assert isinstance(again.predict(["CCO"])[0], Forecast)  # which needs no model


def test_a_bound_in_other_units_is_ignored(tmp_path, model, settings):
    def forecasts(path, detail):
        start = [StartMolecule(m.smiles, (score(m, "mw") / 20,)) for m in model.molecules[::4]]
        start += [StartMolecule(m.smiles, (detail,)) for m in model.molecules[1:20:4]]
        with Campaign.create(tmp_path / path, model, settings(maximize=["potency"]), start=start) as campaign:
            return [forecast.mean[0] for forecast in campaign.predict(model.molecules[1::4])]

    plain = forecasts("a", Score.failed("n.d."))
    assert forecasts("b", Score(10000.0, "above")) == pytest.approx(plain, rel=1e-2)  # a row more is scaled
    assert np.mean(forecasts("c", Score(9.0, "above"))[:5]) > np.mean(plain[:5])
