from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from molvae.cli import fields, inputs, output
from molvae.cli.campaigns import Bound
from molvae.cli.output import Session, facts_text, table_text
from molvae.data.config import PrepareSettings
from molvae.data.records import Column
from molvae.errors import ConfigError
from molvae.progress import PlainProgress
from molvae.text import jsonable
from molvae.training.config import TrainSettings


def test_tables_are_aligned_and_never_read_markup():
    text = table_text(("#", "smiles"), [(1, "c1cc[nH]c1"), (10, "[bold]C[/bold]" + "C" * 200)])
    lines = text.splitlines()
    assert lines[2].startswith(" 1   c1cc[nH]c1")
    assert "[bold]C[/bold]" in text
    assert "C" * 200 in lines[3], "what goes to a file or a pipe is not wrapped"


def test_facts_are_lines_and_json_is_json():
    facts = {
        "path": Path("a"),
        "share": 0.51234,
        "none": None,
        "inner": {"n": 1234},
        "list": ["a", "b"],
        "empty": {},
    }
    assert facts_text(facts).splitlines() == [
        "path   a",
        "share  0.5123",
        "none   -",
        "inner",
        "  n  1,234",
        "list   a, b",
    ]
    told = json.loads(json.dumps(jsonable({**facts, "nan": math.nan, "array": np.array([1.5, math.inf])})))
    assert told["nan"] is None
    assert told["array"] == [1.5, None]
    assert told["path"] == "a"


def test_quiet_says_nothing_but_errors(capsys):
    session = Session()
    session.verbosity = -1
    session.note("talk")
    with session.progress() as progress:
        progress.note("talk")
    session.error("trouble", hint="do this")
    assert capsys.readouterr().err == "molvae: trouble\n  do this\n"


def test_the_live_bar_follows_tasks(monkeypatch, capsys):
    monkeypatch.setenv("TERM", "xterm")
    with output.live_progress() as progress:
        progress.start("count", 3)
        progress.start("count", 3)
        for step in range(3):
            progress.advance("count", 1, loss=0.5 / (step + 1))
        progress.finish("count", best="C[nH]")
        progress.note("a [note] of c1cc[nH]c1")
    err = capsys.readouterr().err
    assert "count: 3 in" in err
    assert "best C[nH]" in err
    assert "a [note] of c1cc[nH]c1" in err


def test_options_beat_the_file_and_assignments_beat_options(tmp_path):
    config = tmp_path / "train.toml"
    config.write_text("epochs = 3\nbatch_size = 16\n[model]\nlatent_size = 7\n")
    given = {"epochs": 4, "batch_size": None, "model__latent_size": 8, "seed": 5}
    settings = fields.Given(TrainSettings, given, config, ("seed=6", "model.decoder_hidden=9")).build()
    assert (settings.epochs, settings.batch_size, settings.seed) == (4, 16, 6)
    assert (settings.model.latent_size, settings.model.decoder_hidden) == (8, 9)


@pytest.mark.parametrize(
    "text", ['we "quote"', "back\\slash", "a=b", "[x]", "1e3", "true", "tab\tand ünïcode", "#no"]
)
def test_any_text_survives_the_way_into_settings(text):
    given = {"input": (text,), "output": Path("out dir") / text, "labels": (text, "b", "c")}
    settings = fields.Given(PrepareSettings, given).build()
    assert settings.input == (text,)
    assert settings.output == Path("out dir") / text
    assert settings.labels == (text, "b", "c")


def test_a_settings_file_that_is_missing_or_broken_is_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot read the settings file"):
        fields.Given(TrainSettings, {}, tmp_path / "none.toml").build()
    (tmp_path / "bad.toml").write_text("epochs = ")
    with pytest.raises(ConfigError, match=r"bad\.toml is not valid TOML"):
        fields.Given(TrainSettings, {}, tmp_path / "bad.toml").build()


def test_bounds_split_at_the_last_equals_sign():
    assert Bound().convert("similarity:C=CC=O=0.5", None, None) == ("similarity:C=CC=O", 0.5)


def test_arguments_are_files_or_smiles(tmp_path):
    (tmp_path / "list").write_text("CCO a\nCC b\n")
    session = Session()
    session.verbosity = -1
    rows = list(inputs.Arguments([str(tmp_path / "list"), "C#N", "C/C=C\\C", "C" * 5000]).rows(session))
    assert [row.text[:8] for row in rows] == ["CCO", "CC", "C#N", "C/C=C\\C", "CCCCCCCC"]
    assert [row.identifier for row in rows][:3] == ["a", "b", "2"]
    assert [len(part) for part in inputs.chunks(iter(rows), 2)] == [2, 2, 1]


def test_nothing_from_a_file_controls_the_terminal(capsys, monkeypatch):
    odd = "\x1b]0;title\x07\x1b[2J\x9b31m\u202e\ud800"
    session = Session()
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    session.note(odd)
    session.error(odd, hint=odd)
    session.report({"name": odd, "list": [odd]}, None)
    session.report({}, table_text(("name",), [(odd,)]))
    for session.as_json in (False, True):
        with session.rows(None, [Column("identifier")]) as writer:
            writer.write([odd])
    PlainProgress(sys.stderr).note(odd)
    said = capsys.readouterr()
    assert not set(said.out + said.err) & set("\x1b\x07\x9b\u202e\ud800")
