from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molvae.chemistry import facts
from molvae.chemistry.facts import element_counts
from molvae.chemistry.molecule import parse
from molvae.errors import ConfigError, UnknownNameError, UsageError
from molvae.oracles.base import Oracle, Score
from molvae.oracles.catalog import catalog, definition
from molvae.oracles.composite import CompositeOracle
from molvae.oracles.desirability import SHAPES, DesirabilityOracle
from molvae.oracles.plugins import load_oracle
from tests.strategies import DRUGS, smiles

ASPIRIN, CAFFEINE = parse(DRUGS["aspirin"]), parse(DRUGS["caffeine"])
NUMBERS = st.floats(-1e6, 1e6)

OWN = """
mean = "geometric"
about = "like the lead, but more polar"
terms = [
    "clipped[0.8]:similarity[fcfp4]:lead",
    "gaussian[lead,0.5]:logp",
    { score = "max_gaussian[90,10]:tpsa", weight = 2 },
    "substructure[absent]:[N+](=O)[O-]",
]
[molecules]
lead = "CC(=O)Nc1ccc(O)cc1"
"""


class Fixed:
    """Gives every molecule the same score."""

    def __init__(self, score, name="fixed"):
        self.score = score
        self.name = name

    def __call__(self, molecules):
        return [self.score] * len(molecules)


def written(tmp_path, text):
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    return path


@given(NUMBERS, NUMBERS, st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_the_laws_of_desirabilities(x, low, width, sigma):
    high, step = low + width, width / 3
    shapes = {
        "clipped": (width,),
        "gaussian": (low, sigma),
        "min_gaussian": (low, sigma),
        "max_gaussian": (low, sigma),
        "between": (low, high, sigma),
        "rising": (low, high),
        "falling": (low, high),
        "logistic": (low, sigma),
    }
    assert set(shapes) == set(SHAPES.names())
    made = {name: SHAPES.get(name)(*numbers) for name, numbers in shapes.items()}
    assert all(0 <= shape(x) <= 1 for shape in made.values())
    for name in ("clipped", "max_gaussian", "rising", "logistic"):
        assert made[name](x) <= made[name](x + step)
    for name in ("min_gaussian", "falling"):
        assert made[name](x) >= made[name](x + step)
    assert made["gaussian"](low) == made["min_gaussian"](low - sigma) == made["max_gaussian"](high) == 1
    assert made["between"](low) == made["between"](high) == 1
    assert made["rising"](low) == made["falling"](high) == 0
    assert made["gaussian"](low + sigma) == pytest.approx(made["gaussian"](low - sigma), rel=1e-3)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.1, 10)), min_size=1, max_size=5))
def test_the_laws_of_means(terms):
    values, weights = zip(*terms, strict=True)
    oracles = [Fixed(Score.ok(value)) for value in values]
    geometric = CompositeOracle(oracles, "geometric", weights)([ASPIRIN])[0].value
    arithmetic = CompositeOracle(oracles, "arithmetic", weights)([ASPIRIN])[0].value
    assert min(values) - 1e-9 <= geometric <= arithmetic + 1e-9 <= max(values) + 2e-9
    if all(value > 0 for value in values):
        logs = sum(w * math.log(value) for value, w in terms) / sum(weights)
        assert geometric == pytest.approx(math.exp(logs), rel=1e-6)
    equal = CompositeOracle([Fixed(Score.ok(values[0]))] * 3)([ASPIRIN])[0].value
    assert equal == pytest.approx(values[0])


@given(smiles())
def test_a_molecule_is_an_isomer_of_itself(text):
    molecule = parse(text)
    formula = "".join(f"{symbol}{n}" for symbol, n in element_counts(molecule).items() if n)
    assert load_oracle(f"isomers:{formula}")([molecule])[0].value == pytest.approx(1)
    assert load_oracle(f"isomers[arithmetic]:{formula}Si2")([molecule])[0].value < 1


def test_a_custom_objective(tmp_path):
    text = f"mpo:{written(tmp_path, OWN)}"
    oracle = load_oracle(text)
    assert isinstance(oracle, Oracle)
    assert oracle.name == text
    molecule, lead = CAFFEINE, "CC(=O)Nc1ccc(O)cc1"
    value = {name: load_oracle(name)([molecule])[0].value for name in ("logp", "tpsa")}
    by_hand = [
        min(load_oracle(f"similarity[fcfp4]:{lead}")([molecule])[0].value / 0.8, 1),
        math.exp(-0.5 * ((value["logp"] - load_oracle("logp")([parse(lead)])[0].value) / 0.5) ** 2),
        math.exp(-0.5 * ((value["tpsa"] - 90) / 10) ** 2) ** 2,
        1.0,
    ]
    assert oracle([molecule])[0].value == pytest.approx(math.prod(by_hand) ** 0.2)
    assert oracle([parse("[O-][N+](=O)c1ccccc1")])[0].value == 0
    _, found = definition(text)
    assert found.weights == (0.2, 0.2, 0.4, 0.2)
    assert found.terms[0].name == f"clipped[0.8]:similarity[fcfp4]:{lead}"


def test_a_file_can_hold_several_objectives(tmp_path):
    path = written(tmp_path, '[light]\nterms=["falling[200,400]:mw"]\n[polar]\nterms=["rising[20,90]:tpsa"]')
    assert load_oracle(f"mpo[light]:{path}")([ASPIRIN])[0] == Score.ok(1.0)
    with pytest.raises(UsageError, match="has 2 objectives: light, polar"):
        load_oracle(f"mpo:{path}")
    with pytest.raises(UnknownNameError, match="did you mean 'polar'"):
        load_oracle(f"mpo[poler]:{path}")


@pytest.mark.parametrize(
    ("lead", "standard"),
    [
        ("CC(=O)Nc1ccc(CS(C)=O)cc1", "CC(=O)Nc1ccc(C[S+](C)[O-])cc1"),
        ("CC(=O)Nc1ccc(CC[NH3+])cc1.[Cl-]", "CC(=O)Nc1ccc(CCN)cc1"),
        ("[O-]C(=O)c1ccc2nc(C)oc2c1.CNC[C@H](O)[C@@H](O)[C@H](O)[C@H](O)CO", "Cc1nc2ccc(C(=O)O)cc2o1"),
    ],
)
def test_molecules_of_a_file_are_standardized_as_candidates_are(tmp_path, lead, standard):
    terms = 'terms = ["similarity:lead", "gaussian[lead,0.1]:tpsa"]'
    path = written(tmp_path, f'{terms}\n[molecules]\nlead = "{lead}"')
    oracle = load_oracle(f"mpo:{path}")
    assert oracle([parse(standard)])[0].value == 1.0


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("terms = []", ConfigError, "terms"),
        ('term = ["qed"]', ConfigError, "must give 'terms'|did you mean 'terms'"),
        ('terms = ["qed"]\nmeen = "geometric"', ConfigError, "unknown key 'meen'.*did you mean 'mean'"),
        ('terms = ["qed"]\nmean = "harmonic"', ConfigError, "'mean'.*harmonic"),
        ('terms = [{score = "qed", weight = -1}]', ConfigError, "terms.0.weight.*more than 0"),
        ("terms = [3]", ConfigError, "terms.0"),
        ('terms = ["qde"]', UnknownNameError, "did you mean 'qed'.*in mpo:"),
        ('terms = ["gaussian[1]:logp"]', UsageError, r"gaussian\[mu,sigma\]:SCORE; got 1, in mpo:"),
        ('terms = ["gaussian[led,1]:logp"]\n[molecules]\nlead = "C"', UsageError, "got led, 1"),
        ('terms = ["qed"]\n[molecules]\nlead = "CCX"', ConfigError, "molecule 'lead'.*character 3"),
        ('terms = ["qed"\n', ConfigError, "not valid TOML"),
        (None, ConfigError, "cannot read the objective"),
    ],
)
def test_an_invalid_file_is_an_error(tmp_path, text, error, message):
    path = tmp_path / "none.toml" if text is None else written(tmp_path, text)
    with pytest.raises(error, match=f"(?s){message}"):
        load_oracle(f"mpo:{path}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gaussian:logp", r"gaussian\[mu,sigma\]:SCORE; got none"),
        ("gaussian[2,0.5]", "needs a score"),
        ("gaussian[2,0]:logp", "sigma must be positive, got 0"),
        ("gaussian[2,x]:logp", "got 2, x"),
        ("gaussian[nan,1]:logp", "got nan, 1"),
        ("rising[3,3]:logp", "low must be below high"),
        ("clipped[-1]:qed", "upper must be positive"),
        ("logistic[0,0]:qed", "slope must not be 0"),
        ("clipped[1]:qde", "unknown oracle 'qde'; did you mean 'qed'"),
        ("isomers", "needs a formula"),
        ("isomers:C7H8Q2", "no element 'Q'"),
        ("isomers[geometrical]:CH4", "did you mean 'geometric'"),
        ("substructure:[C", "is not a SMARTS pattern"),
        ("substructure[missing]:C", r"\[present\] or \[absent\], got \[missing\]"),
        ("rediscovery", "a rediscovery needs a target molecule"),
        ("similarity[phco]:CCX", r"syntax error at character 3 \('X'\)"),
        ("mpo", "mpo:FILE.toml"),
    ],
)
def test_invalid_oracle_strings_are_errors(text, message):
    with pytest.raises(UsageError, match=message):
        load_oracle(text)


def test_a_term_without_a_value_is_a_molecule_without_a_value():
    oracle = CompositeOracle([load_oracle("qed"), Fixed(Score.failed("no licence"), "docking")])
    score = oracle([ASPIRIN])[0]
    assert (score.status, score.detail) == ("failed", "docking: no licence")
    negative = CompositeOracle([Fixed(Score.ok(-1.0), "logp")])([ASPIRIN])[0]
    assert "a geometric mean needs terms from 0 up" in negative.detail
    assert CompositeOracle([Fixed(Score.ok(-1.0))], "arithmetic")([ASPIRIN])[0] == Score.ok(-1.0)
    inner = DesirabilityOracle(Fixed(Score.failed("late")), SHAPES.get("rising")(0, 1), "worth")
    assert inner([ASPIRIN]) == [Score.failed("late")]


def test_terms_share_fingerprints_and_large_batches_do_too(monkeypatch):
    calls = []
    real = facts.sparse_counts
    monkeypatch.setattr(facts, "sparse_counts", lambda *a: calls.append(a[0]) or real(*a))
    oracle = load_oracle("median1")
    calls.clear()
    molecules = [parse("C" * left + "S" + "C" * right) for left in range(25) for right in range(left, 25)]
    assert len(set(molecules)) == len(oracle(molecules)) == 325  # more than are asked for at once
    assert len(calls) == 325  # two targets, one fingerprint each


@pytest.mark.parametrize(
    ("terms", "mean", "weights"),
    [
        ([], "geometric", None),
        (["qed"], "harmonic", None),
        (["qed"], "geometric", [1, 2]),
        (["qed"], "geometric", [0]),
    ],
)
def test_composites_are_checked(terms, mean, weights):
    with pytest.raises(UsageError):
        CompositeOracle([load_oracle(term) for term in terms], mean, weights)


def test_the_catalog_names_everything_once_and_says_what_it_is():
    entries = catalog()
    names = [entry.name for entry in entries]
    assert len(names) == len(set(names))
    assert {"qed", "similarity", "rediscovery", "isomers", "mpo", "gaussian", "osimertinib_mpo"} <= set(names)
    assert all(entry.about and entry.usage.startswith(entry.name) for entry in entries)
