"""Standardize real molecules and account for those that are rejected, changed, lost or mismatched; time it.

MOLVAE_DATA names the directory with drugs/, natural/, chembl/, zinc250k/ and moses/. Uses at most 20,000
molecules of each set, or another number given as argument, which the record shows. The time is compared with
that of an earlier commit, extracted from git. A few minutes on one core.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from csv import DictReader
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
from rdkit import Chem, rdBase
from record import ROOT, commit, record, table_rows

from molvae.chemistry.admission import Refused, read_text
from molvae.chemistry.charges import drawn_neutral
from molvae.chemistry.molecule import Invalid, Molecule, canonical, parse
from molvae.chemistry.salts import is_metal
from molvae.chemistry.standardize import Standardized, standardization, standardize
from molvae.data.readers import open_table
from molvae.data.records import Column, Row
from molvae.data.writers import open_writer
from molvae.oracles.plugins import load_oracle

if TYPE_CHECKING:
    from collections.abc import Iterator

SETS = {
    "approved drugs": ("drugs/approved.csv.gz", "smiles"),
    "repurposing hub": ("drugs/repurposing_hub.csv.gz", "smiles"),
    "natural products": ("natural/products.csv.gz", "smiles"),
    "cyclic peptides": ("natural/cyclic_peptides.csv.gz", "smiles"),
    "ZINC250k": ("zinc250k/zinc250k.csv.gz", "smiles"),
    "ChEMBL-like": ("chembl/broad.csv.gz", "smiles"),
    "MOSES test": ("moses/test.csv.gz", "SMILES"),
}
SEED = 23
MOST = 20_000
MOST_IN_SDF = 1_500  # drawing takes milliseconds
MOST_TIMED = 1_000
N_REFERENCES = 1_000
BEFORE = "5487c4d"
_AMINE = Chem.MolFromSmarts("[NX3;+0;!$(N-[!#6;!#1]);!$(N-C=[!#6]);!$(N-[c,n,C]=,:*);!$(N-C#*)]")
_TIMER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from molvae.chemistry.molecule import Molecule, parse
from molvae.chemistry.standardize import standardize
read = [m for m in map(parse, sys.stdin.read().split()) if isinstance(m, Molecule)]
standardize("CC(=O)O.NCCO.[Na+]")
best = float("inf")
for _ in range(3):
    start = time.process_time()
    for molecule in read:
        standardize(molecule)
    best = min(best, time.process_time() - start)
print(best / len(read))
"""


def main() -> None:
    """Measure all sets and record."""
    started_at, data = commit(), Path(os.environ["MOLVAE_DATA"])
    rdBase.DisableLog("rdApp.*")
    most = int(sys.argv[1]) if len(sys.argv) > 1 else MOST
    texts = {name: sample(data / path, column, most) for name, (path, column) in SETS.items()}
    rows = [account(name, given) for name, given in texts.items()]
    right, wrong = salts(data / "drugs/salts.csv")
    mismatches = reference_mismatches(texts["approved drugs"][:N_REFERENCES])
    times = timed([text for given in texts.values() for text in given[:MOST_TIMED]])
    figures: dict[str, float | int | None] = {
        "salts_right": right,
        **{key: sum(row[key] for row in rows) for key in ("not_idempotent", "writing_matters")},
        "roundtrip_lost": sum(sum(row["lost"].values()) for row in rows),
        "valid_refused": sum(row["valid_refused"] for row in rows),
        "reference_mismatch": len(mismatches),
        **times,
    }
    table = [*rows, {"set": "salts.csv", "wrong": wrong}, {"set": "references", "mismatches": mismatches}]
    print(figures)
    print(f"wrote {record('inputs', figures=figures, table=table, seeds=[SEED], started_at=started_at)}")


def sample(path: Path, column: str, most: int) -> list[str]:
    """A random sample of at most `most` SMILES of a table."""
    texts = [row[column] for row in table_rows(path)]
    return texts if len(texts) <= most else Random(SEED).sample(texts, most)


def account(name: str, texts: list[str]) -> dict[str, Any]:
    """Counts of the outcomes for the molecules of a set, with examples of errors."""
    counts: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    changed: Counter[str] = Counter()
    examples: dict[str, list[str]] = {}
    forms: list[Molecule] = []
    generator = np.random.default_rng(SEED)

    def blame(kind: str, *what: str) -> None:
        counts[kind] += 1
        examples.setdefault(kind, []).append(" ".join(what))

    for text in texts:
        done = standardization(text)
        if isinstance(done, Invalid):
            refused[done.reason.partition(" at character ")[0]] += 1
            if is_ordinary(text):
                blame("valid_refused", text, done.reason)
            continue
        note(done, changed, counts)
        form = done.molecule
        forms.append(form)
        if standardize(form.smiles) != form:
            blame("not_idempotent", text, form.smiles)
        again = another_writing(text, generator)
        if standardize(again) != form:
            blame("writing_matters", text, again)
    lost = dict(round_trips(forms, generator))
    row = {
        "set": name,
        "molecules": len(texts),
        "kept": len(forms),
        "refused": dict(refused.most_common()),
        "changed": dict(changed.most_common()),
        **{
            key: counts[key]
            for key in ("doubtful", "step_left_out", "valid_refused", "not_idempotent", "writing_matters")
        },
        "lost": lost,
        "examples": {kind: found[:5] for kind, found in examples.items()},
    }
    print(row, flush=True)
    return row


def another_writing(text: str, generator: np.random.Generator) -> str:
    """Another SMILES of a molecule as registered, with its atoms in random order."""
    read = parse(text)
    assert isinstance(read, Molecule), read.reason  # noqa: S101 - it was standardized
    order = generator.permutation(read.mol.GetNumAtoms()).tolist()
    written = str(Chem.MolToSmiles(Chem.RenumberAtoms(read.mol, order), canonical=False))
    # RDKit may write another stereoisomer of a highly symmetric ring
    return read.smiles if "@" in written and canonical(written) != read.smiles else written


def note(done: Standardized, changed: Counter[str], counts: Counter[str]) -> None:
    """Count what was done to a molecule."""
    changed.update(done.changed)
    counts["doubtful"] += bool(done.doubt)
    counts["step_left_out"] += bool(done.left_out)


def is_ordinary(text: str) -> bool:
    """Whether RDKit reads a molecule without metals, wildcards and unpaired electrons."""
    mol = Chem.MolFromSmiles(text)
    return mol is not None and not any(
        is_metal(atom) or not atom.GetAtomicNum() or atom.GetNumRadicalElectrons() for atom in mol.GetAtoms()
    )


def round_trips(forms: list[Molecule], generator: np.random.Generator) -> Iterator[tuple[str, int]]:
    """How many molecules differ after writing and reading, by format."""
    yield "randomized SMILES", sum(parse(another_writing(form.smiles, generator)) != form for form in forms)
    with tempfile.TemporaryDirectory() as directory:
        for suffix in (".smi", ".csv", ".parquet", ".sdf"):
            given = forms[:MOST_IN_SDF] if suffix == ".sdf" else forms
            path = Path(directory) / f"molecules{suffix}"
            with open_writer(path, [Column("identifier"), Column("smiles", "smiles")]) as writer:
                for number, form in enumerate(given):
                    writer.write([f"m{number}", form.smiles])
            read = [
                read_text(row.text, is_molblock=row.is_molblock) if isinstance(row, Row) else None
                for row in open_table(path).raw_rows
            ]
            same = sum(a == b for a, b in zip(read, given, strict=False) if not isinstance(a, Refused))
            yield suffix[1:], len(given) - same + max(0, len(read) - len(given))


def salts(path: Path) -> tuple[float, list[str]]:
    """Share of the registered salts whose kept fragment is the parent, up to isotopes; and the others."""
    with path.open(encoding="utf-8") as file:
        rows = list(DictReader(file))
    wrong = [
        row["name"] for row in rows if without_isotopes(row["smiles"]) != without_isotopes(row["parent"])
    ]
    return 1 - len(wrong) / len(rows), wrong


def without_isotopes(text: str) -> str:
    """The standard form without isotopes."""
    form = standardize(text)
    if isinstance(form, Invalid):
        return f"{text}: {form.reason}"
    mol = Chem.Mol(form.mol)
    for atom in mol.GetAtoms():
        atom.SetIsotope(0)
    return str(Chem.MolToSmiles(mol))


def reference_mismatches(texts: list[str]) -> list[str]:
    """Drugs of which one of four drawings does not have similarity 1 to the others."""
    generator, found = np.random.default_rng(SEED), []
    for text in texts:
        drawings = list(four_drawings(text, generator))
        molecules = [read for drawing in drawings if isinstance(read := parse(drawing), Molecule)]
        assert len(molecules) == len(drawings), drawings  # noqa: S101 - our own drawings are read
        for target in drawings:
            scores = load_oracle(f"similarity:{target}")(molecules)
            if any(score.value != 1.0 for score in scores):
                found.append(f"{text}: {target}")
                break
    return found


def four_drawings(text: str, generator: np.random.Generator) -> Iterator[str]:
    """A drug as registered, reordered with Kekulé bonds, without charges, and as hydrochloride hydrate."""
    read = parse(text)
    assert isinstance(read, Molecule), read.reason  # noqa: S101 - registered drugs are read
    yield text
    order = generator.permutation(read.mol.GetNumAtoms()).tolist()
    yield Chem.MolToSmiles(Chem.RenumberAtoms(read.mol, order), canonical=False, kekuleSmiles=True)
    yield Chem.MolToSmiles(drawn_neutral(read.mol, all_groups=True))
    salt = Chem.RWMol(read.mol)
    for (amine,) in salt.GetSubstructMatches(_AMINE)[:1]:
        atom = salt.GetAtomWithIdx(amine)
        n_hydrogens = atom.GetTotalNumHs()
        atom.SetFormalCharge(1)
        atom.SetNumExplicitHs(n_hydrogens + 1)
        atom.SetNoImplicit(True)
    yield f"{Chem.MolToSmiles(salt)}.{'[Cl-]' if Chem.GetFormalCharge(salt) else 'Cl'}.O"


def timed(texts: list[str]) -> dict[str, float | None]:
    """Microseconds of processor time to standardize a parsed molecule, now and at `BEFORE`."""
    with tempfile.TemporaryDirectory() as directory:
        archive = subprocess.run(  # noqa: S603
            ["git", "archive", BEFORE, "molvae"],  # noqa: S607
            cwd=ROOT,
            capture_output=True,
            check=False,
        )
        if archive.returncode:  # a clone without history
            return {"microseconds": run_timer(ROOT, texts), "microseconds_before": None, "time_ratio": None}
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
            tar.extractall(directory, filter="data")
        pairs = [(run_timer(ROOT, texts), run_timer(Path(directory), texts)) for _ in range(2)]
    now, before = (min(times) for times in zip(*pairs, strict=True))
    return {"microseconds": now, "microseconds_before": before, "time_ratio": round(now / before, 3)}


def run_timer(root: Path, texts: list[str]) -> float:
    """Microseconds per molecule with the code in a directory."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", _TIMER, str(root)],
        input="\n".join(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    return round(float(done.stdout.split()[-1]) * 1e6, 1)


if __name__ == "__main__":
    start = time.perf_counter()
    main()
    print(f"{time.perf_counter() - start:.0f} s")
