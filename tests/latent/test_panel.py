"""AssayPanel: imputed tables, calibrated intervals, bad tables, saving and loading."""

from __future__ import annotations

import numpy as np
import pytest

from molvae.chemistry.descriptors import describe_smiles
from molvae.data.assay_table import AssayTable
from molvae.errors import CheckpointError, InputError, UsageError
from molvae.latent.panel import AssayPanel
from tests.conftest import little_smiles

NAMES = ("a", "b", "c", "active")


@pytest.fixture(scope="module")
def table(tiny_model):
    """Four assays that depend on the structure and on a shared hidden factor; half of the cells are empty."""
    generator = np.random.default_rng(0)
    molecules = list(dict.fromkeys(item.smiles for item in tiny_model.prepare(little_smiles()[::3])))
    size = describe_smiles(molecules, ["heavy_atoms"])[:, 0]
    shared = (size - size.mean()) / size.std() + 1.5 * generator.standard_normal(len(molecules))
    noise = 0.4 * generator.standard_normal((len(molecules), 4))
    values = np.round(64 * (5.0 + shared[:, None] * [1.0, -0.7, 0.9, 1.0] + noise)) / 64  # exact when scaled
    values[:, 3] = values[:, 3] > 5
    values[generator.random(values.shape) < 0.5] = np.nan
    return {"smiles": molecules, **dict(zip(NAMES, values.T.tolist(), strict=True))}


@pytest.fixture(scope="module")
def panel(table, tiny_model):
    return AssayPanel(tiny_model).fit(table)


def test_what_is_measured_stays_and_every_other_cell_gets_a_prediction(table, panel):
    found = panel.predict()
    values = np.array([table[name] for name in NAMES]).T
    known = np.isfinite(values)
    assert found.names == NAMES
    np.testing.assert_array_equal(found.mean[known], values[known])
    assert (found.variance[known] == 0).all()
    assert np.isfinite(found.mean).all()
    assert (found.variance[~known] > 0).all()
    chance = found.mean[:, 3]
    assert ((chance >= 0) & (chance <= 1)).all()
    assert len(np.unique(chance[~known[:, 3]])) > 10


def test_other_values_of_a_molecule_help_and_intervals_hold(panel):
    figures = {figure.name: figure for figure in panel.figures_}
    assert [figures[name].kind for name in NAMES] == ["number", "number", "number", "0/1"]
    for name in "abc":
        assert figures[name].r2 > figures[name].r2_alone + 0.1
        assert figures[name].spearman > 0.5
        assert 0.8 < figures[name].within_90 < 0.99
    high, low = (panel.predict({"smiles": ["CCCCc1ccccc1"], "a": [a]}).mean[0] for a in (8.0, 2.0))
    assert high[1] < low[1]
    assert high[2] > low[2]
    assert high[3] > low[3]


def test_neither_order_nor_unit_of_a_column_matters(table, panel, tiny_model):
    order = np.random.default_rng(1).permutation(len(table["smiles"]))
    moved = {name: [column[i] for i in order] for name, column in reversed(list(table.items()))}
    moved["b"] = [8 * value + 1024 for value in moved["b"]]  # a cell read as 0 would be far from all others
    found, before = AssayPanel(tiny_model).fit(moved).predict(), panel.predict()
    columns = [found.names.index(name) for name in NAMES]
    mean, deviation = found.mean[:, columns], np.sqrt(found.variance[:, columns])
    mean[:, 1], deviation[:, 1] = (mean[:, 1] - 1024) / 8, deviation[:, 1] / 8
    np.testing.assert_allclose(mean, before.mean[order], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(deviation, np.sqrt(before.variance[order]), rtol=1e-2, atol=1e-3)


def test_a_saved_panel_says_the_same_and_a_damaged_one_is_refused(panel, tmp_path):
    panel.save(tmp_path / "panel")
    again = AssayPanel.load(tmp_path / "panel", device="cpu")
    new = {"smiles": ["CCOc1ccccc1", "CC(C)C(=O)N", "no molecule"], "c": [None, 7.0, 7.0]}
    for asked in (None, new):
        before, after = panel.predict(asked), again.predict(asked)
        np.testing.assert_array_equal(before.mean, after.mean)
        np.testing.assert_array_equal(before.variance, after.variance)
    assert np.isnan(after.mean[2]).all()
    assert after.mean[1, 2] == 7.0
    assert again.figures_ == panel.figures_
    file = tmp_path / "panel" / "panel.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(CheckpointError, match="damaged"):
        AssayPanel.load(tmp_path / "panel")


def test_cells_worth_measuring_are_empty_ones(table, panel):
    values = np.array([table[name] for name in NAMES]).T
    gains = panel.gains()
    np.testing.assert_array_equal(np.isnan(gains), np.isfinite(values))
    assert (gains[~np.isfinite(values)] >= 0).all()
    measured = np.isfinite(values[:, 0])
    up, down = (panel.expected_improvement("a", lowest=lowest) for lowest in (False, True))
    np.testing.assert_array_equal(np.isnan(up), measured)
    predicted = panel.predict().mean[~measured, 0]
    assert np.corrcoef(up[~measured], predicted)[0, 1] > 0 > np.corrcoef(down[~measured], predicted)[0, 1]
    with pytest.raises(UsageError, match="did you mean 'active'"):
        panel.expected_improvement("activ")


def test_unusable_input_is_an_error(table, tiny_model):
    rows = len(table["smiles"])
    odd = {
        "smiles": [*table["smiles"], table["smiles"][0], "C1CC"],
        "a": [*table["a"], 5.0, 5.0],
        "same": [3.0] * (rows + 2),
        "few": [*[float(i) for i in range(9)], *[None] * (rows - 7)],
        "none": [None] * (rows + 2),
        "comment": ["good"] * (rows + 2),
        "bounded": ["<4", *[5.0] * 20, *[6.0] * (rows - 19)],
    }
    panel = AssayPanel(tiny_model).fit(odd)
    assert panel.names_ == ("a", "bounded")
    told = " ".join(panel.notes_)
    for words in (
        "1 rows hold no molecule", "1 rows repeat a molecule", "'same' is left out: all its values are 3",
        "'few' is left out: 9 values", "'none' is not an assay: its cells are empty",
            "'comment' is not an assay",
        "'bounded': 1 cells are not numbers ('<4')",
    ):  # fmt: skip
        assert words in told
    found = panel.predict().mean
    np.testing.assert_array_equal(found[0], found[rows])
    assert np.isnan(found[-1]).all()


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"smiles": ["CCO"] * 12}, InputError, "no column of numbers"),
        ({"smiles": ["CCO", "CCN"], "a": [None, None]}, InputError, "no column of numbers"),
        ({"smiles": ["CCO", "CCN"] * 6, "a": [2.0] * 12}, InputError, "no assay can be learned"),
        ({"smiles": ["x", "y"], "a": [1.0, 2.0]}, InputError, "holds a molecule"),
        ({"a": [1.0, 2.0]}, UsageError, "no column is called smiles"),
        ({"smiles": ["CCO"], "a": [1.0, 2.0]}, UsageError, "2 cells"),
        (3, UsageError, "a table of assays is"),
    ],
)
def test_input_that_is_not_a_table_is_rejected(tiny_model, given, error, words):
    with pytest.raises(error, match=words):
        AssayPanel(tiny_model).fit(given)


def test_a_file_is_read_with_its_names_and_odd_cells(tmp_path):
    path = tmp_path / "assays.csv"
    path.write_text("id,SMILES,pIC50,hit,remark\nm1,CCO,5.5,0,x\nm2,CCN,n.d.,1,y\nm3,CCC,>7,,z\n")
    read = AssayTable.read(path)
    assert (read.identifiers, read.names) == (("m1", "m2", "m3"), ("pIC50", "hit"))
    np.testing.assert_array_equal(read.values, [[5.5, 0], [np.nan, 1], [np.nan, np.nan]])
    assert "'>7'" in " ".join(read.notes)
