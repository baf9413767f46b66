from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from molvae.chemistry.descriptors import DESCRIPTORS
from molvae.chemistry.molecule import parse
from molvae.errors import ConfigError, UnknownNameError, UsageError
from molvae.oracles.base import ORACLES, Oracle, OracleText, Score
from molvae.oracles.functions import FunctionOracle, user_function_oracle
from molvae.oracles.plugins import known_oracles, load_oracle

MOLECULES = [parse(text) for text in ("CCO", "CCN", "c1ccccc1", "C")]


class UnprintableError(Exception):
    def __str__(self):
        raise RuntimeError

    __repr__ = __str__


class Stranger:
    def __float__(self):
        raise UnprintableError

    def __repr__(self):
        raise UnprintableError


def _raise(error):
    def function(_smiles):
        raise error

    return function


def _endless(_smiles):
    while True:
        yield 1.0


def _breaks_off(_smiles):
    yield 1.0
    raise ValueError("disk full")


BAD = {
    "raises": (_raise(ValueError("boom")), "ValueError: boom"),
    "exits": (_raise(SystemExit(3)), "SystemExit: 3"),
    "unprintable": (_raise(UnprintableError()), "UnprintableError"),
    "none": (lambda _: None, "expected a list of 1 numbers, got None"),
    "nan": (
        lambda smiles: math.nan if isinstance(smiles, str) else [math.nan] * len(smiles),
        "finite number",
    ),
    "infinite": (lambda smiles: [math.inf] * len(smiles), "expected a finite number, got inf"),
    "nones": (lambda smiles: [None] * len(smiles), "expected a number, got None"),
    "texts": (lambda smiles: ["0.5"] * len(smiles), "expected a number, got str '0.5'"),
    "strangers": (lambda smiles: [Stranger()] * len(smiles), "expected a number, got Stranger ..."),
    "complex": (lambda smiles: [1j] * len(smiles), "expected a number, got complex 1j"),
    "too_few": (lambda smiles: [1.0] * (len(smiles) - 1), "0 answers for 1 molecules"),
    "too_many": (lambda smiles: [1.0] * (len(smiles) + 1), "more than 1 answers for 1 molecules"),
    "endless": (_endless, "more than 1 answers for 1 molecules"),
    "breaks_off": (_breaks_off, "ValueError: disk full"),
    "text": ("".join, "expected a list of 1 numbers, got str 'CCO'"),
    "mapping": (lambda smiles: dict.fromkeys(smiles, 1.0), "expected a list of 1 numbers, got dict"),
    "set": (lambda _: {1.0}, "expected a list of 1 numbers, got set"),
}


@pytest.mark.parametrize("argument", [None, list[str], str])
@pytest.mark.parametrize("name", BAD)
def test_a_bad_function_fails_every_molecule_and_crashes_none(name, argument):
    function, detail = BAD[name]

    def annotated(smiles):
        return function(smiles)

    annotated.__annotations__ = {} if argument is None else {"smiles": argument}
    scores = FunctionOracle(annotated, name)(MOLECULES)
    assert [score.status for score in scores] == ["failed"] * 4
    assert all(math.isnan(score.value) and score.detail and "\n" not in score.detail for score in scores)
    if argument == list[str]:
        assert detail in scores[0].detail


def test_interrupting_is_not_an_answer():
    with pytest.raises(KeyboardInterrupt):
        FunctionOracle(_raise(KeyboardInterrupt()), "x")(MOLECULES)


def test_one_bad_molecule_costs_only_itself():
    def lengths(smiles: list[str]) -> list[float]:
        if "CCN" in smiles:
            raise ValueError("no nitrogen")
        return [len(text) for text in smiles]

    scores = FunctionOracle(lengths, "lengths")(MOLECULES)
    assert [score.value for score in scores if score.is_ok] == [3, 8, 1]
    assert (scores[1].status, scores[1].detail) == ("failed", "ValueError: no nitrogen")


def test_a_bad_answer_within_a_good_list_costs_only_itself():
    scores = FunctionOracle(lambda _: [1, None, float("nan"), np.float32(2)], "mixed")(MOLECULES)
    assert [score.status for score in scores] == ["ok", "failed", "failed", "ok"]


@pytest.mark.parametrize(
    "answer",
    [
        list,
        tuple,
        np.array,
        lambda values: np.array(values)[:, None],
        iter,
        lambda values: (v for v in values),
    ],
)
def test_any_ordered_collection_is_an_answer(answer):
    scores = FunctionOracle(lambda smiles: answer([float(len(text)) for text in smiles]), "x")(MOLECULES)
    assert [score.value for score in scores] == [3, 3, 8, 1]


def test_functions_of_one_molecule_are_recognized():
    def annotated(smiles: str) -> float:
        return float(len(smiles))

    def plain(smiles):
        return smiles.count("C") / len(smiles.replace("C", ""))

    def counts_on_lists_too(smiles):
        return smiles.count("C")

    def ufunc(smiles):
        return np.array(len(smiles))

    assert [score.value for score in FunctionOracle(annotated, "x")(MOLECULES)] == [3, 3, 8, 1]
    assert [score.value for score in FunctionOracle(counts_on_lists_too, "x")(MOLECULES)] == [2, 2, 0, 1]
    assert [score.value for score in FunctionOracle(ufunc, "x")(MOLECULES)] == [3, 3, 8, 1]
    scores = FunctionOracle(plain, "x")(MOLECULES[::-1])
    assert [score.status for score in scores] == ["failed", "ok", "ok", "ok"]
    assert "ZeroDivisionError" in scores[0].detail


def test_a_function_is_asked_once_per_batch_when_it_answers():
    asked = []

    def function(smiles):
        asked.append(list(smiles))
        return [0.0] * len(smiles)

    oracle = FunctionOracle(function, "x")
    oracle(MOLECULES)
    oracle(MOLECULES[:1])
    assert oracle([]) == []
    assert [len(batch) for batch in asked] == [4, 1]


def test_a_function_cannot_change_the_batch():
    def clears(smiles):
        smiles.clear()
        return [1.0] * 4

    assert [score.status for score in FunctionOracle(clears, "x")(MOLECULES)] == ["ok"] * 4


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    (tmp_path / "sibling_of_mine.py").write_text("SHIFT = 1\n")
    (tmp_path / "docking_of_mine.py").write_text(
        "from sibling_of_mine import SHIFT\n"
        "def score(smiles: list[str]) -> list[float]:\n    return [len(s) + SHIFT for s in smiles]\n"
        "class Model:\n    def __call__(self, smiles):\n        return [2.0 for s in smiles]\n"
        "class Broken:\n    def __init__(self):\n        raise OSError('no weights')\n"
        "TABLE = {}\n"
        "class Native:\n    name = 'native'\n    def __call__(self, molecules):\n"
        "        from molvae.oracles.base import Score\n        return [Score.ok(3.0) for m in molecules]\n"
    )
    (tmp_path / "broken_of_mine.py").write_text("import no_such_module_anywhere\n")
    (tmp_path / "syntax_of_mine.py").write_text("def (\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in [name for name in sys.modules if name.endswith("_of_mine")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("docking_of_mine:score", 4.0),
        ("inline:docking_of_mine:score", 4.0),
        ("inline:docking_of_mine:Model", 2.0),
        ("inline:docking_of_mine:Native", 3.0),
    ],
)
@pytest.mark.usefixtures("own_module")
def test_a_users_own_module_in_the_working_directory(text, value):
    oracle = load_oracle(text)
    assert isinstance(oracle, Oracle)
    assert oracle(MOLECULES[:1]) == [Score.ok(value)]


def test_a_users_own_file(own_module, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    text = f"{own_module}/docking_of_mine.py:score"
    with load_oracle(text) as oracle:
        assert oracle.name == text
        assert oracle(MOLECULES)[0].value == 4.0
    assert load_oracle(f"inline:{text}")(MOLECULES)[0].value == 4.0


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("docking_of_mine:scores", UnknownNameError, "did you mean 'score'"),
        ("inline:docking_of_mine:TABLE", UsageError, "is a dict, expected a function"),
        ("inline:docking_of_mine:Broken", UsageError, "OSError: no weights"),
        ("inline:broken_of_mine:score", UsageError, "no_such_module_anywhere"),
        ("inline:syntax_of_mine:score", UsageError, "SyntaxError"),
        ("nowhere_of_mine:score", UsageError, "module that is not found: nowhere_of_mine"),
        ("./nowhere.py:score", UsageError, "file that does not exist"),
        ("qde", UnknownNameError, "did you mean 'qed'"),
        ("similarty:CCO", UsageError, "module that is not found"),
        ("", UnknownNameError, "unknown oracle"),
        ("qed:CCO", UsageError, "takes no options and no argument"),
        ("similarity", UsageError, "needs a target molecule"),
        ("similarity:CCX", UsageError, r"syntax error at character 3 \('X'\)"),
        ("similarity[fcfp5]:CCO", UsageError, "did you mean 'fcfp6'"),
        ("similarity[ecfp4,fcfp4]:CCO", UsageError, "one fingerprint"),
        ("cmd", UsageError, "needs a command"),
        ("cmd:no-such-program", UsageError, "does not exist or cannot be run: no-such-program"),
        ("cmd:python 'unclosed", UsageError, "cannot be parsed"),
        ("cmd[timeout=0]:true", ConfigError, "timeout"),
        ("cmd[timeuot=1]:true", ConfigError, "did you mean 'timeout'"),
        ("cmd[workers=many]:true", ConfigError, "workers"),
        ("cmd:true", UsageError, "does not start: before answering the greeting"),
        ("cmd:echo hello", UsageError, "instead of answering the greeting: expected JSON, got str 'hello"),
        ("http:nothing", UsageError, "names no host"),
        ("http://user:secret@localhost/", UsageError, "password"),
        ("https[workers=2]://localhost:99999/", UsageError, "not a URL"),
        ("isolated", UsageError, "needs an oracle"),
        ("inline[x]:qed", UsageError, "takes no options"),
    ],
)
@pytest.mark.usefixtures("own_module")
def test_invalid_oracle_strings_are_errors(text, error, message):
    with pytest.raises(error, match=message):
        load_oracle(text)


def test_every_descriptor_is_an_oracle():
    assert set(DESCRIPTORS.names()) <= set(known_oracles())
    assert load_oracle(" qed ").name == "qed"


def test_a_registered_factory_gets_its_options_and_argument(monkeypatch):
    seen = []

    def factory(text: OracleText) -> Oracle:
        seen.append(text)
        return FunctionOracle(lambda smiles: [0.0] * len(smiles), str(text))

    monkeypatch.setitem(ORACLES._entries, "isomers", factory)
    assert load_oracle("isomers[fast, exact]:C7H8:x").name == "isomers[fast,exact]:C7H8:x"
    assert seen == [OracleText("isomers", ("fast", "exact"), "C7H8:x")]


def test_a_file_is_imported_by_its_path(tmp_path, monkeypatch):
    """Not another file of the same name, nor an installed module."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for folder, value in ((".", 1.0), ("v2", 2.0), ("v3", 3.0)):
        Path(folder).mkdir(exist_ok=True)
        for name in ("score.py", "test.py", "json.py", "random.py", "molvae.py"):
            Path(folder, name).write_text(f"def of(smiles: str) -> float:\n    return {value}\n")
    for folder, value in (("v2", 2.0), (".", 1.0), ("v3", 3.0), (str(tmp_path / "v2"), 2.0)):
        for name in ("score.py", "test.py", "json.py", "random.py", "molvae.py"):
            assert user_function_oracle(f"{folder}/{name}:of")([parse("C")])[0].value == value
    assert load_oracle("v2/score.py:of")([parse("C")])[0].value == 2.0


@pytest.mark.parametrize(
    "text", ["isomers:C7H8N2O2", "qed", "similarity:CCO", "gaussian[2,1]:logp", "penalized_logp"]
)
def test_any_oracle_can_be_isolated(text):
    molecules = [parse("Nc1ccccc1C(N)=O"), parse("CCO")]
    oracle = load_oracle(f"isolated:{text}")
    try:
        found, expected = ([s.value for s in each(molecules)] for each in (oracle, load_oracle(text)))
        assert found == pytest.approx(expected)
    finally:
        oracle.close()


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        (np.float32(0.5), 0.5), (np.int64(3), 3.0), (np.array(0.25), 0.25), (np.array([0.25]), 0.25),
        (torch.tensor(2.0), 2.0),
        (np.ma.masked, None), (np.ma.array(1.0, mask=True), None), (np.ma.array([1.0], mask=[True]), None),
        (np.ma.array(1.5, mask=False), 1.5), (float("nan"), None), ("0.5", None),
    ],
)  # fmt: skip
def test_what_is_a_number(answer, value):
    score = Score.of(answer)
    assert (score.value if score.is_ok else None) == value


def test_a_masked_array_is_a_failure_where_it_is_masked():
    def half(_: list[str]) -> np.ma.MaskedArray:
        return np.ma.array([1.0, 0.0], mask=[False, True])

    scores = FunctionOracle(half, "half")([parse("C"), parse("CC")])
    assert [score.status for score in scores] == ["ok", "failed"]
