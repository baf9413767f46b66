"""Faults of texts and tables: invalid molecules, invalid tables, formulas in cells."""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import signal
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from fault import require

from molvae.chemistry.depiction import grid_svg
from molvae.chemistry.molecule import Molecule, parse
from molvae.cli.main import run
from molvae.data.corpus import Corpus
from molvae.data.records import Column
from molvae.data.writers import CsvWriter
from molvae.errors import MolvaeError
from molvae.tokenizers.notations import SelfiesTokenizer, SmilesTokenizer

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

_PIECES = (
    "C", "c", "N", "n", "O", "o", "S", "Cl", "Br", "1", "2", "%10", "(", ")", "=", "#", "[", "]", "@",
    "@@", "H",
    "+", "-", "/", "\\", ".", "*", "[nH]", "[C@@H]", ":", "$", "~", ">", "|", " ", "\n", "\0", "é", "\ufeff",
    "{",
    "[13CH3-]", "[Na+]", "%(100)", "&", "C" * 200, "(" * 120, "[U+99]", "1" * 9,
)  # fmt: skip
_DRUGS = (
    "CC(=O)Oc1ccccc1C(=O)O", "Cn1cnc2c1c(=O)n(C)c(=O)n2C", "CN1CCC[C@H]1c1cccnc1", "[Na+].CC(=O)[O-]",
    "F/C=C\\F",
    "Cc1ccc(-c2cc(C(F)(F)F)nn2-c2ccc(S(N)(=O)=O)cc2)cc1",
    "CC1(C)S[C@@H]2[C@H](NC(=O)Cc3ccccc3)C(=O)N2[C@H]1C(=O)O",
    "C12C3C4C1C5C2C3C45", "[2H]C([2H])([2H])O", "OB(O)c1ccccc1", "C[Si](C)(C)C",
    "O=[N+]([O-])c1ccccc1", "C[Se]C",
)  # fmt: skip
_SELFIES = (
    "[C]", "[=C]", "[#N]", "[Ring1]", "[Branch1]", "[=Branch2]", "[O]", "[nop]", "[Cl]", "[C@@H1]", "[Ring3]",
    "[", "]", "[]", "[X]", ".", "C", " ", "\0", "[epsilon]", "[N+1]", "[=Ring2]", "[C][C]" * 40,
)  # fmt: skip
_TIME = 2.0


def fuzzed_smiles(rng: Random, folder: Path) -> str:
    """Any text: a molecule or a reason, in time, and never a different molecule."""
    del folder
    if rng.random() < 0.3:
        text = "".join(rng.choices(_PIECES, k=rng.randrange(0, 14)))
    else:  # a real molecule, and something done to it
        text = rng.choice(_DRUGS)
        for _ in range(rng.randrange(3)):
            place = rng.randrange(len(text) + 1)
            text = text[:place] + rng.choice(["", rng.choice(_PIECES)]) + text[place + rng.randrange(2) :]
    begun = time.process_time()
    read = parse(text)
    require(time.process_time() - begun < _TIME, f"{text[:40]!r} took too long")
    if not isinstance(read, Molecule):
        require(read.reason, f"{text[:40]!r} is invalid without a reason")
        return "invalid"
    require(read.mol.GetNumAtoms() > 0, f"{text[:40]!r} is a molecule of no atoms", "silent_load")
    require(not re.search(r"[^\x21-\x7e]", text), f"{text[:40]!r} was read in part", "silent_load")
    atoms = len(re.findall(r"\[[^\]]*\]|Cl|Br|[BCNOPSFIbcnops*]", text))
    hydrogens = len(re.findall(r"\[\d*H", text))
    require(read.mol.GetNumAtoms() >= atoms - hydrogens, f"{text[:40]!r} lost atoms", "silent_load")
    again = parse(read.smiles)
    require(isinstance(again, Molecule) and again.smiles == read.smiles, f"{text[:40]!r} is not stable")
    return "molecule"


def fuzzed_selfies(rng: Random, folder: Path) -> str:
    """Any SELFIES, and any SMILES for the tokenizers: a result or a reason, in time."""
    del folder
    text = "".join(rng.choices(_SELFIES, k=rng.randrange(0, 30)))
    begun = time.process_time()
    answers = []
    for act in (SelfiesTokenizer.write, SelfiesTokenizer.split, SmilesTokenizer.split):
        try:
            answers.append(act(text))
        except MolvaeError as error:
            require(str(error), f"{text[:40]!r} is refused without a reason")
            answers.append("")
    require(time.process_time() - begun < _TIME, f"{text[:40]!r} took too long")
    return "molecule" if isinstance(parse(str(answers[0])), Molecule) else "invalid"


_TABLE = "smiles,name\nCCO,a\nCCN,b\nc1ccccc1,c\nCCCl,d\nCC(=O)O,e\nCCCC,f\n"


def _files(rng: Random) -> dict[str, bytes]:
    table, zipped = _TABLE.encode(), gzip.compress(_TABLE.encode(), mtime=0)
    many = (_TABLE + "CCO,x\n" * 3000).encode()
    return {
        "bom.csv": b"\xef\xbb\xbf" + table,
        "utf16.csv": _TABLE.encode("utf-16"),
        "crlf.csv": table.replace(b"\n", b"\r\n"),
        "cr.csv": table.replace(b"\n", b"\r"),
        "nul.csv": table.replace(b"CCN", b"C\0N"),
        "ragged.csv": table + b"CCS,g,1,2,3\nCCP\n\n,\n",
        "headerless.csv": table.partition(b"\n")[2],
        "header_only.csv": b"smiles,name\n",
        "quotes.csv": table + b'"CCBr,"unclosed\nCCI,h\n',
        "latin.csv": table + "CCF,Ångström\n".encode("latin-1"),
        "cut.csv.gz": zipped[: rng.randrange(1, len(zipped))],
        "flipped.csv.gz": bytes(b ^ (1 << rng.randrange(8)) if i == 20 else b for i, b in enumerate(zipped)),
        "no_gzip.csv.gz": table,
        "bomb.csv.gz": gzip.compress(b"C" * (1 << 24), mtime=0),
        "cut.parquet": b"PAR1" + os.urandom(60),
        "no_parquet.parquet": table,
        "empty.csv": b"",
        "empty.sdf": b"",
        "broken.sdf": b"\n  x\n\n  9999999 V2000\nM  END\n$$$$\n" * 3,
        "endless.sdf": b"\n  x\n\n" + b"0" * 100_000,
        "noise.csv": bytes(rng.randrange(256) for _ in range(3000)),
        "noise.smi": bytes(rng.randrange(256) for _ in range(3000)),
        "long_line.smi": b"C" * 3_000_000 + b"\nCCO a\nCCN b\n",
        "repeats.csv": many,
        "spaces.smi": b"CCO  two words\n\tCCN\n \nCCC\n",
        "sql.csv": table + b"'; DROP TABLE event; --,x\n",
    }  # fmt: skip


MALFORMED = tuple(sorted([*_files(__import__("random").Random(0)), "directory.csv", "missing.csv"]))


def malformed_file(rng: Random, folder: Path) -> str:
    """An invalid or truncated table: exit code 0 or 3 with a reason, and every row accounted for."""
    return prepared(rng.choice(MALFORMED), rng, folder)


def prepared(name: str, rng: Random, folder: Path) -> str:
    source, corpus = folder / name, folder / "corpus"
    if name == "directory.csv":
        source.mkdir()
    elif name != "missing.csv":
        source.write_bytes(_files(rng)[name])
    said, begun = io.StringIO(), time.process_time()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with redirect_stderr(said), redirect_stdout(io.StringIO()):
        words = [
            "prepare",
            str(source),
            "-o",
            str(corpus),
            "--workers",
            "0",
        ]
        code = run(words)
    require({n: signal.getsignal(n) for n in before} == before, "signals are changed")
    require(code in {0, 3}, f"{name}: exit code {code}: {said.getvalue()[-300:]}")
    require(code == 0 or said.getvalue().strip(), f"{name}: refused without a reason")
    require(time.process_time() - begun < 20, f"{name} took {time.process_time() - begun:.0f} s")
    if code == 0:
        balance = Corpus.open(corpus).balance
        total = balance.kept + balance.duplicates + balance.rejected
        require(balance.rows == total, f"{name}: {balance}", "silent_load")
    return f"exit code {code}"


_EVIL = (
    "=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(1)", "\t=1", "\r=1", '=HYPERLINK("http://x")', "|x",
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', 'a,b"c\nd', "'--", "&lt;b&gt;", "\u202e=1",
)  # fmt: skip


def formulas_and_markup(rng: Random, folder: Path) -> str:
    """A name that is a formula or markup is escaped in tables and pages."""
    del folder
    text = rng.choice(_EVIL) + rng.choice(["", "x", rng.choice(_EVIL)])
    stream = io.StringIO()
    writer = CsvWriter(stream, [Column("smiles", "smiles"), Column(text, "text")])
    writer.write(["CCO", text])
    stream.seek(0)
    rows = list(csv.reader(stream))
    require(len(rows) == 2 and all(len(row) == 2 for row in rows), f"{text!r} broke the table")
    for row in rows:
        require(not re.match(r"[=+@\t\r-]", row[1]), f"{text!r} is a formula in the table")
    molecule = parse("CCO")
    require(isinstance(molecule, Molecule), "CCO is a molecule")
    if isinstance(molecule, Molecule):
        require(
            not _tags(grid_svg([molecule], [text])) & {"script", "img"},
            f"{text!r} is markup in the picture",
        )
    return "neutralized"


def _tags(markup: str) -> set[str]:
    found: set[str] = set()
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, _: found.add(tag)  # type: ignore[method-assign]
    parser.feed(markup)
    return found


if __name__ == "__main__":
    sys.exit("this is a list of trials; scripts/faults runs them")
