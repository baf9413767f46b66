"""Tables of results: one form of each molecule, one reader, and every row is accounted for."""

import io

import pyarrow as pa
import pyarrow.csv
import pytest

from molvae.campaign.campaign import Campaign
from molvae.campaign.cells import ColumnReader, find_columns, near_columns
from molvae.campaign.measurements import read_frame, read_rows
from molvae.campaign.observations import Forecast, Observation, StartMolecule, merge, pooled
from molvae.campaign.storage import Journal
from molvae.campaign.table import columns_of_rows, forecast_columns
from molvae.data.records import BadRow, Row
from molvae.errors import JournalError, UsageError
from molvae.oracles.base import Score
from molvae.reporting.campaign_standing import Standing

PARENT = "CN1CCC(Oc2ccccc2)CC1"
FORMS = (
    "C[NH+]1CCC(CC1)Oc1ccccc1",
    "CN1CCC(Oc2ccccc2)CC1.Cl",
    "C1(OC2CCN(C)CC2)=CC=CC=C1.OC(=O)C(F)(F)F",
    "[Cl-].C[NH+]1CCC(CC1)Oc1ccccc1",
)


def frame(text):
    return pyarrow.csv.read_csv(io.BytesIO(text.encode()))


def ask_for(campaign, smiles):
    """Propose a molecule, like the search method."""
    payload = {
        "candidates": [{"identifier": "c00000", "smiles": smiles, "source": "x", "parent": None}],
        "state": {}, "latents": {}, "seconds": 0.0,
    }  # fmt: skip
    campaign.history.apply(campaign._journal.append("ask", payload))
    return "c00000"


class TestOneForm:
    def test_forms_of_a_start_molecule_are_one_molecule(self, tmp_path, model, settings):
        with Campaign.create(
            tmp_path / "c", model, settings(n_initial=20), start=[PARENT, *FORMS]
        ) as campaign:
            assert [m.smiles for m in campaign.history.start] == [PARENT]
            assert [c.smiles for c in campaign.ask(20)].count(PARENT) == 1

    @pytest.mark.parametrize("form", FORMS)
    def test_tell_matches_a_pending_molecule_in_another_form(self, tmp_path, model, settings, form):
        with Campaign.create(tmp_path / "c", model, settings()) as campaign:
            ask_for(campaign, PARENT)
            receipt = campaign.tell(frame(f"smiles,qed\n{form},0.5\n"))
            assert (campaign.pending, receipt.charged) == ([], 1)
            assert f"is another form of {PARENT}" in receipt.balance.notes[0]
            assert len(campaign.table()) == 1

    @pytest.mark.parametrize(
        ("told", "what"),
        [("C[C@@H](N)c1ccccc1", "stereoisomer"), ("CC(N)c1ccccc1", "stereoisomer"), ("CCO", "compound")],
    )
    def test_a_different_molecule_under_a_known_identifier_is_rejected(
        self, tmp_path, model, settings, told, what
    ):
        with Campaign.create(tmp_path / "c", model, settings()) as campaign:
            name = ask_for(campaign, "C[C@H](N)c1ccccc1")
            balance = campaign.tell(frame(f"id,smiles,qed\n{name},{told},0.5\nx,CCC,0.1\n")).balance
            assert f"another {what}" in balance.refused[0]
            assert f"report {name} as cancelled" in balance.refused[0]
            assert [row.smiles for row in campaign.best()] == ["CCC"], "the good row is taken"
            with pytest.raises(UsageError, match=what):
                campaign.tell([Observation(told, (0.5,), name)])

    def test_candidates_are_in_standard_form(self, tmp_path, model, settings):
        class Charged(type(model)):
            def decode(self, z):
                from molvae.chemistry.molecule import is_valid, parse

                made = super().decode(z)
                return [
                    parse(m.smiles.replace("C(=O)O", "C(=O)[O-]").replace("N", "[NH3+]"))
                    if is_valid(m)
                    else m
                    for m in made
                ]

        with Campaign.create(tmp_path / "c", Charged(), settings(n_initial=24)) as campaign:
            assert not [c.smiles for c in campaign.ask(24) if "+" in c.smiles or "[O-]" in c.smiles]

    def test_salts_are_cut_and_crossed_without_a_crash(self, tmp_path, model, settings):
        parents = model.molecules[:12]
        salts = [StartMolecule(f"{m.smiles}.OS(=O)(=O)O", (float(n),)) for n, m in enumerate(parents)]
        wanted = settings(sources={"graph": 1})
        with Campaign.create(tmp_path / "c", model, wanted, start=salts) as campaign:
            assert len(campaign.ask(4)) == 4

    def test_a_journal_of_an_earlier_version_knows_its_molecules_in_any_form(self, tmp_path, model, settings):
        path = tmp_path / "c"
        Campaign.create(path, model, settings()).close()
        with Journal(path) as journal:
            dumped = next(iter(journal.events())).payload
        path.unlink()
        with Journal(path) as journal:
            old = {**dumped, "start": [["C[NH3+]", [None]], ["CC[NH3+]", [0.25]]]}
            del old["units"]
            journal.append("create", old)
        with Campaign.open(path, model) as campaign:
            assert campaign.history.key("CCN") == "CC[NH3+]"
            assert campaign.tell([Observation("CCN", (0.25,))]).repeated == 1
            asked = {c.smiles for c in campaign.ask(8)}
            assert not asked & {"CCN", "CC[NH3+]"}
        with Campaign.create(
            path, model, settings(), start=[StartMolecule("C[NH3+]", (None,)), StartMolecule("CCN", (0.25,))]
        ):
            pass


class TestCells:
    @pytest.mark.parametrize(
        ("cell", "value", "status"),
        [
            ("5.2", 5.2, "ok"),
            ("5,2", 5.2, "ok"),
            (" 7 ", 7.0, "ok"),
            ("1e-9", 1e-9, "ok"),
            ("\u22123.5", -3.5, "ok"),
            ("1'200", 1200.0, "ok"),
            ("10 000", 10000.0, "ok"),
            ("1.234,5", 1234.5, "ok"),
            ("1,234.5", 1234.5, "ok"),
            (">10000", 10000.0, "above"),
            ("> 10,5 nM", 10.5, "above"),
            ("<=5", 5.0, "below"),
            ("5.2 nM", 5.2, "ok"),
        ],
    )
    def test_numbers_and_bounds(self, cell, value, status):
        score, problem = ColumnReader.of("IC50 (nM)", [cell]).read(cell)
        assert (score.value, score.status, problem) == (value, status, "")

    def test_words_are_failures_blanks_pending_and_ambiguous_cells_rejected(self):
        reader = ColumnReader.of("IC50", ["5", "n.d."])
        for cell in ("n.d.", "failed", "insoluble", "Error"):
            assert reader.read(cell)[0].status == "failed"
        assert reader.read("cancelled")[0].status == "cancelled"
        for cell in ("", "  ", "NA", "-", "nan"):
            assert reader.read(cell) == (None, "")
        for cell in ("inf", "5.2.1", "5 of 6", "1,234", "7 nM"):
            assert reader.read(cell)[0] is None
            assert reader.read(cell)[1], cell

    @pytest.mark.parametrize(
        ("header", "cells", "stated", "read"),
        [
            ("IC50", ["5 nM", "6 nM"], "", [5.0, 6.0]),
            ("IC50_nM", ["5 nM", "6"], "", [5.0, 6.0]),
            ("IC50 (nM)", ["5 nM", "0.006 \u00b5M", "6"], "", [5.0, None, 6.0]),
            ("IC50", ["5", "6 nM"], "", [5.0, None]),
            ("IC50", ["5 \u03bcM", "6 \u00b5M"], "", [5.0, 6.0]),
            ("IC50 (\u00b5M)", ["5", "6"], "nM", [None, None]),
            ("IC50", ["5 \u00b5M"], "nM", [None]),
            ("x", ["1,234", "5,2"], "", [1.234, 5.2]),
            ("x", ["1,234", "5.2"], "", [1234.0, 5.2]),
        ],
    )
    def test_a_column_has_one_unit_and_one_kind_of_comma(self, header, cells, stated, read):
        reader = ColumnReader.of(header, cells, stated)
        assert [getattr(reader.read(cell)[0], "value", None) for cell in cells] == read


def test_replicates_are_shown_with_their_number_and_spread(tmp_path, model, settings):
    table = frame("smiles,potency,depth\nCCO,5.0,1\nCCO,6.0,\nCCN,7.0,2\nCCCO,6.2,1\n")
    wanted = settings(maximize=["potency", "depth"], at_least={"potency": 1.0}, budget=6, n_initial=2)
    with Campaign.create(tmp_path / "c", model, wanted, start=table) as campaign:
        rows = columns_of_rows(campaign.table(), wanted.objectives)
        assert rows["potency n"] == [2.0, 1.0, 1.0]
        assert rows["potency sd"] == [pytest.approx(2**-0.5), None, None]
        assert "depth n" not in rows
        near = Forecast("CC", (5.0, 1.0, 5.0), (1.0, 0.1, 1.0), nearest="CCO", similarity=0.5)
        assert forecast_columns([near], campaign.history)["nearest potency n"] == [2.0]
        standing = Standing(wanted, campaign.table())
        named = {column.name: column.values for column in standing.columns(campaign.table()[:1], {})}
        assert named["potency n"] == [2.0]


class TestRows:
    def test_every_row_is_accounted_for(self):
        cells = ["CCO,5", "OCC,6", ",", "C(,1", "CCN,x1", "[Na+].[O-]c1ccccc1,<3", "CCN,failed"]
        rows = [
            Row(n, *c.split(",")[:1], "", dict(zip(("s", "p"), c.split(",")))) for n, c in enumerate(cells, 2)
        ]
        found = read_rows([*rows, BadRow(9, "a,b,c", "too many cells")], ["p"], {"p": "p"})
        b = found.balance
        assert b.read == 8 == b.used + b.repeated + b.empty + len(b.unreadable) + len(b.refused)
        assert (b.used, b.repeated, b.empty, b.averaged, b.changed) == (3, 2, 1, 1, 1)
        assert [line[:7] for line in b.unreadable] == ["line 9:", "line 5:"]
        assert b.notes == ["line 6: p: 'x1' is not a number"]
        ethanol, amine, phenol = found.molecules
        assert (ethanol.scores[0].value, ethanol.scores[0].n) == (5.5, 2)
        assert ethanol.scores[0].sd == pytest.approx(0.7071, abs=1e-4)
        assert amine.scores[0].status == "failed"
        assert (phenol.smiles, phenol.scores[0].status) == ("Oc1ccccc1", "below")

    def test_columns_are_found_without_regard_to_case(self):
        columns = ["SMILES", "PIC50 (\u03bcM)", "LogD", "hERG [nM]", "Potency_A"]
        wanted = ["pIC50 (\u00b5M)", "logd", "hERG", "potency a", "other"]
        found = ["PIC50 (\u03bcM)", "LogD", "hERG [nM]", "Potency_A"]
        assert find_columns(columns, wanted) == dict(zip(wanted, found))
        assert find_columns(["x (nM)", "x (uM)"], ["x"]) == {}

    @pytest.mark.parametrize(
        ("name", "column"),
        [
            ("logd", "LogD_7.4"),
            ("logD", "LogD pH 7.4"),
            ("potancy", "potency"),
            ("IC50", "IC50 (nM)"),
            ("IC50", None),
            ("potency", None),
        ],
    )
    def test_an_objective_that_nearly_has_a_column_is_refused_with_it(self, name, column):
        columns = ["smiles", *(["IC50 (uM)"] * (name == "IC50" and column is not None)), column or "pIC50"]
        assert near_columns(columns[::-1], [name], {}) == ({} if column is None else {name: column})
        frame = {text: ["CCO", "CCN"] if text == "smiles" else [1.0, 2.0] for text in columns}
        frame |= {"potency_note": ["a", "b"]}
        table = pa.table(frame)
        if column is None:
            assert read_frame(table, [name], asked=[name]).balance.used == 2
        else:
            with pytest.raises(UsageError, match="did you mean"):
                read_frame(table, [name], asked=[name])

    def test_replicates_and_bounds_of_one_molecule_are_joined(self):
        score, left_out = pooled(
            [Score.ok(5.0), Score(4.0, "above"), Score.failed("n.d."), Score(4.5, "below")]
        )
        assert (score, left_out) == (Score.ok(5.0), [Score(4.5, "below")])
        assert pooled([Score(3.0, "above"), Score(4.0, "above")])[0].value == 4.0

    def test_names_and_numbers_round_trip_through_journal_and_table(self, tmp_path, model, settings):
        table = frame(f"Name,SMILES,QED\nNVX-1,{FORMS[1]},0.5\nNVX-1b,{PARENT},0.7\nNVX-2,CCO,>0.9\n")
        with Campaign.create(tmp_path / "c", model, settings(), start=table) as campaign:
            first = campaign.table()
        with Campaign.open(tmp_path / "c") as campaign:
            assert campaign.table() == first or str(campaign.table()) == str(first)
            names = {row.name: row.scores[0] for row in campaign.table()}
            assert names["NVX-1"].n == 2
            assert names["NVX-2"] == Score(0.9, "above", ">0.9")
            assert [row.name for row in campaign.best()] == ["NVX-1"], "a bound is no value"
            assert campaign.tell(frame("id,smiles,qed\nNVX-2,,0.95\n")).accepted == 1, (
                "known by the user's name"
            )
            assert pa.table(read_table(campaign)).column("name").to_pylist() == ["NVX-1", "NVX-2"]


def read_table(campaign):
    from molvae.campaign.table import columns_of_rows

    return columns_of_rows(campaign.table(), campaign.settings.objectives)


class TestRecord:
    @pytest.mark.parametrize(
        ("a", "b"), [(5.4567, 5.46), (-357.81, -357.8), (0.00012345, 0.000123), (10, 10.0)]
    )
    def test_a_rounded_number_does_not_contradict(self, a, b):
        assert merge(Score.ok(a), Score.ok(b), "x") == merge(Score.ok(b), Score.ok(a), "x") == Score.ok(a)

    @pytest.mark.parametrize(
        ("a", "b"),
        [
            (Score.ok(5.4), Score.ok(5.0)),
            (Score.ok(5.46), Score.ok(5.4)),
            (Score.ok(1e-12), Score.ok(2e-12)),
            (Score.ok(9.0), Score(10.0, "above")),
            (Score(10.0, "above"), Score(5.0, "below")),
        ],
    )
    def test_other_numbers_and_broken_bounds_are(self, a, b):
        for first, second in ((a, b), (b, a)):
            with pytest.raises(JournalError, match="on record as"):
                merge(first, second, "x")

    def test_what_contradicts_is_refused_by_line_and_the_rest_taken(self, tmp_path, model, settings):
        start = [StartMolecule("CCO", (0.5,))]
        with Campaign.create(tmp_path / "c", model, settings(), start=start) as campaign:
            receipt = campaign.tell(frame("smiles,qed\nOCC,0.75\nCCN,0.25\n"))
            assert receipt.balance.refused == [
                "row 1: qed of CCO is on record as 0.5, and is now reported as 0.75"
            ]
            assert receipt.accepted == 1

    def test_corrections_replace_values_and_the_journal_keeps_both(self, tmp_path, model, settings):
        path = tmp_path / "c"
        with Campaign.create(path, model, settings()) as campaign:
            a, b = campaign.ask(2)
            campaign.tell([Observation(a.smiles, (0.5,)), Observation(b.smiles, (Score(9.0, "above"),))])
            assert campaign.history.n_failed_in_a_row == 0, "a bound is a result"
            told = campaign.tell(frame(f"smiles,qed\n{a.smiles},0.75\n{b.smiles},<3\n"), correct=True)
            assert (told.accepted, told.charged, campaign.n_calls) == (2, 0, 2)
            assert campaign.tell([Observation(a.smiles, (None,))], correct=True).accepted == 0
            assert (
                campaign.tell([Observation(a.smiles, (Score.failed("mixed up"),))], correct=True).accepted
                == 1
            )
        with Campaign.open(path) as campaign:
            assert [row.scores[0].status for row in campaign.table()] == ["failed", "below"]
            assert campaign.remaining == 22
        with Journal(path, writable=False) as journal:
            kinds = [event.kind for event in journal.events()]
            assert kinds == ["create", "ask", "tell", "correct", "correct"]

    def test_cancelled_is_neither_charged_nor_asked_again(self, tmp_path, model, settings):
        with Campaign.create(tmp_path / "c", model, settings(budget=10)) as campaign:
            asked = campaign.ask(2)
            campaign.tell(frame(f"id,smiles,qed\n{asked[0].identifier},,Cancelled\n"))
            assert (campaign.n_calls, campaign.remaining) == (0, 9)
            assert campaign.pending == asked[1:]
            assert asked[0].smiles not in {c.smiles for c in campaign.ask(9)}

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), "high", [1.0]])
    def test_no_number_in_python_is_a_sentence(self, tmp_path, model, settings, value):
        with (
            Campaign.create(tmp_path / "c", model, settings()) as campaign,
            pytest.raises(UsageError, match="qed of CCO: expected a"),
        ):
            campaign.tell([Observation("CCO", (value,))])
        with pytest.raises(UsageError, match="qed of CCO: expected a"):
            Campaign.create(tmp_path / "d", model, settings(), start=[StartMolecule("CCO", (value,))])

    def test_a_frame_and_a_file_are_read_alike(self):
        text = "smiles,qed\nCCO,>0.5\nCCN,0.25\nCCC,n.d.\n"
        rows = [
            Row(n, t.split(",")[0], "", dict(zip(("smiles", "qed"), t.split(","))))
            for n, t in enumerate(text.split()[1:])
        ]
        assert (
            read_frame(frame(text), ["qed"], asked=["qed"]).molecules[:2]
            == read_rows(rows, ["qed"], {"qed": "qed"}).molecules[:2]
        )
