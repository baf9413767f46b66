"""Campaigns and tables of other libraries: Arrow output, tables as start molecules, notebook display."""

from __future__ import annotations

import pyarrow as pa
import pytest
from play import optimize

from molvae.campaign.campaign import Campaign
from molvae.errors import InputError
from molvae.oracles.base import Score


class Foreign:
    """A data frame of an unknown library that implements the Arrow protocol."""

    def __init__(self, **columns):
        self._table = pa.table(columns)

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


def length(molecules):
    return [
        Score.failed("too <b>long</b>") if len(m.smiles) > 14 else Score.ok(len(m.smiles)) for m in molecules
    ]


length.name = "length"


@pytest.fixture(scope="module")
def result(tmp_path_factory, model):
    output = tmp_path_factory.mktemp("frames") / "c.sqlite"
    oracles = {"length": length}
    return optimize(
        model,
        maximize=["length"],
        budget=14,
        q=4,
        n_initial=6,
        method="prior",
        output=output,
        oracles=oracles,
    )


def test_a_result_is_a_table_to_whoever_speaks_arrow(result):
    table = pa.table(result)
    rows = table.to_pylist()
    assert [row["smiles"] for row in rows] == [row.smiles for row in result.table]
    assert table.schema.field("call").type == pa.int64()
    for shown, row in zip(rows, result.table, strict=True):
        assert shown["length"] == (row.scores[0].value if row.scores[0].is_ok else None), (
            "never a NaN for a failure"
        )
        assert shown["trouble"] == (None if row.scores[0].is_ok else "too <b>long</b>")


def test_a_result_shows_its_best_in_a_notebook(result):
    html = result._repr_html_()
    assert html.count("<svg") == len(result.best)
    assert f"{result.n_calls} calls" in html
    assert result.best[0].smiles in repr(result)


def test_a_table_in_memory_is_a_start_with_known_scores(tmp_path, model, settings):
    frame = Foreign(name=["a", "b", "c"], SMILES=["CCO", "CCN", None], qed=[0.25, None, 0.5])
    with Campaign.create(tmp_path / "c.sqlite", model, settings(), start=frame) as campaign:
        start = {molecule.smiles: (molecule.scores, molecule.name) for molecule in campaign.history.start}
        assert start == {"CCO": ((Score.ok(0.25),), "a"), "CCN": ((), "b")}
        assert len(campaign.history.facts["refused"]) == 1, "a row without a molecule is told of"
    with Campaign.create(tmp_path / "c.sqlite", model, settings(), start=frame) as again:
        assert again.n_calls == 0


def test_a_table_without_molecules_is_refused(tmp_path, model, settings):
    with pytest.raises(InputError, match="no column of the table is called smiles; there are name"):
        Campaign.create(tmp_path / "c.sqlite", model, settings(), start=Foreign(name=["CCO"]))
