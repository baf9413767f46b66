"""A report in headless Chromium: it loads without errors, sorts, searches, and downloads."""

from __future__ import annotations

import csv
import io
import re

import pytest

from molvae.reporting.page import render
from molvae.reporting.report import make_report
from tests.browser import look, needs_chromium
from tests.reporting.report_records import EVIL, FORMULA, small_campaign

pytestmark = needs_chromium

ROWS = [
    ("CCO", EVIL, "1.5", FORMULA),
    ("CCCl", FORMULA, "", '-2+3, "quoted"\nsecond line'),
    ("c1ccccc1Cl", "=1+1", "2", "$$$$"),
    ("Clc1ccncc1", "-3.5", "10", "@x"),
    ("CCc1ccccc1", "clear", "-7", "plain"),
]


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    path = tmp_path_factory.mktemp("file") / "some.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["smiles", "name", "potency", "remark"])
        writer.writerows(ROWS)
    return render(make_report(path))


@pytest.fixture
def page(html, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(html, encoding="utf-8")
    return path


def cells(html, name):
    """The displayed cells of a column."""
    table = html[html.index('id="table"') :]
    found = re.findall(rf'<td class="[^"]*" data-label="{name}"[^>]*>(.*?)</td>', table)
    return [re.sub(r"<.*", "", cell).strip() for cell in found]


def test_a_campaign_loads_without_a_word_and_leaves_a_picture(tmp_path):
    page = tmp_path / "report.html"
    page.write_text(render(make_report(small_campaign(tmp_path / "journal.sqlite"))), encoding="utf-8")
    picture = tmp_path / "page.png"
    seen = look(f"file://{page}", tmp_path / "profile", f"--screenshot={picture}", "--window-size=1280,1600")
    assert seen.console == []
    assert len(cells(seen.html, "qed")) > 20
    assert "<title>maximize qed" in seen.html
    assert picture.stat().st_size > 50_000, "something is drawn"


def test_the_address_sorts_and_searches(page, tmp_path):
    seen = look(f"file://{page}#sort=-potency&search=Cl", tmp_path / "profile")
    assert seen.console == []
    assert cells(seen.html, "smiles") == ["Clc1ccncc1", "Clc1ccccc1", "CCCl"]
    assert cells(seen.html, "potency") == ["10", "2", ""], "what has no value comes last"
    assert "3 of 5 rows" in seen.html
    assert re.search(r'<th[^>]*data-column="potency"[^>]*aria-sort="descending"', seen.html)
    seen = look(f"file://{page}#sort=potency&search=potency%3E-8%20potency%3C%3D2", tmp_path / "profile")
    assert cells(seen.html, "potency") == ["-7", "1.5", "2"]


def test_downloads_are_complete_and_escaped(page, tmp_path):
    """The functions of the page write the files; the test calls them in a copy without the policy."""
    call = (
        "<script>report.sdf().then((text) => { for (const [id, value] of [['sdf', text], ['csv', "
        "report.csv()]]) { const box = document.createElement('pre'); box.id = 'the-' + id; "
        "box.textContent = JSON.stringify(value); document.body.append(box); } });</script></body>"
    )
    text = re.sub(r"<meta http-equiv[^>]*>", "", page.read_text(encoding="utf-8"))
    page.write_text(text.replace("</body>", call), encoding="utf-8")
    seen = look(f"file://{page}#sort=-potency", tmp_path / "profile")
    assert seen.console == []
    rows = list(csv.DictReader(io.StringIO(written(seen.html, "csv"))))
    assert [row["potency"] for row in rows] == ["10", "2", "1.5", "-7", ""]
    names = [row["identifier"] for row in rows]
    assert names == ["-3.5", "'=1+1", EVIL, "clear", f"'{FORMULA}"], "formulas are text, numbers are numbers"
    assert rows[-1]["remark"] == "'" + ROWS[1][3]
    from molvae.data.readers import open_table

    path = tmp_path / "back.sdf"
    path.write_text(written(seen.html, "sdf"))
    back = list(open_table(path).rows())
    assert [row.text for row in back] == [row["smiles"] for row in rows]
    assert back[1].identifier == "=1+1"
    assert back[1].fields["remark"].strip() == "$$$$"


def written(html, name):
    """The text in an element, unescaped twice."""
    import json
    from html import unescape

    return json.loads(unescape(re.search(rf'<pre id="the-{name}">(.*?)</pre>', html, re.DOTALL)[1]))


def test_what_slips_into_the_page_does_not_run(page, tmp_path):
    text = page.read_text(encoding="utf-8")
    slipped = (
        "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"
        '<link rel="stylesheet" href="http://127.0.0.1:9/x.css">'
    )
    page.write_text(text.replace("</main>", f"{slipped}</main>"), encoding="utf-8")
    seen = look(f"file://{page}", tmp_path / "profile")
    assert "<title>owned" not in seen.html
    assert "<title>some.csv" in seen.html
    assert len([line for line in seen.console if "Content Security Policy" in line]) >= 3
    assert len(cells(seen.html, "smiles")) == 5, "the page itself works on"
