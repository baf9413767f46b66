"""External oracles: workers, retries, options in brackets, and the conformance check."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time

import pytest

from molvae.chemistry.molecule import parse
from molvae.cli.main import run
from molvae.oracles.base import Score, n_workers
from molvae.oracles.config import ExternalSettings
from molvae.oracles.conformance import examine
from molvae.oracles.external import ExternalOracle
from molvae.oracles.functions import FunctionOracle
from molvae.oracles.plugins import load_oracle

MOLECULES = [parse(text) for text in ("C", "CC", "CCC", "CCCC", "CCCCC", "CCCCCC")]
LOOP = """
import json, os, random, sys
def answer(smiles):
    {body}
for line in sys.stdin:
    message = json.loads(line)
    if "smiles" in message:
        print(json.dumps({{"id": message["id"], "scores": answer(message["smiles"])}}), flush=True)
    else:
        print(json.dumps({{"version": 1}}), flush=True)
"""


def program(tmp_path, body, options=""):
    path = tmp_path / "program.py"
    path.write_text(LOOP.format(body=body))
    return f"cmd{options}:{shlex.join([sys.executable, '-I', '-S', str(path)])}"


def test_workers_share_the_molecules_and_the_scores_keep_their_order(tmp_path):
    text = program(tmp_path, "return [os.getpid() * 1000 + len(s) for s in smiles]", "[workers=3]")
    with load_oracle(text) as oracle:
        values = [int(score.value) for score in oracle(MOLECULES)]
        assert [value % 1000 for value in values] == [1, 2, 3, 4, 5, 6]
        assert len({value // 1000 for value in values}) >= 2
        assert [int(score.value) % 1000 for score in oracle(MOLECULES[::-1])] == [6, 5, 4, 3, 2, 1]
        assert n_workers(load_oracle(f"clipped[9]:{text}")) == 3


def test_a_crash_is_tried_again_and_a_time_out_is_not(tmp_path):
    flag = tmp_path / "flag"
    body = f"""
    if not os.path.exists({str(flag)!r}):
        open({str(flag)!r}, "w").close()
        os._exit(9)
    return [float(len(s)) for s in smiles]"""
    with load_oracle(program(tmp_path, body, "[pause=0]")) as oracle:
        assert oracle(MOLECULES[:1])[0].value == 1.0
        assert oracle.troubles == ["the program ended with exit code 9"]
    flag.unlink()
    with load_oracle(program(tmp_path, body, "[retries=0]")) as oracle:
        assert oracle(MOLECULES[:1])[0].detail == "the program ended with exit code 9"


def licensed(tmp_path, options):
    """A program that answers once per start, and fails to start until the number in `taken` is 0."""
    taken = tmp_path / "taken"
    path = tmp_path / "licensed.py"
    path.write_text(
        f"""
import json, pathlib, sys
taken = pathlib.Path({str(taken)!r})
left = int(taken.read_text()) if taken.exists() else 0
if left:
    taken.write_text(str(left - 1))
    sys.exit("no licence")
for line in sys.stdin:
    message = json.loads(line)
    if "smiles" in message:
        print(json.dumps({{"id": message["id"], "scores": [1.0 for _ in message["smiles"]]}}), flush=True)
        break
    print(json.dumps({{"version": 1}}), flush=True)
"""
    )
    return f"cmd{options}:{shlex.join([sys.executable, '-I', '-S', str(path)])}", taken


def test_a_worker_whose_licence_is_taken_waits_and_fails_no_molecule(tmp_path):
    text, taken = licensed(tmp_path, "[batch=1,pause=0.01]")
    with load_oracle(text) as oracle:
        assert oracle(MOLECULES[:1])[0].is_ok
        taken.write_text("4")
        assert [score.is_ok for score in oracle(MOLECULES[:3])] == [True, True, True]
        assert len([trouble for trouble in oracle.troubles if "no licence" in trouble]) == 4


def test_patience_ends_once_for_all_molecules_and_comes_back_with_the_licence(tmp_path):
    text, taken = licensed(tmp_path, "[batch=1,pause=0.01,patience=0.1]")
    with load_oracle(text) as oracle:
        assert oracle(MOLECULES[:1])[0].is_ok
        taken.write_text("1000000")
        scores = oracle(MOLECULES)
        assert {score.status for score in scores} == {"failed"}
        assert all("no licence" in score.detail for score in scores)
        assert 1000000 - int(taken.read_text()) < 12 + 12, "only the first one waited"
        taken.unlink()
        assert oracle(MOLECULES[:1])[0].is_ok


def test_a_program_that_answers_once_and_ends_is_started_anew(tmp_path):
    body = (
        "os.write(1, (json.dumps({'id': message['id'], 'scores': [1.0]}) + '\\n').encode()) and os._exit(0)"
    )
    with load_oracle(program(tmp_path, body, "[batch=1,pause=0]")) as oracle:
        assert [score.value for score in oracle(MOLECULES[:3])] == [1.0, 1.0, 1.0]


def test_closing_ends_the_programs_and_calling_starts_them(tmp_path):
    oracle = load_oracle(program(tmp_path, "return [os.getpid()] * len(smiles)"))
    process = int(oracle(MOLECULES[:1])[0].value)
    oracle.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    assert int(oracle(MOLECULES[:1])[0].value) != process
    oracle.close()


def test_a_server_that_is_not_there_fails_every_molecule():
    oracle = load_oracle("http[retries=0]://127.0.0.1:9/score")
    assert {score.status for score in oracle(MOLECULES)} == {"failed"}
    assert "Connection refused" in oracle(MOLECULES[:1])[0].detail


def verdicts(function):
    report = examine(FunctionOracle(function, "x"), large=8)
    return {finding.name: finding for finding in report.findings}


def test_the_check_finds_what_is_wrong():
    counter = iter(range(10**6))
    assert verdicts(lambda smiles: [next(counter) for _ in smiles])["repeatable"].verdict == "note"
    rank = verdicts(lambda smiles: [float(sorted(smiles).index(s)) for s in smiles])["order"]
    assert (rank.verdict, "another score" in rank.sentence or "scores differ" in rank.sentence) == (
        "wrong",
        True,
    )
    none = verdicts(lambda smiles: [None] * len(smiles))["answers"]
    assert (none.verdict, "None of 6 ordinary molecules" in none.sentence) == ("wrong", True)
    same = verdicts(lambda smiles: [0.0] * len(smiles))["answers"]
    assert (same.verdict, "same score, 0" in same.sentence) == ("note", True)
    assert verdicts(lambda smiles: [float(len(s)) for s in smiles])["order"].verdict == "good"


def test_the_check_of_a_program_that_crashes_ends_with_4(tmp_path, capsys):
    body = """
    if "[Na+]" in " ".join(smiles):
        os._exit(7)
    return [float(len(s)) for s in smiles]"""
    text = program(tmp_path, body, "[retries=0]")
    assert run(["oracle", "check", text, "--molecules", "8", "--json"]) == 4
    said = capsys.readouterr()
    findings = {f["name"]: f for f in json.loads(said.out)["findings"]}
    assert findings["crashes"]["verdict"] == "wrong"
    assert "exit code 7" in findings["crashes"]["sentence"]
    assert findings["odd molecules"]["verdict"] == "note"
    assert "breaks the protocol" in said.err


def test_an_error_of_one_request_ends_the_others():
    asked = []

    class Broken:
        def ask(self, smiles, _seconds):
            asked.append(smiles)
            if len(asked) == 1:
                raise OSError("too many open files")
            time.sleep(0.02)
            return [Score.ok(1.0)] * len(smiles)

        def close(self):
            pass

        interrupt = close

    oracle = ExternalOracle("x", Broken, ExternalSettings(workers=2, batch=1))
    with pytest.raises(OSError, match="too many open files"):
        oracle(MOLECULES * 20)
    assert len(asked) < 20
