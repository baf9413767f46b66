"""`molvae report`: pages, and error messages."""

from __future__ import annotations

import json

import pytest

from tests.reporting.report_records import small_campaign


def test_a_report_of_a_campaign_and_of_a_file(molvae, tmp_path):
    journal = small_campaign(tmp_path / "better" / "journal.sqlite")
    done = molvae("report", journal.parent, "-o", tmp_path / "c.html", "--json", "--molecules", 4)
    told = json.loads(done.out)
    assert (done.code, told["kind"], told["molecules"] >= 30) == (0, "campaign", True)
    assert "a campaign" in done.err
    html = (tmp_path / "c.html").read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>")
    (tmp_path / "some.smi").write_text("CCO ethanol\nCCN amine\n")
    done = molvae("report", tmp_path / "some.smi", "-o", tmp_path / "f.html", "-q")
    assert (done.code, done.err) == (0, "")
    assert "molecules" in done.out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["nowhere"], 3, "nothing at nowhere"),
        (["{dir}"], 3, "no records"),
        (["{dir}/some.smi", "-o", "{dir}/r.pdf"], 2, "an .html file"),
        (["{dir}/some.smi", "--baseline", "x"], 2, "only a campaign has a baseline"),
        (["{dir}/some.smi", "--smiles-column", "structure"], 2, "structure"),
        (["{dir}/bad.smi"], 3, "none of the 1 rows"),
    ],
)
def test_mistakes_are_sentences(molvae, tmp_path, words, code, told):
    (tmp_path / "some.smi").write_text("CCO ethanol\n")
    (tmp_path / "bad.smi").write_text("Xx9 nothing\n")
    done = molvae("report", *(word.format(dir=tmp_path) for word in words))
    assert (done.code, told in done.err) == (code, True), done.err
    assert "Traceback" not in done.err
