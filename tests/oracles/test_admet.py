"""ADMET-AI oracles: errors for wrong names, and predictions if it is installed."""

from __future__ import annotations

from importlib.util import find_spec

import pandas as pd
import pytest

from molvae.chemistry.molecule import parse
from molvae.errors import MissingDependencyError, UnknownNameError, UsageError
from molvae.oracles import heads
from molvae.oracles.plugins import load_oracle

needs_admet = pytest.mark.skipif(find_spec("admet_ai") is None, reason="molvae[admet] is not installed")


def test_a_missing_extra_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(heads, "find_spec", lambda _: None)
    with pytest.raises(MissingDependencyError, match="not installed") as error:
        load_oracle("admet:hERG")
    assert error.value.hint == "pip install 'molvae[admet]'"
    with pytest.raises(UsageError, match="needs an endpoint"):
        load_oracle("admet")


def test_every_molecule_keeps_its_score_although_rows_may_be_dropped():
    class Model:
        def predict(self, smiles):
            read = [text for text in smiles if text != "C"]
            return pd.DataFrame({"hERG": [len(text) + 1e-7 for text in read]}, index=read)

    oracle = heads.Admet.__new__(heads.Admet)
    oracle._endpoint, oracle._model = "hERG", Model()
    assert [score.value for score in oracle([parse("CCO"), parse("CC")])] == [3.0, 2.0]
    assert [score.status for score in oracle([parse("CCO"), parse("C")])] == ["failed", "failed"]


@needs_admet
def test_there_are_41_endpoints_and_wrong_names_are_errors():
    assert len(heads.endpoints()) == 41
    assert heads.endpoints()["Half_Life_Obach"] == "hr"
    with pytest.raises(UnknownNameError, match=r"'herg'; did you mean 'hERG'\?"):
        load_oracle("admet:herg")


@needs_admet
def test_a_herg_blocker_scores_higher_than_citrate():
    texts = ("Fc1ccc(cc1)C(=O)CCCN1CCC(O)(CC1)c1ccc(Cl)cc1", "OC(=O)CC(O)(CC(O)=O)C(O)=O")
    with load_oracle("admet:hERG") as oracle:
        haloperidol, citrate = oracle([parse(text) for text in texts])
        alone = oracle([parse(texts[1])])[0]
    assert haloperidol.value > 0.9
    assert citrate.value < 0.1
    assert alone == citrate
