"""The snippets of docs/write-an-oracle.md, and the requirements of the example oracles."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from molvae.chemistry.molecule import parse
from molvae.cli.main import run
from molvae.errors import UsageError
from molvae.oracles.config import ExternalSettings
from molvae.oracles.plugins import load_oracle

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "write-an-oracle.md").read_text(encoding="utf-8")
EXAMPLES = ROOT / "scripts" / "oracles"
FILES = dict(re.findall(r"```python file=(\S+)\n(.*?)```", PAGE, re.DOTALL))
CHECKS = re.findall(r"```sh\n(molvae oracles check .*?)\n```", PAGE)


PYTHON = shlex.quote(sys.executable)


def script(name):
    return shlex.quote(str(EXAMPLES / name))


def words_of(command):
    """The words of a command, with this Python in place of the one on the path."""
    return [word.replace(":python ", f":{PYTHON} -S ", 1) for word in shlex.split(command)]


@pytest.mark.parametrize("command", CHECKS)
def test_the_oracles_of_the_page_keep_the_protocol(command, tmp_path, monkeypatch, capsys):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    words = words_of(command)[1:]
    assert run([*words, "--molecules", "8", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["keeps_protocol"]
    assert report["findings"][0]["verdict"] == "good"


def test_the_page_names_every_setting_with_its_default():
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", PAGE, re.MULTILINE))
    defaults = {name: field.default for name, field in ExternalSettings.model_fields.items()}
    assert {name: float(value) for name, value in rows.items()} == {
        name: default for name, default in defaults.items() if name not in {"reinvent", "key"}
    }


def test_the_toy_scores():
    with load_oracle(f"cmd:{PYTHON} -S {script('toy.py')}") as oracle:
        scores = oracle([parse("CCO"), parse("CI"), parse("CN")])
    assert [score.status for score in scores] == ["ok", "failed", "ok"]
    assert scores[0].value == 2.0


def test_the_chemprop_wrapper_explains_itself(tmp_path):
    expected = r"chemprop is not installed in this Python: pip install chemprop|cannot be loaded"
    with pytest.raises(UsageError, match=expected):
        load_oracle(f"cmd:{PYTHON} -S {script('chemprop_model.py')} {tmp_path}/none.pt")
