"""Small files of molecules, and a corpus."""

from __future__ import annotations

import pytest

from molvae.data.config import PrepareSettings
from molvae.data.corpus import Corpus
from molvae.data.preparation import prepare

ALCOHOLS = [f"{'C' * n}O" for n in range(1, 21)]
RINGS = [f"{'C' * n}c1ccc({x})cc1" for n in range(1, 9) for x in ("F", "Cl", "Br", "O", "C#N")]
MOLECULES = ALCOHOLS + RINGS
SD_BLOCK = """{title}
  made by hand

  2  1  0  0  0  0            999 V2000
    0.0000    0.0000    0.0000 C   0  0  0  0  0  0
    1.0000    0.0000    0.0000 O   0  0  0  0  0  0
  1  2  1  0
M  END
{fields}
$$$$
"""


@pytest.fixture
def molecules():
    return list(MOLECULES)


@pytest.fixture
def run(tmp_path):
    """Prepare rows of a table (a list of lists, the header first) or a text; returns (corpus, balance)."""

    def prepared(table, *, name="input.csv", workers=0, **options):
        text = table if isinstance(table, str) else "".join(",".join(row) + "\n" for row in table)
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        options = {"output": tmp_path / "corpus", **options}
        balance = prepare(PrepareSettings(input=(str(path),), **options), workers=workers)
        return Corpus.open(options["output"]), balance

    return prepared


@pytest.fixture
def corpus(run, molecules):
    rows = [["smiles", "value"], *([text, str(n) if n % 3 else ""] for n, text in enumerate(molecules))]
    return run(rows, labels=("value",), fractions=(0.6, 0.2, 0.2))[0]
