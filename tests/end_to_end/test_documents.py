"""All snippets of the pages in docs/ run, and all links resolve."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from molvae.campaign.campaign import Campaign
from molvae.chemistry.molecule import parse
from molvae.chemistry.substructure import contains, core_pattern
from tests.documents import ROOT, cells, commands, furnish, play, play_notebook, snippets

DOCS = ROOT / "docs"
PAGES = [page for page in sorted(DOCS.glob("*.md")) if snippets(page.read_text(encoding="utf-8"))]
OF_ITS_OWN = {"write-an-oracle.md", "docking.md"}  # played by tests/oracles
LINKED = [
    *sorted(DOCS.glob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
]


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name not in OF_ITS_OWN], ids=lambda page: page.stem
)
def test_what_a_page_shows_works(page, tmp_path, monkeypatch, capsys):
    furnish(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    play(page.read_text(encoding="utf-8"))
    assert "Traceback" not in capsys.readouterr().err
    OUTCOMES.get(page.stem, lambda: None)()


def values_were_brought_back():
    with Campaign.open("assay/journal.sqlite", writable=False) as campaign:
        told = [row.scores[0] for row in campaign.table() if row.call is not None]
    assert sorted((score.status, score.value) for score in told if score.status == "ok") == [("ok", 6.2)]
    assert [score.status for score in told].count("failed") == 1


def every_candidate_has_the_core():
    with Campaign.open("kept/journal.sqlite", writable=False) as campaign:
        asked = [row.smiles for row in campaign.table() if row.source != "start"]
    assert len(asked) == 12
    assert all(contains(parse(smiles), core_pattern("[*:1]c1ccncc1")) for smiles in asked)


def both_plates_are_new_and_within_the_bounds():
    with Campaign.open("plate/journal.sqlite", writable=False) as campaign:
        asked = [t for t in campaign.history.trials.values() if t.candidate is not None]
        measured = {m.smiles for m in campaign.history.start}
        wanted = campaign.settings.objectives
    assert len(asked) == 16
    assert not measured & {trial.smiles for trial in asked}
    core = core_pattern("O=CNc1ccccc1")
    assert all(contains(parse(trial.smiles), core) for trial in asked)
    known = [j for j, objective in enumerate(wanted) if objective.is_constraint]
    assert all(wanted[j].admits(trial.scores[j].value) for trial in asked for j in known)
    assert sorted(s.value for t in asked for s in t.asked if s is not None) == [5.8, 6.7]
    assert "<svg" in Path("batch1.html").read_text(encoding="utf-8")


def every_cell_is_filled_and_other_assays_help():
    with Path("filled/imputed.csv").open() as file:
        filled = list(csv.DictReader(file))
    assert all(row[assay] for row in filled for assay in ("hERG", "solubility", "clearance", "cytotoxic"))
    assert all(0 <= float(row["cytotoxic"]) <= 1 for row in filled)
    with Path("filled/assays.csv").open() as file:
        figures = {row["name"]: row for row in csv.DictReader(file)}
    for assay in ("hERG", "solubility", "clearance"):
        assert float(figures[assay]["r2"]) > float(figures[assay]["r2_alone"]) + 0.1
    with Path("filled/next.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 24


def table(path):
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def the_best_are_ranked_within_the_bound_and_every_row_comes_back():
    best, funnel = (
        table("screened/result/best.csv"),
        json.loads(Path("screened/result/funnel.json").read_text()),
    )
    qed = [float(row["predicted_qed"]) for row in best]
    assert len(best) == 5
    assert qed == sorted(qed, reverse=True)
    assert all(float(row["sa"]) <= 3.0 for row in best)
    assert funnel["read"] == 40 == funnel["hits"] + sum(funnel["dropped"].values())
    predicted = table("predicted/result/rows.csv")
    assert [row["input.smiles"] for row in predicted] == [row["smiles"] for row in table("library.csv")]
    known = {row["smiles"]: float(row["predicted_qed"]) for row in predicted}
    assert [known[row["smiles"]] for row in best] == pytest.approx(qed, abs=1e-3)


def neighbors_of_nifedipine_are_dihydropyridines():
    found = [parse(row["smiles"]) for row in table("near.csv")]
    related = [molecule for molecule in found if contains(molecule, "C1=CNC=CC1")]
    assert len(related) > 5
    assert len(related) > 0.3 * len(found)


OUTCOMES = {
    "questions": neighbors_of_nifedipine_are_dihydropyridines,
    "impute": every_cell_is_filled_and_other_assays_help,
    "from-an-assay-table-to-the-next-plate": both_plates_are_new_and_within_the_bounds,
    "screen-a-library": the_best_are_ranked_within_the_bound_and_every_row_comes_back,
    "work-with-a-laboratory": values_were_brought_back,
    "objectives-and-constraints": every_candidate_has_the_core,
}


def test_there_are_pages_with_snippets():
    assert len(PAGES) >= 7
    assert {page.name for page in PAGES} >= OF_ITS_OWN


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.name)
def test_links_resolve_and_lines_fit(page):
    text = page.read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", prose):
        assert (page.parent / target).exists(), target
    assert max(len(line) for line in text.splitlines() if not line.startswith("|")) <= 130


@pytest.mark.parametrize("notebook", sorted((DOCS / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_links_of_notebooks_resolve(notebook):
    texts = [
        "".join(c["source"])
        for c in json.loads(notebook.read_text())["cells"]
        if c["cell_type"] == "markdown"
    ]
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", "\n".join(texts)):
        assert (notebook.parent / target).exists(), target


def test_every_page_is_listed_and_on_the_site():
    listed, nav = (DOCS / "README.md").read_text("utf-8"), (ROOT / "mkdocs.yml").read_text("utf-8")
    for page in DOCS.glob("*.md"):
        assert page.name == "README.md" or (f"({page.name})" in listed and f": docs/{page.name}\n" in nav)


def test_commands_are_told_apart():
    code = "# a remark\nmolvae sample run \\\n    -n 5\ncat > x <<'END'\na\nEND\nmolvae info run  # what\n"
    assert commands(code) == [
        "molvae sample run \\\n    -n 5",
        "cat > x <<'END'\na\nEND",
        "molvae info run  # what",
    ]


@pytest.mark.parametrize("notebook", sorted((DOCS / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_run_and_hold_their_outputs(notebook, tmp_path, monkeypatch):
    for cell in cells(notebook):
        assert cell["execution_count"], "it was run before it was committed: jupyter execute --inplace"
        assert not [output for output in cell["outputs"] if output["output_type"] == "error"]
    furnish(tmp_path)
    (tmp_path / "docs" / "notebooks").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "docs" / "notebooks")
    monkeypatch.syspath_prepend(str(tmp_path / "docs" / "notebooks"))
    play_notebook(notebook)


def test_there_are_two_notebooks():
    assert len(list((DOCS / "notebooks").glob("*.ipynb"))) == 2
