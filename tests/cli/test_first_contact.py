"""Error messages for beginners: what was expected, a suggestion, what to do."""

from __future__ import annotations

import sys

import pytest

from molvae.cli.output import Session
from molvae.persistence.directories import committed_directory

MISTAKES = [
    # no arguments, and the ways to ask for help
    ("prepare", 2, "no file to prepare", "molvae prepare mine.csv -o corpus"),
    ("prepare mine.csv", 2, "no directory for the corpus", "-o corpus"),
    ("hlep", 2, "no command 'hlep'", "See 'molvae --help'"),
    ("optimise", 2, "did you mean 'optimize'?", "See 'molvae --help'"),
    ("oracles chek dock.py:f", 2, "unknown oracle 'chek'; did you mean 'check'?", "'molvae oracles' lists"),
    # options
    ("train", 2, "missing argument 'CORPUS'", "train --help"),
    ("train c -o r --device gpu", 2, "'gpu' is not one of", "train --help"),
    ("train c -o r --lr 3", 2, "no option '--lr'; did you mean '--learning-rate'?", "train --help"),
    ("sample m --n 2", 2, "did you mean '-n'?", "sample --help"),
    ("sample m --zzz 2", 2, "no option '--zzz'", "sample --help"),
    ("sample m -n five", 2, "'five' is not an integer", "sample --help"),
    ("sample m -n 0", 2, "0 is not in the range from 1", "sample --help"),
    ("sample m -o new.xlsx", 2, "cannot tell the format of 'new.xlsx'", ".csv .csv.gz .parquet"),
    ("optimize m -o mine.csv --maximize qed", 2, "'mine.csv' is a file", "optimize --help"),
    # files of molecules
    ("prepare mien.csv -o c", 3, "no file mien.csv; did you mean 'mine.csv'?", ""),
    ("prepare other.csv -o c", 3, "no file other.csv", "typing mistake"),
    ("prepare folder -o c", 3, "folder is a directory; a file of molecules was expected", ""),
    ("prepare empty.csv -o c", 3, "empty.csv is empty", ""),
    ("prepare header.csv -o c --workers 0", 3, "the input has no rows", ""),
    ("prepare sheet.xlsx -o c", 3, "an Excel workbook", "Save the sheet as CSV"),
    ("prepare packed.csv.xz -o c", 3, "packed with xz", "xzcat"),
    ("prepare names.csv -o c", 3, "no column looks like SMILES; the columns are: name", "--smiles-column"),
    (
        "oracles qed CCO --smiles-column smiles",
        2,
        "no file to read the column 'smiles' of",
        "--id-column out",
    ),
    ("prepare mine.csv -o c --smiles-column smile", 2, "did you mean 'smiles'?", "potency"),
    ("prepare mine.csv -o c --labels potncy", 2, "no column 'potncy'; did you mean 'potency'?", "smiles"),
    ("prepare mine.csv -o c --split scafold --workers 0", 2, "did you mean 'scaffold'?", "smiles, potency"),
    ("prepare bad.csv -o c --workers 0", 3, "none of the 2 rows can be used", "white space at character 2"),
    ("prepare commas.csv -o c --labels x --workers 0", 3, "the first one is '5,1'", "semicolons"),
    ("prepare page.csv -o c", 3, "page.csv is a web page, which is not read here", "download that failed"),
    ("prepare rows.jsonl -o c", 3, "rows.jsonl is JSON, which is not read here", ".csv"),
    ("prepare mine.csv -o c --vocabulary nowhere", 3, "no vocabulary at nowhere", "a vocabulary.json"),
    ("prepare mine.csv -o c --vocabulary mine.csv", 3, "mine.csv is not a vocabulary", "a vocabulary.json"),
    # settings
    ("train corpus -o r --set epochs=many", 2, "'epochs' in the settings: a whole number is expected", ""),
    ("train corpus -o r --epochs 0", 2, "at least 1 is expected, got 0", ""),
    ("train corpus -o r --set latent_size=4", 2, "did you mean 'model.latent_size'?", ""),
    ("train corpus -o r --set epoch=3", 2, "unknown key 'epoch' in the settings; did you mean 'epochs'?", ""),
    ("prepare mine.csv -o c --set fractions=[1,1,1]", 2, "the settings: fractions are train, valid", ""),
    ("prepare mine.csv -o c --set fractions=0.5,0.5", 2, "a list is expected, as in [1, 2]", ""),
    ("train corpus -o r --config mine.csv", 2, "mine.csv is not valid TOML", ""),
    # what is there is not mixed up or overwritten
    ("prepare mine.csv -o models/zinc", 2, "models/zinc holds a model; a corpus cannot replace", "another"),
    ("prepare mine.csv -o folder", 2, "folder exists and is not a corpus", "another"),
    ("train corpus -o models/zinc", 2, "models/zinc holds a model; a run needs a directory of its", "-o"),
    ("train corpus -o corpus", 2, "corpus holds a corpus; a run needs a directory of its own", "-o"),
    ("optimize models/zinc --maximize qed -o begun", 2, "begun holds a run; a campaign needs a", "-o"),
    ("calibrate models/zinc --corpus corpus -o folder", 2, "folder exists and is not a model", "another"),
    ("fit-prior models/zinc --corpus corpus -o begun", 2, "begun exists and is not a model", "another"),
    ("screen mine.csv --checkpoint models/zinc --all -o corpus", 2, "corpus holds a corpus; a screen", "-o"),
    ("ask corpus --checkpoint models/zinc --maximize x", 2, "corpus holds a corpus; a campaign needs", "-o"),
    # checkpoints, corpora, campaigns
    ("sample nowhere", 5, "no model directory at nowhere", "molvae train CORPUS -o run"),
    ("sample models", 5, "models is a directory, but no model directory; did you mean models/zinc?", "train"),
    ("sample zinc", 5, "no model directory at zinc; did you mean 'models/zinc'?", "train"),
    ("sample mine.csv", 5, "mine.csv is a file, and a checkpoint is a directory", "comes first"),
    ("encode CCO models/zinc", 5, "no model directory at CCO", "train"),
    ("sample begun", 5, "the run begun has no model yet", "after its first epoch"),
    ("sample corpus", 5, "corpus holds a corpus, but a model was expected", ""),
    ("train copus -o r", 5, "no corpus directory at copus; did you mean 'corpus'?", "molvae prepare FILE"),
    ("train mine.csv -o r", 5, "mine.csv is a file, and a corpus is a directory", "molvae prepare mine.csv"),
    ("info mine.csv", 3, "mine.csv is a file of molecules", "encode, domain"),
    ("info nowhere", 3, "nothing at nowhere", "typing mistake"),
    ("info .", 3, ". is not a checkpoint, corpus, run, campaign or screen", "output directory of train"),
    ("status nowhere", 3, "nothing at nowhere", "typing mistake"),
    ("fetch zinc", 2, "unknown data set 'zinc'", "Known:"),
    ("ask nowhere", 2, "there is no campaign at nowhere yet", "--checkpoint DIR --maximize potency"),
    ("tell nowhere mine.csv", 5, "no campaign at nowhere", "typing mistake"),
    ("optimize models/zinc --maximize qed --minimize qed -o d", 2, "'qed' is both maximized and minim", ""),
    (
        "optimize models/zinc --maximize qed --table x.xlsx -o d",
        2,
        "cannot tell the format of 'x.xlsx'",
        ".csv",
    ),
    ("optimize models/zinc -o d", 2, "no objective given", "--maximize qed"),
    ("optimize models/zinc --at-most sa=3 -o d", 2, "at least one objective to maximize or minimize", ""),
    ("optimize models/zinc --maximize qed --at-most sa=3,5 -o d", 2, "for example sa=3.5, got 'sa=3,5'", ""),
    # oracles
    ("oracles qde", 2, "unknown oracle 'qde'; did you mean 'qed'?", "'molvae oracles' lists"),
    ("optimize m -o d --maximize potency", 2, "unknown oracle 'potency'", "'molvae ask' and 'molvae tell'"),
    ("oracle check dock.py", 2, "'dock.py' names a file", "dock.py:score"),
]


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A directory with valid files and many invalid ones."""
    place = tmp_path_factory.mktemp("desk")
    for name, content in {
        "mine.csv": b"smiles,potency\nCCO,1\nCCN,2\n",
        "empty.csv": b"",
        "header.csv": b"smiles,potency\n",
        "names.csv": b"name,value\naspirin,1\ncaffeine,2\n",
        "bad.csv": b"smiles\nC C\nfoo\n",
        "sheet.xlsx": b"PK\x03\x04" + bytes(60),
        "packed.csv.xz": b"\xfd7zXZ\x00" + bytes(60),
        "commas.csv": b'smiles,x\nCCO,"5,1"\nCCN,"6,2"\n',
        "page.csv": b"<!DOCTYPE html>\n<html><body>404, not found</body></html>\n",
        "rows.jsonl": b'{"smiles": "CCO"}\n',
        "folder/notes.txt": b"mine\n",
    }.items():
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_bytes(content)
    (place / "begun" / "states").mkdir(parents=True)
    for path, kind in (("models/zinc", "model"), ("corpus", "corpus")):
        (place / path).parent.mkdir(exist_ok=True)
        with committed_directory(place / path, kind=kind, schema=1):
            pass
    return place


@pytest.mark.parametrize(("line", "code", "said", "hint"), MISTAKES, ids=[line for line, *_ in MISTAKES])
def test_a_mistake_is_answered_by_a_sentence_and_a_way_out(molvae, desk, monkeypatch, line, code, said, hint):
    monkeypatch.chdir(desk)
    before = sorted(desk.rglob("*"))
    done = molvae(*line.split())
    assert (done.code, done.out) == (code, "")
    error = done.err[done.err.index("molvae: ") :]
    first, _, rest = error.partition("\n")
    assert said in first
    assert hint in rest
    assert "Traceback" not in done.err
    assert sorted(desk.rglob("*")) == before, "a mistake leaves nothing behind"


def test_help_is_understood_in_words_too(molvae):
    assert molvae("help").out == molvae("--help").out
    assert molvae("help", "sample").out == molvae("sample", "--help").out


def test_the_tilde_is_the_home_directory_where_a_shell_leaves_it(molvae, desk, monkeypatch):
    monkeypatch.setenv("HOME", str(desk))
    assert (
        molvae("prepare", "~/mine.csv", "--output=~/models/zinc").err.count(f"{desk}/models/zinc holds") == 1
    )


def test_long_lists_of_settings_wait_to_be_asked_for(molvae):
    short, everything = molvae("train", "--help").out, molvae("train", "--help-all").out
    assert "'molvae train --help-all'" in short
    assert "model.penalties.sparse" not in short
    assert "model.penalties.sparse" in everything
    listed = molvae("optimize", "--help").out
    assert len(listed.splitlines()) < 140
    assert "search.acquisition.scaffold_cap" in listed
    assert "MemberSettings" not in listed
    assert "[default: latent=0.5, graph=0.4, library=0.1]" in " ".join(molvae("ask", "--help").out.split())
    assert "every_row" not in molvae("predict", "--help").out


def test_a_caret_points_at_the_character_to_blame(molvae, tiny_checkpoint):
    done = molvae("neighbors", tiny_checkpoint, "CC(=O)X")
    assert done.code == 3
    assert done.err.splitlines()[-2:] == ["  CC(=O)X", "        ^"]


def test_on_a_terminal_long_sentences_are_wrapped_between_words(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    Session().error("a " * 60 + "end", hint="do " * 50)
    lines = capsys.readouterr().err.splitlines()
    assert max(map(len, lines)) <= 80
    assert all(line.startswith((" ", "molvae: ")) for line in lines)
    assert " ".join(" ".join(lines).split()) == "molvae: " + "a " * 60 + "end " + ("do " * 50).strip()


def test_what_is_too_long_to_be_a_molecule_is_a_row_with_a_reason(molvae, tiny_checkpoint, tmp_path):
    (tmp_path / "huge.smi").write_text("C" * 2_000_000 + "\nCCc1ccc(C)cc1\n")
    done = molvae("encode", tiny_checkpoint, tmp_path / "huge.smi")
    assert done.code == 0
    assert "2 rows, 1 encoded, 1 not encoded" in done.err
    assert len(done.out) < 10_000, "what was too long is not printed back"
