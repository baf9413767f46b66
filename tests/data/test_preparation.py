"""Every row is accounted for; the result depends only on input and settings; error messages."""

from __future__ import annotations

import csv
import json
import math
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from molvae.chemistry.descriptors import describe_smiles
from molvae.chemistry.molecule import canonical
from molvae.config import load_settings
from molvae.data import assembly, preparation
from molvae.data.config import PrepareSettings
from molvae.data.corpus import KIND, SCHEMA, Corpus
from molvae.data.preparation import prepare
from molvae.data.readers import open_table
from molvae.errors import CheckpointError, ConfigError, InputError, UnknownNameError, UsageError
from molvae.persistence.manifest import MANIFEST, seal
from molvae.tokenizers.base import TOKENIZERS
from molvae.tokenizers.vocabulary import UNK

RINGS = [f"{'C' * n}c1ccc({x})cc1" for n in range(1, 9) for x in ("F", "Cl", "Br", "O", "C#N")]

MESSY = """ID;Structure;pIC50 (nM);note
m1;CCO;5.1;fine
m2;OCC;5.2;the same molecule
m3;CCO.Cl;;a salt of the same
m4;C1CC;4;ring not closed
m5;;3;no structure
m6;c1ccccc1C(=O)[O-].[Na+];>10;not a number
m7;C C;1;two words
m8;CC(=O)Nc1ccc(O)cc1;n/a;missing
m9;CCN;7;9;one cell too many
m10;[Xx];1;no such element
m11;CCCCCCCC;6.5;fine
"""


def read_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class TestMessyFile:
    @pytest.fixture
    def done(self, run):
        return run(MESSY, labels=("pIC50 (nM)",), descriptors=("logp", "qed"), fractions=(0.8, 0.1, 0.1))

    def test_the_balance_is_exact_and_every_row_is_reported(self, done):
        corpus, balance = done
        assert str(balance) == "11 in = 4 kept + 2 duplicates + 5 rejected"
        rejected = read_csv(corpus.path / "rejected.csv")
        assert [(row["row"], row["stage"]) for row in rejected] == [
            ("5", "parse"),
            ("6", "parse"),
            ("8", "parse"),
            ("10", "read"),
            ("11", "parse"),
        ]
        assert all(row["reason"] for row in rejected)
        assert [(row["identifier"], row["text"]) for row in rejected][:1] == [("m4", "C1CC")]
        twins = read_csv(corpus.path / "duplicates.csv")
        assert [(row["row"], row["text"], row["first_row"]) for row in twins] == [
            ("3", "OCC", "2"),
            ("4", "CCO.Cl", "2"),
        ]
        assert sum(balance.by_reason.values()) == balance.rejected
        assert balance.changed == 2  # a hydrochloride and a sodium salt

    def test_molecules_keep_the_order_of_the_input(self, done):
        corpus, _ = done
        assert corpus.smiles() == ["CCO", "O=C(O)c1ccccc1", "CC(=O)Nc1ccc(O)cc1", "CCCCCCCC"]
        assert corpus.identifiers([3, 0]) == ["m11", "m1"]
        assert np.load(corpus.path / "lines.npy")[1] == 7
        assert corpus.identifiers([1]) == ["m6"]

    def test_labels_are_read_computed_or_missing(self, done):
        corpus, balance = done
        assert corpus.property_names == ("pIC50 (nM)", "logp", "qed")
        assert np.isnan(corpus.labels[:, 0]).tolist() == [False, True, True, False]
        assert math.isclose(corpus.labels[0, 0], 5.15, abs_tol=1e-6), "the mean of both rows of ethanol"
        assert balance.replicates == {"pIC50 (nM)": 1}
        assert math.isclose(corpus.labels[0, 1], -0.0014, abs_tol=1e-6)
        assert balance.missing == {"pIC50 (nM)": 2, "logp": 0, "qed": 0}
        assert balance.unreadable == {"pIC50 (nM)": 1}
        assert [
            (row["row"], row["identifier"], row["cell"])
            for row in read_csv(corpus.path / "unreadable_labels.csv")
        ] == [("7", "m6", ">10")]

    def test_the_directory_says_how_it_was_made(self, done):
        corpus, balance = done
        assert corpus.settings.labels == ("pIC50 (nM)",)
        assert corpus.balance == balance
        assert not (corpus.path / "work").exists()
        assert sum(balance.parts.values()) == len(corpus) == 4


def test_one_bad_row_ends_a_strict_run_and_nothing_is_written(run, tmp_path):
    with pytest.raises(InputError, match=r"line 5: ") as error:
        run(MESSY, on_invalid="fail")
    assert "--on-invalid reject" in str(error.value)
    with pytest.raises(InputError, match="'x' in column 'value' is not a number"):
        run("smiles,value\nCC,1\nCCC,x\n", labels=("value",), on_invalid="fail")
    assert not (tmp_path / "corpus").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["input.csv"]


def test_labels_without_a_single_number_are_refused(run, tmp_path):
    for text, told, hint in (
        (
            'smiles,value\nCC,"5,1"\nCCC,"6,2"\n',
            "no cell of column 'value' is a number; the first one is '5,1'",
            "semicolons",
        ),
        ("smiles,value\nCC,active\nCCC,-\n", "the first one is 'active'", "plain 5.2"),
        ("smiles,value\nCC,\nCCC,n/a\n", "column 'value' is empty", "Leave it out"),
    ):
        with pytest.raises(InputError, match=told) as error:
            run(text, labels=("value",))
        assert hint in str(error.value.hint)
    assert not (tmp_path / "corpus").exists()


@pytest.mark.parametrize("options", [{"split": "scaffold"}, {"tokenizer": "selfies"}])
def test_any_number_of_workers_gives_the_same_bytes(run, molecules, options):
    rows = [["smiles"], *([text] for text in [*molecules, "broken(", molecules[3]])]
    digests = []
    for workers in (0, 2):
        corpus, balance = run(rows, descriptors=("logp",), workers=workers, **options)
        assert (balance.duplicates, balance.rejected) == (1, 1)
        files = json.loads((corpus.path / "MANIFEST.json").read_text())["files"]
        digests.append(files)
    assert digests[0] == digests[1]


class TestDuplicates:
    def test_labels_of_all_rows_of_a_molecule_are_joined(self, run):
        """A long table has one assay per row."""
        rows = [
            ["smiles", "a", "b"],
            *([text, "1.5", ""] for text in RINGS),
            *([text, "", "2.5"] for text in RINGS),
        ]
        corpus, balance = run(rows, labels=("a", "b"))
        assert (balance.duplicates, balance.missing) == (len(RINGS), {"a": 0, "b": 0})
        assert corpus.labels.tolist() == [[1.5, 2.5]] * len(RINGS)
        assert balance.replicates == {}

    def test_replicates_are_averaged_and_their_spread_is_kept(self, run):
        rows = "id,smiles,x,y\na,CCO,1,\nb,CC,5,7\nc,OCC,2,3\nd,C(O)C,6,\ne,CCO,,9\nf,CC.Cl,5,7\ng,C,n.d.,1\n"
        corpus, balance = run(rows, labels=("x", "y"))
        assert corpus.labels.tolist()[:2] == [[3.0, 6.0], [5.0, 7.0]]
        assert balance.replicates == {"x": 2, "y": 2}
        squares = {"x": (4 + 1 + 9) / (2 + 1), "y": (9 + 9) / (1 + 1)}
        assert balance.spread == pytest.approx({name: math.sqrt(value) for name, value in squares.items()})
        listed = [
            {k: row[k] for k in ("row", "identifier", "column", "n", "mean", "sd")}
            for row in read_csv(corpus.path / "replicates.csv")
        ]
        assert listed[0] == {
            "row": "2",
            "identifier": "a",
            "column": "x",
            "n": "3",
            "mean": "3",
            "sd": "2.64575",
        }
        assert listed[1] == {"row": "3", "identifier": "b", "column": "x", "n": "2", "mean": "5", "sd": "0"}
        twins = read_csv(corpus.path / "duplicates.csv")
        assert [(row["identifier"], row["first_identifier"]) for row in twins] == [
            ("c", "a"),
            ("d", "a"),
            ("e", "a"),
            ("f", "b"),
        ]

    @pytest.mark.parametrize("pair", ["01", ("-1", "1"), ("0.0", "1.0")])
    def test_contradictory_classes_are_missing_and_listed(self, run, pair):
        no, yes = pair
        rows = [
            ["smiles", "active", "x"],
            ["CCO", no, "0"],
            ["OCC", yes, "0.5"],
            ["CC", yes, "1"],
            ["CC", yes, ""],
            ["C", no, ""],
            ["C", "", ""],
            ["N", "", ""],
            ["CO", yes, ""],
            ["OC", no, ""],
            ["CO", yes, ""],
        ]
        corpus, balance = run(rows, labels=("active", "x"))
        low = float(no)
        assert np.array_equal(corpus.labels[:, 0], [np.nan, 1, low, np.nan, np.nan], equal_nan=True)
        assert corpus.labels[0, 1] == 0.25, "a column with other values is averaged"
        assert (balance.contradictory, balance.replicates) == ({"active": 2}, {"x": 1})
        listed = read_csv(corpus.path / "contradictions.csv")
        assert [(row["row"], row["smiles"], row["values"]) for row in listed] == [
            ("2", "CCO", f"1 x {low:g}, 1 x 1"),
            ("9", "CO", f"1 x {low:g}, 2 x 1"),
        ]

    def test_a_molecule_on_two_sides_of_a_given_split_is_listed(self, run):
        corpus, balance = run("smiles,fold\nCCO,train\nOCC,test\nCC,test\nCC,test\n", split="fold")
        assert balance.parts == {"train": 1, "valid": 0, "test": 1}
        assert balance.contradictory == {"fold": 1}
        assert read_csv(corpus.path / "contradictions.csv")[0]["values"] == "1 x test, 1 x train"

    def test_blocks_of_another_size_give_the_same(self, run, monkeypatch):
        """The result does not depend on the size of blocks."""
        from molvae.data import arrays

        rows = [
            ["smiles", "x", "c"],
            *([text, str(n % 17), str(int(n in (0, 41)))] for n, text in enumerate(RINGS * 5)),
        ]
        whole, balance = run(rows, labels=("x", "c"))
        labels = np.array(whole.labels)
        monkeypatch.setattr(arrays.blocks, "__defaults__", (7,))
        parts, again = run(rows, labels=("x", "c"))
        assert np.array_equal(parts.labels, labels, equal_nan=True)
        assert again.contradictory == balance.contradictory != {}
        assert again.replicates == balance.replicates == {"x": len(RINGS)}

    def test_enhanced_stereo_and_what_is_no_duplicate_are_counted(self, run):
        corpus, balance = run(
            "smiles,x\nC[C@H](O)F |&1:1|,1\nC[C@H](O)F,3\nCC,5\n", labels=("2",), deduplicate="none"
        )
        assert balance.stereo_groups == 1
        assert corpus.labels.tolist() == [[1.0], [3.0], [5.0]]

    def test_tautomers_share_an_inchikey_only(self, run):
        rows = [["smiles"], ["Oc1ccccn1"], ["O=c1cccc[nH]1"], ["Oc1ccccn1"]]
        assert run(rows)[1].duplicates == 1
        assert run(rows, deduplicate="inchikey")[1].duplicates == 2
        assert run(rows, deduplicate="none")[1].duplicates == 0

    def test_stereo_can_be_forgotten(self, run):
        rows = [["smiles"], ["C[C@H](N)C(=O)O"], ["C[C@@H](N)C(=O)O"]]
        assert run(rows)[1].kept == 2
        assert run(rows, keep_stereo=False)[0].smiles() == ["CC(N)C(=O)O"]

    def test_over_several_files(self, tmp_path):
        (tmp_path / "a.smi").write_text("CCO\nCC\n")
        (tmp_path / "b.csv").write_text("smiles\nC\nOCC\n")
        inputs = (str(tmp_path / "a.smi"), str(tmp_path / "b.csv"))
        balance = prepare(PrepareSettings(input=inputs, output=tmp_path / "corpus"), workers=0)
        assert str(balance) == "4 in = 3 kept + 1 duplicates + 0 rejected"
        twin = read_csv(tmp_path / "corpus" / "duplicates.csv")[0]
        assert (twin["row"], twin["first_row"], twin["file"], twin["first_file"]) == (
            "3",
            "1",
            *reversed(inputs),
        )


class TestLimitsAndFilters:
    def test_each_limit_says_why(self, run, molecules):
        rows = [["smiles"], *([text] for text in molecules)]
        corpus, balance = run([*rows, ["[H][H]"]], max_heavy_atoms=12, max_tokens=14)
        assert balance.rejected > 0
        reasons = {row["stage"] for row in read_csv(corpus.path / "rejected.csv")}
        assert reasons == {"filter", "tokenize"}
        assert corpus.lengths.max() <= 15

    def test_filter_catalogs_name_the_hit(self, run):
        corpus, balance = run([["smiles"], ["CCO"], ["O=C1NC(=S)SC1=Cc1ccccc1"]], filters=("pains",))
        assert balance.rejected == 1
        assert read_csv(corpus.path / "rejected.csv")[0]["reason"]


class TestSplit:
    def test_random_sizes_do_not_depend_on_order(self, run, molecules):
        rows = [[text] for text in molecules]
        one, balance = run([["smiles"], *rows], fractions=(0.5, 0.25, 0.25))
        assert balance.parts == {"train": 30, "valid": 15, "test": 15}
        test = set(one.smiles(one.rows("test")))
        other, _ = run([["smiles"], *reversed(rows)], fractions=(0.5, 0.25, 0.25))
        assert set(other.smiles(other.rows("test"))) == test
        another, _ = run([["smiles"], *rows], fractions=(0.5, 0.25, 0.25), seed=1)
        assert set(another.smiles(another.rows("test"))) != test

    def test_no_scaffold_is_on_two_sides(self, run):
        cores = [f"C1{'C' * n}{x}1" for n in range(2, 22) for x in ("N", "O", "S")]
        rows = [["smiles"], *([f"{'C' * k}{core}"] for core in cores for k in range(1, 4))]
        corpus, balance = run(rows, split="scaffold", fractions=(0.6, 0.2, 0.2))
        sides = {}
        for part in ("train", "valid", "test"):
            for smiles in corpus.smiles(corpus.rows(part)):
                sides.setdefault(smiles.lstrip("C"), set()).add(part)
        assert all(len(side) == 1 for side in sides.values())
        assert abs(balance.parts["test"] - 36) <= 3
        assert abs(balance.parts["valid"] - 36) <= 3

    def test_a_column_decides(self, run):
        rows = "smiles,fold\nC,train\nCC,Validation\nCCC,TEST\nCCCC,train\nCCCCC,later\nCCCCCC,\n"
        corpus, balance = run(rows, split="fold")
        assert balance.parts == {"train": 2, "valid": 1, "test": 1}
        assert corpus.rows("train").tolist() == [0, 3]
        assert balance.rejected == 2
        assert "'later' in column 'fold'" in read_csv(corpus.path / "rejected.csv")[0]["reason"]

    def test_merges_are_learned_from_the_training_part_and_shorten_every_row(self, run, monkeypatch):
        rows = "smiles,fold\n" + "".join(
            f"{'C' * n}c1ccccc1,{'train' if n % 3 else 'test'}\n" for n in range(40)
        )
        units, _ = run(rows, split="fold", n_merges=0)
        monkeypatch.setattr(assembly, "_LEAST_PAIRS", 20)
        merged, _ = run(rows, split="fold", n_merges=8)
        assert merged.smiles() == units.smiles()
        assert "c1ccccc1" in merged.vocabulary
        assert set(units.vocabulary.tokens) <= set(merged.vocabulary.tokens)
        assert (merged.lengths < units.lengths).all()
        monkeypatch.setattr(assembly, "_LEAST_PAIRS", 10_000)
        none, _ = run(rows, split="fold", n_merges=8)
        assert none.vocabulary == units.vocabulary

    def test_the_vocabulary_knows_the_training_part_only(self, run):
        rows = "smiles,fold\nCCO,train\nCCN,train\nCCBr,test\nCC(Br)CBr,valid\n"
        corpus, balance = run(rows, split="fold", n_merges=0)
        assert "Br" not in corpus.vocabulary
        assert balance.unknown == {"Br": 3, "(": 1, ")": 1}
        assert (corpus.ids[2] == UNK).sum() == 1
        assert balance.n_vocabulary == len(corpus.vocabulary) == 7

    def test_nothing_to_train_on(self, run):
        with pytest.raises(InputError, match="training split"):
            run("smiles,fold\nC,test\n", split="fold")


class TestTokens:
    @pytest.mark.parametrize("tokenizer", ["smiles", "selfies"])
    def test_ids_mean_the_molecules(self, run, molecules, tokenizer):
        rows = [["smiles"], *([text] for text in molecules)]
        corpus, balance = run(rows, tokenizer=tokenizer, min_token_count=1)
        notation = TOKENIZERS.get(corpus.settings.tokenizer)(corpus.vocabulary)
        assert corpus.ids.values.dtype == np.uint8
        assert balance.n_tokens == corpus.lengths.sum()
        for row, smiles in enumerate(corpus.smiles()):
            assert corpus.lengths[row] == len(corpus.ids[row])
            if not (corpus.ids[row] == UNK).any():
                assert canonical(notation.decode(corpus.ids[row])) == smiles

    def test_a_large_vocabulary_takes_two_bytes(self, run):
        elements = ["C", "N", "O", "S", "P", "Si"]
        rows = [["smiles"], *([f"[{n}{x}H3]C"] for x in elements for n in range(1, 91))]
        corpus, _ = run(rows, standardize="none", fractions=(1.0, 0.0, 0.0))
        assert len(corpus.vocabulary) > 256
        assert corpus.ids.values.dtype == np.uint16

    def test_rare_tokens_can_be_left_out(self, run, molecules):
        rows = [["smiles"], *([text] for text in [*molecules, "[SiH3]C"])]
        corpus, balance = run(rows, min_token_count=2)
        assert "[SiH3]" not in corpus.vocabulary
        assert balance.unknown["[SiH3]"] == 1

    def test_what_selfies_cannot_say_is_rejected(self, run):
        corpus, balance = run([["smiles"], ["CCO"], ["*CC"]], tokenizer="selfies")
        assert balance.kept == 1
        assert read_csv(corpus.path / "rejected.csv")[0]["stage"] in {"tokenize", "parse"}


@pytest.mark.parametrize("workers", [0, 2])
def test_descriptors_are_those_of_the_molecules_of_the_corpus(run, molecules, monkeypatch, workers):
    monkeypatch.setattr(preparation, "_ALONE", 1)
    names = ("logp", "tpsa", "mw")
    rows = [["smiles"], *([text] for text in [*molecules, *(f"{text}.Cl" for text in molecules[20:])])]
    corpus, balance = run(rows, descriptors=names, workers=workers)
    assert len(corpus) < balance.rows
    assert np.array_equal(corpus.labels, describe_smiles(corpus.smiles(), names).astype(np.float32))


def test_labels_of_a_table_without_header_are_given_by_number(run):
    corpus, balance = run("C,-40.5\nCC,\nCCO,>78\n", labels=("2",))
    assert balance.rows == 3, "the first row is data"
    assert corpus.property_names == corpus.settings.labels == ("column2",)
    assert np.array_equal(corpus.labels[:, 0], [-40.5, np.nan, np.nan], equal_nan=True)
    assert (balance.missing, balance.unreadable) == ({"column2": 2}, {"column2": 1})
    with pytest.raises(UsageError, match="named twice"):
        run("smiles,x\nCC,1\n", labels=("x", "2"))


class TestErrors:
    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"labels": ("logP2",)}, UsageError, "did you mean 'logP'"),
            ({"split": "fold"}, UsageError, "split 'fold' is neither"),
            ({"descriptors": ("qde",)}, UnknownNameError, "did you mean 'qed'"),
            ({"filters": ("pain",)}, UnknownNameError, "did you mean 'pains'"),
            ({"tokenizer": "smile"}, UnknownNameError, "did you mean 'smiles'"),
        ],
    )
    def test_wrong_names_are_found_before_the_work(self, run, options, error, message):
        with pytest.raises(error, match=message):
            run("smiles,logP\nCCO,1\n", **options)

    def test_no_usable_row(self, run):
        with pytest.raises(InputError, match="none of the 2 rows can be used") as error:
            run("smiles\nC1CC\n[Xx]\n")
        assert "parse: " in str(error.value)
        with pytest.raises(InputError, match="no rows"):
            run("smiles\n")

    def test_a_directory_of_something_else_is_not_overwritten(self, run, tmp_path):
        (tmp_path / "corpus").mkdir()
        (tmp_path / "corpus" / "thesis.txt").write_text("years of work")
        with pytest.raises(UsageError, match="not a corpus"):
            run("smiles\nCC\n")
        assert (tmp_path / "corpus" / "thesis.txt").exists()
        with pytest.raises(UsageError, match="is not a corpus"):
            run("smiles\nCC\n", output=tmp_path / "input.csv")

    def test_a_corpus_is_replaced(self, run):
        run("smiles\nCC\n")
        assert run("smiles\nCCC\n")[0].smiles() == ["CCC"]

    @pytest.mark.parametrize(
        "override",
        [
            "fractions=[0.5,0.5,0.5]",
            "fractions=[0,0.5,0.5]",
            'descriptors=["qed","qed"]',
            "max_heavy_atoms=0",
        ],
    )
    def test_settings_that_contradict_themselves(self, override):
        with pytest.raises(ConfigError):
            load_settings(PrepareSettings, overrides=['input=["a"]', "output=b", override])

    def test_a_damaged_corpus_is_refused(self, corpus):
        path = corpus.path / "tokens.npy"
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        with pytest.raises(CheckpointError):
            Corpus.open(corpus.path)


TEXTS = st.sampled_from(
    ["C", "CC", "CCO", "OCC", "c1ccccc1", "C1CC", "", "=C", "C C", "[Na+].[Cl-]", "CCO.Cl"]
)


@given(st.lists(TEXTS | st.text(max_size=6), min_size=1, max_size=25))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_law_of_the_balance(tmp_path_factory, texts):
    directory = tmp_path_factory.mktemp("law")
    with (directory / "a.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["id", "smiles"], *([n, text] for n, text in enumerate(texts))])
    rows = list(open_table(directory / "a.csv").rows())
    try:
        balance = prepare(
            PrepareSettings(input=(str(directory / "a.csv"),), output=directory / "corpus"), workers=0
        )
    except InputError:
        return
    assert balance.rows == len(rows) == balance.kept + balance.duplicates + balance.rejected
    corpus = Corpus.open(directory / "corpus")
    assert len(set(corpus.smiles())) == len(corpus) == balance.kept
    assert len(read_csv(directory / "corpus" / "rejected.csv")) == balance.rejected
    assert len(read_csv(directory / "corpus" / "duplicates.csv")) == balance.duplicates


def test_what_standardizing_did_is_counted_by_step_and_doubts_are_listed(run):
    corpus, balance = run(
        "smiles\nCC[NH+](C)C.[Cl-]\nCS(C)=O\nC[CH2:1]N\nCCC\nCC(=O)Nc1ccccc1.CN1CCCC1=S\nCCO.CC(=O)O\n",
        fractions=(1.0, 0.0, 0.0),
    )
    assert balance.changed == 5
    assert balance.steps == {"main fragment": 3, "charges": 1, "drawing": 1, "atom maps": 1}
    assert balance.doubtful == 2
    listed = [(row["row"], row["kept"]) for row in read_csv(corpus.path / "doubtful.csv")]
    assert listed == [("6", "CC(=O)Nc1ccccc1"), ("7", "CC(=O)O")]


def test_texts_of_a_corpus_that_are_no_utf8_name_the_file(little_corpus, tmp_path):
    place = shutil.copytree(little_corpus, tmp_path / "corpus")
    texts = bytearray((place / "smiles.npy").read_bytes())
    texts[-5] = 0xFF
    (place / "smiles.npy").write_bytes(texts)
    (place / MANIFEST).unlink()
    seal(place, kind=KIND, schema=SCHEMA)
    with pytest.raises(CheckpointError, match=r"smiles\.npy cannot be read"):
        Corpus.open(place).smiles()


def test_an_array_whose_header_does_not_parse_is_a_damaged_corpus(little_corpus, tmp_path):
    place = shutil.copytree(little_corpus, tmp_path / "corpus")
    header = (place / "tokens_offsets.npy").read_bytes().replace(b"}", b" ", 1)
    (place / "tokens_offsets.npy").write_bytes(header)
    (place / MANIFEST).unlink()
    seal(place, kind=KIND, schema=SCHEMA)
    with pytest.raises(CheckpointError, match="cannot be read, or is damaged"):
        Corpus.open(place)
