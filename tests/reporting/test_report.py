"""Reports: content, counts, escaping, kinds of input, and error messages."""

from __future__ import annotations

import base64
import csv
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from safetensors.numpy import save_file

from molvae.campaign.campaign import Campaign
from molvae.campaign.config import CampaignSettings
from molvae.campaign.observations import StartMolecule
from molvae.campaign.utility import top_auc
from molvae.chemistry.molecule import parse
from molvae.chemistry.precedent import Precedent
from molvae.chemistry.standardize import inchikey
from molvae.errors import InputError, UsageError
from molvae.oracles.config import Objective
from molvae.persistence.locations import remember_checkpoint
from molvae.reporting.page import render
from molvae.reporting.report import kind_of, make_report, write_report
from molvae.reporting.scales import shown
from molvae.screening.config import ScreenSettings
from molvae.screening.merging import merge
from molvae.screening.pipeline import screen
from tests.campaign.fake_model import FakeModel
from tests.reporting.report_records import EVIL, FORMULA, small_campaign


class Page(HTMLParser):
    """Elements with their attributes, and the text of scripts."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.scripts, self._inside = [], [], False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside = tag == "script"
        if self._inside:
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._inside = self._inside and tag != "script"

    def handle_data(self, data):
        if self._inside:
            self.scripts[-1] += data

    @property
    def data(self):
        """The data of the table."""
        return json.loads(self.scripts[0])


def harmless(html):
    """Require only our two scripts and style, no URLs or handlers, and drawings that exist."""
    page = Page(html)
    tags = [tag for tag, _ in page.elements]
    assert (tags.count("script"), tags.count("style"), tags.count("iframe")) == (2, 1, 0)
    assert not {"link", "img", "object", "base", "form"} & set(tags)
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in {"style", "src"}]
        assert attributes.get("href", "#")[0] == "#"
        if "href" in attributes:
            assert attributes["href"][1:] in ids
    assert {f"m{number}" for number in page.data["drawings"] if number >= 0} <= ids
    return page


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    return small_campaign(tmp_path_factory.mktemp("campaign") / "journal.sqlite")


def section(report, anchor):
    return next(part for part in report.sections if part.anchor == anchor)


def test_a_campaign_report_shows_progress_calls_and_failures(campaign, tmp_path):
    other = small_campaign(tmp_path / "random.sqlite", method="random")
    report = make_report(campaign.parent, baseline=other, n_molecules=10)
    with Campaign.open(campaign, writable=False) as opened:
        rows, trace, best = opened.table(), opened.trace(), opened.best(1)[0]
    cards = {card.label: card.value for card in report.cards}
    auc = top_auc([point.utility for point in trace], budget=30, frequency=1)
    assert (cards["calls"], cards["best qed"]) == ("30", shown(best.utility))
    assert cards["AUC top 10"] == shown(auc)
    assert "random AUC" in cards
    called = [row for row in rows if row.call is not None]
    n_failed = sum(row.scores[0].status == "failed" for row in called)
    assert n_failed, "the oracle failed for some"
    assert cards["with a failure"] == str(n_failed)
    sources = section(report, "calls").blocks[0].rows
    assert sum(row[1] for row in sources) == 30
    failures = section(report, "failures").blocks
    assert failures[0].rows[0][:3] == ("qed", "failed", EVIL)
    assert [row[0] for row in failures[-1].rows] == ["molecule 14"]
    page = harmless(render(report))
    assert len(page.data["rows"]) == len(rows)
    assert len({n for n in page.data["drawings"] if n >= 0}) >= 10
    worth = [row[page_column(page, "qed")] for row in page.data["rows"]]
    feasible = [row[page_column(page, "feasible")] for row in page.data["rows"]]
    n = sum(feasible)
    assert feasible == [True] * n + [False] * (len(rows) - n), "the best come first"
    assert worth[:n] == sorted(worth[:n], reverse=True)


def page_column(page, name):
    return [column["name"] for column in page.data["columns"]].index(name)


def test_several_goals_have_a_front(tmp_path):
    report = make_report(small_campaign(tmp_path / "two.sqlite", two=True))
    assert "tpsa" in section(report, "front").blocks[0].title
    assert "minimize tpsa" in report.title
    harmless(render(report))


def test_a_docking_has_a_short_label_and_its_poses_can_be_saved(tmp_path):
    docking = f"docking[vina,exhaustiveness=1,poses={tmp_path}]:DRD2"
    goal = CampaignSettings(objectives=(Objective(name=docking, direction="minimize"),))
    start = [StartMolecule("CC", (-2.0,)), StartMolecule("CCO", (-3.5,))]
    with Campaign.create(tmp_path / "journal.sqlite", FakeModel(), goal, start=start):
        pass
    report = make_report(tmp_path)
    tiles = section(report, "best").blocks[0].tiles
    assert tiles[0].lines[0] == "docking:DRD2 -3.5"
    assert [block.kind for block in section(report, "best").blocks] == ["tiles"]
    for text in ("CC", "CCO"):
        (tmp_path / f"{inchikey(parse(text))}.sdf").write_text(f"{text}\n$$$$\n")
    poses = section(make_report(tmp_path), "best").blocks[-1]
    assert poses.text == "CCO\n$$$$\nCC\n$$$$\n"
    links = [a for tag, a in Page(render(make_report(tmp_path))).elements if tag == "a" and "download" in a]
    assert [a["download"] for a in links] == ["poses.sdf"]
    assert base64.b64decode(links[0]["href"].partition(",")[2]).decode() == poses.text


def test_the_rarest_place_of_each_of_the_best_is_named_and_highlighted(campaign, tmp_path):
    shutil.copy(campaign, tmp_path / "journal.sqlite")
    plain = make_report(tmp_path / "journal.sqlite")
    assert "training molecules" not in str(section(plain, "best"))
    best = [tile.smiles for tile in section(plain, "best").blocks[0].tiles]
    molecules = [parse(smiles) for smiles in best]
    others = [Precedent.counted([m for m in molecules if m is not one]) for one in molecules]
    odd = next(n for n, known in enumerate(others) if known.weakest(molecules[n]).count == 0)
    known = others[odd]
    (tmp_path / "model").mkdir()
    save_file(known.arrays(), tmp_path / "model" / "precedent.safetensors")
    remember_checkpoint(tmp_path, tmp_path / "model")
    report = make_report(tmp_path / "journal.sqlite")
    words = [tile.lines[-1] for tile in section(report, "best").blocks[0].tiles]
    weak = known.weakest(molecules[odd])
    assert words.pop(odd) == f"{weak.name}: in 0 of {known.n_molecules:,} training molecules"
    assert all("training molecules" in line and "in 0 of" not in line for line in words)
    drawings = report.gallery.symbols
    assert 'class="f rare"' in drawings[best.pop(odd)]
    assert not any('class="f rare"' in drawings[smiles] for smiles in best)


def test_a_baseline_has_the_same_objectives(campaign, tmp_path):
    other = small_campaign(tmp_path / "two.sqlite", two=True)
    with pytest.raises(UsageError, match="other objectives"):
        make_report(campaign, baseline=other)
    with pytest.raises(UsageError, match="only a run or a checkpoint"):
        make_report(campaign, corpus=tmp_path)


def test_a_file_of_hostile_molecules(tmp_path):
    path = tmp_path / "some.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["smiles", "name", "potency", "remark"])
        writer.writerow(["CCO", EVIL, "1.5", FORMULA])
        writer.writerow(["CCCl", FORMULA, "", "x"])
        writer.writerow(["c1ccccc1Cl", "=1+1", "2", "$$$$"])
        writer.writerow([EVIL, "bad", "3", ""])
    report = make_report(path)
    html = render(report)
    page = harmless(html)
    assert EVIL not in html
    names = [row[page_column(page, "identifier")] for row in page.data["rows"]]
    assert names == [EVIL, FORMULA, "=1+1"], "the table holds what the file says"
    kinds = {column["name"]: column["kind"] for column in page.data["columns"]}
    assert (kinds["potency"], kinds["remark"], kinds["qed"]) == ("number", "text", "number")
    assert page.data["rows"][1][page_column(page, "potency")] is None
    assert section(report, "rejected").blocks[0].rows[0][:3] == (5, "bad", EVIL)
    cards = {card.label: card.value for card in report.cards}
    assert (cards["rows"], cards["valid"]) == ("4", "75 %")


def test_a_long_file_is_drawn_from_evenly(tmp_path):
    path = tmp_path / "long.smi"
    path.write_text("".join(f"{'C' * (1 + n % 30)} m{n}\n" for n in range(400)))
    report = make_report(path, n_rows=50, n_molecules=5)
    lines = [row[-1] for row in report.table.rows]
    assert len(lines) == 50
    assert lines == sorted(lines)
    assert 130 < np.mean(lines) < 270
    assert report.cards[0].value == "400"
    assert sum(n >= 0 for n in report.table.drawings[18:]) <= 50
    assert render(report) == render(make_report(path, n_rows=50, n_molecules=5))


@pytest.fixture(scope="module")
def screened(tmp_path_factory, tiny_checkpoint, little_csv):
    output = tmp_path_factory.mktemp("screen") / "screened"
    library = output.with_name("library.csv")
    library.write_text("".join(little_csv.read_text().splitlines(keepends=True)[:40]) + "C C,gap,1\n")
    wishes = (Objective(name="qed"), Objective(name="logp", direction="at_most", bound=2.0))
    settings = ScreenSettings(
        library=str(library), checkpoint=tiny_checkpoint, objectives=wishes, top=10, part_bytes=300
    )
    screen(settings, output, workers=0, device="cpu")
    return output


def test_a_screen_before_and_after_its_merge(screened):
    before = make_report(screened)
    assert [card.label for card in before.cards][-1] == "not merged yet"
    merged = merge([screened])
    after = make_report(screened)
    funnel = merged.funnel
    steps = [row[1] for row in section(after, "funnel").blocks[0].rows]
    assert steps == [funnel.read, funnel.valid, funnel.kept, funnel.in_domain, funnel.hits]
    assert steps == [row[1] for row in section(before, "funnel").blocks[0].rows]
    assert [row[0] for row in after.table.rows] == [hit.smiles for _, hit in merged.best]
    assert "not at most" in str(section(after, "dropped").blocks[0].rows)
    alone = make_report(merged.path)
    assert [card.value for card in alone.cards] == [card.value for card in after.cards]
    harmless(render(after))


def test_a_run_shows_its_model_on_its_own_corpus(tiny_checkpoint, little_corpus):
    report = make_report(tiny_checkpoint.parent)
    assert report.kind == "training run"
    assert [part.anchor for part in report.sections if part.blocks] == [
        "curves", "samples", "reconstruction", "parity", "map", "settings",
    ]  # fmt: skip
    assert {figure.title for figure in section(report, "parity").blocks} == {"weight", "qed", "logp"}
    assert f"part of {little_corpus.name}" in section(report, "parity").note
    page = harmless(render(report))
    exact = [row[page_column(page, "exact")] for row in page.data["rows"]]
    assert [row[0] == row[page_column(page, "decoded")] for row in page.data["rows"]] == exact, (
        "exact says that the molecule came back"
    )


def test_a_checkpoint_alone_is_shown_on_its_samples(tiny_checkpoint, tmp_path):
    import shutil

    place = tmp_path / "model-of-mine"
    shutil.copytree(tiny_checkpoint, place)
    report = make_report(place)
    assert report.kind == "checkpoint"
    assert not section(report, "curves").blocks
    assert "well-known drugs" in section(report, "map").note
    assert {figure.title for figure in section(report, "parity").blocks} == {"qed", "logp"}


def test_the_kind_of_a_path_is_detected_and_others_are_errors(
    campaign, screened, tiny_checkpoint, little_corpus, tmp_path
):
    assert kind_of(campaign) == kind_of(campaign.parent) == "campaign"
    assert kind_of(tiny_checkpoint) == "checkpoint"
    assert kind_of(tiny_checkpoint.parent) == "run"
    assert kind_of(screened) == "screen"
    for path, told in (
        (tmp_path / "nowhere", "nothing at"),
        (tmp_path, "no records"),
        (little_corpus, "is a corpus"),
        (tiny_checkpoint.parent / "metrics.jsonl", "the log of a training run"),
    ):
        with pytest.raises(InputError, match=told) as error:
            kind_of(path)
        assert error.value.hint
    with pytest.raises(UsageError, match=r"an \.html file"):
        write_report(make_report(campaign), tmp_path / "report.pdf")


def test_the_content_security_policy_blocks_other_scripts(campaign):
    html = render(make_report(campaign, n_molecules=3))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1]
    assert policy.startswith("default-src &#39;none&#39;")
    assert "unsafe" not in policy
    assert "http://" not in html.replace("http://www.w3.org/2000/svg", "")


def test_a_report_does_not_depend_on_the_order_of_sets():
    """Python orders sets of texts differently in every process."""
    code = (
        "from molvae.chemistry.molecule import parse; from molvae.reporting import molecules_report as m\n"
        "rows = [[f'brenk: reason {i}' for i in range(9)], ['pains: a', 'brenk: b', 'pains: a']]\n"
        "print(m._filters_section([parse('C')] * 2, rows))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }  # fmt: skip
    assert len(said) == 1
