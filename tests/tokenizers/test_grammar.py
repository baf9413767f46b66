"""Laws of the grammar: it reads whatever RDKit writes, and what it reads RDKit reads."""

from __future__ import annotations

import copy
import csv
import gzip
import os
import pickle
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem, rdBase

from molvae.chemistry.molecule import canonical
from molvae.tokenizers.grammar.prefix import START, after, may_end
from molvae.tokenizers.selfies import SelfiesTokenizer
from molvae.tokenizers.smiles import SmilesTokenizer
from molvae.tokenizers.vocabulary import EOS, SPECIALS, UNK

ROOT = Path(__file__).resolve().parents[2]
READ = """
    CCO c1ccccc1 c1cc[nH]c1 c1cccn1C O=c1cc[nH]cc1 c1ccc2ccccc2c1 c1ccc(-c2ccccc2)cc1 c1ccccc1c1ccccc1
    c1ccc2c(c1)-c1ccccc1C2 Cn1cnc2c1c(=O)n(C)c(=O)n2C [Na+].CC(=O)[O-] C[N+](=O)[O-] O=[N+]([O-])c1ccccc1
    C12C3C4C1C5C2C3C45 CC/C(=C(\\c1ccccc1)c1ccccc1)C C%10CC%10 C%(100)CC%(100) CS(=O)(=O)C F[P-](F)(F)(F)(F)F
    [O-][Cl+3]([O-])([O-])[O-] c1cc[se]c1 c1cc[s+]cc1 c1ccoc1 c1cc[o+]cc1 [nH]1cccc1 C[n+]1ccccc1 [2H]C
    [NH4+] [Fe+2] C1=CCCCC=1 C=1CCCC1 *c1ccccc1 c1cc*cc1 [CH3:1]C OB(O)c1ccccc1 CP(=O)(O)O O=c1cccccc1
    c1ccc2[nH]c3ccccc3c2c1 c1ccn2cncc2c1 c1cnc2ncnc-2[nH]1 c1ccc2cccc-2cc1 C[C@@H](N)C(=O)O C1CC2(C1)CCC2
"""
REFUSED = """
    C( C) C()C C((C))C (C)C C= =C C==C C=(C)C C(=)C C1 C11 C1C1 C12CC12 C1CC=1= C(1CC1) .C C..C CC.
    CN(C)(C)C FF(F) O(C)(C)C C[NH4+] C(C)(C)(C)(C)C C#C#C cc c cC c1cccc1 c1cccn1 c1ccccn1C
    c1cccc1c1cccc1 c1ccccc1=O CO1 c1ccc2cccc2c1 [Xx] [C ?? C<unk> c1ccccc1-
"""


def reads(units):
    prefix = START
    for unit in units:
        prefix = after(prefix, unit)
        if prefix is None:
            return False
    return may_end(prefix)


def rewritten(text):
    """What RDKit writes for what it reads; faster than `canonical`, which explains what it does not read."""
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(text)
        return None if mol is None else Chem.MolToSmiles(mol)


def small(text):
    return any(letter.islower() for letter in text)


@pytest.fixture(scope="module")
def written():
    """Canonical SMILES: of the starter set, and of random SELFIES, which are odder."""
    with gzip.open(ROOT / "datasets" / "starter.csv.gz", "rt") as file:
        starter = [row[0] for row in islice(csv.reader(file), 1, 10_000, 50)]
    rng = np.random.default_rng(0)
    symbols = sorted({symbol for text in starter[:150] for symbol in SelfiesTokenizer.split(text)})
    symbols += ["[S+1]", "[P]", "[=P]", "[B]", "[#N]", "[=S]", "[Se]", "[=O+1]", "[N-1]", "[I]"]
    odd = [SelfiesTokenizer.write("".join(rng.choice(symbols, rng.integers(3, 40)))) for _ in range(300)]
    return starter, [text for text in map(canonical, odd) if text]


@pytest.mark.parametrize(("texts", "verdict"), [(READ, True), (REFUSED, False)])
def test_known_cases(texts, verdict):
    for text in texts.split():
        assert reads(SmilesTokenizer.cut(text)) == verdict, text
        assert (canonical(text) is not None) == verdict, "RDKit says so too"


def test_what_rdkit_writes_is_never_refused(written):
    starter, odd = written
    assert (len(starter), len(odd) > 200) == (200, True)
    assert [text for text in starter + odd if not reads(SmilesTokenizer.cut(text))] == []


@pytest.mark.parametrize(
    ("alphabet", "n_units"),
    [
        (["C", "c", "n", "(", ")", "=", "1"], 5),
        (["c", "[nH]", "o", "1", "="], 5),
        (["C", "O", "-", ".", "1"], 5),
    ],
)
def test_all_short_texts_are_judged_as_rdkit_judges_them(alphabet, n_units):
    """Apart from two things RDKit reads but never writes: small letters outside of aromatic rings, rings
    across a dot."""
    texts, read = [((), START)], []
    for _ in range(n_units):
        longer = [
            ((*units, unit), None if prefix is None else after(prefix, unit))
            for units, prefix in texts
            for unit in alphabet
        ]
        texts = longer
        read += [("".join(units), prefix is not None and may_end(prefix)) for units, prefix in longer]
    assert len(read) == sum(len(alphabet) ** n for n in range(1, n_units + 1))
    for text, verdict in read:
        smiles = rewritten(text)
        if verdict or (smiles is not None and small(smiles) == small(text) and "." not in text):
            assert verdict == (smiles is not None), text


def test_damaged_molecules_are_judged_as_rdkit_judges_them(written):
    """What is read with a unit changed is a molecule to RDKit; what RDKit reads, written by it, is read."""
    rng = np.random.default_rng(1)
    n_read = 0
    for text in [*written[0], *written[1]]:
        units = SmilesTokenizer.cut(text)
        for _ in range(2):
            damaged, at, other = list(units), rng.integers(len(units)), units[rng.integers(len(units))]
            damaged[at : at + rng.integers(2)] = [other] if rng.random() < 0.7 else []
            smiles = rewritten("".join(damaged))
            if reads(damaged):
                n_read += 1
                assert smiles is not None, "".join(damaged)
            if smiles and "c#c" not in smiles:  # an aryne has but one aromatic bond an atom
                assert reads(SmilesTokenizer.cut(smiles)), smiles
    assert n_read > 100


@pytest.mark.parametrize("n_merges", [0, 60])
def test_tokens_lead_where_their_units_lead(written, n_merges):
    tokenizer = SmilesTokenizer.build(written[0], n_merges=n_merges)
    grammar = tokenizer.grammar()
    for text in written[0]:
        ids = tokenizer.encode(text).tolist()
        state, left = grammar.start(), len(ids)
        for token in ids:
            assert grammar.needs(state) <= left, "what is needed is never more than what it takes"
            assert all(grammar.after(state, mark) is None for mark in range(len(SPECIALS)) if mark != EOS)
            state, left = grammar.after(state, token), left - 1
        assert grammar.needs(state) == 0
        assert not grammar.reads([*ids[:-1], UNK])
    assert SelfiesTokenizer.build(written[0]).grammar() is None


def test_blind_walks_seldom_end_in_the_dead_and_what_they_write_is_read(written):
    """Any allowed token at each step, thousands of states no molecule was ever in."""
    tokenizer = SmilesTokenizer.build(written[0])
    grammar, rng = tokenizer.grammar(), np.random.default_rng(2)
    texts, n_dead = [], 0
    for _ in range(150):
        state, ids = grammar.start(), []
        while len(ids) < 30 and not (len(ids) > 2 and grammar.after(state, EOS)):
            token = next(
                (
                    t
                    for t in rng.permutation(len(tokenizer.vocabulary)).tolist()
                    if t != EOS and grammar.after(state, t)
                ),
                None,
            )
            if token is None:
                break
            state = grammar.after(state, token)
            ids.append(token)
        if grammar.after(state, EOS):
            texts.append(tokenizer.decode(ids))
        else:
            n_dead += len(ids) < 30
    assert len(texts) > 50
    assert [text for text in texts if rewritten(text) is None] == []
    assert n_dead <= 20


def test_states_are_shared_and_forgotten(monkeypatch, written):
    monkeypatch.setattr("molvae.tokenizers.grammar.table._MOST_STATES", 50)
    tokenizer = SmilesTokenizer.build(written[0][:40])
    grammar = tokenizer.grammar()
    assert all(grammar.reads(tokenizer.encode(text)[:-1].tolist()) for text in written[0][:40])
    assert len(grammar._states) <= 51
    one, other = (grammar.start() for _ in range(2))
    for token in tokenizer.encode("CCCO")[:2].tolist():
        one = grammar.after(one, token)
    for token in tokenizer.encode("CCCO")[:3].tolist():
        other = grammar.after(other, token)
    assert one is other, "a chain is a chain, however long"
    copied = pickle.loads(pickle.dumps(copy.deepcopy(grammar)))  # noqa: S301 - our own
    assert copied.reads(tokenizer.encode("CCCO")[:-1].tolist())


@pytest.mark.skipif("MOLVAE_DATA" not in os.environ, reason="needs the real data sets")
def test_no_molecule_of_the_data_sets_is_refused():
    data = Path(os.environ["MOLVAE_DATA"])
    with gzip.open(data / "zinc250k" / "zinc250k.csv.gz", "rt") as file:
        texts = [row[0] for row in islice(csv.reader(file), 1, 3001)]
    with (data / "moleculenet" / "Lipophilicity.csv").open() as file:
        texts += [row["smiles"] for row in islice(csv.DictReader(file), 1000)]
    smiles = [text for text in map(canonical, texts) if text]
    tokenizer = SmilesTokenizer.build(smiles)
    grammar = tokenizer.grammar()
    assert [text for text in smiles if not grammar.reads(tokenizer.encode(text)[:-1].tolist())] == []
