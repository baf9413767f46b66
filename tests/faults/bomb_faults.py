"""Bombs: small inputs that expand to gigabytes, each opened by a process whose memory is measured."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fault import require, scratch
from fuzz_faults import require_answer, seal_again
from model_faults import undisturbed

from molvae.campaign.files import APPLICATION_ID, SCHEMA, TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

_GB = 1 << 30
_SECONDS = 120
_SCREEN = "screen FILE --checkpoint run --maximize qed --top 3 -o s --workers 0 --device cpu"
_EMPTY = b"\n  x\n\n  0  0  0     0  0            999 V2000\nM  END\n"  # an SD record of no atoms
_PREPARE = "prepare FILE -o c --workers 0"


def _packed(path: Path, pieces: Iterator[bytes]) -> None:
    with gzip.open(path, "wb", compresslevel=6) as file:
        for piece in pieces:
            file.write(piece)


def _repeated(piece: bytes, n_bytes: int, first: bytes = b"") -> Callable[[Path], None]:
    """A compressed file that repeats one chunk."""
    block = piece * max(1, (1 << 20) // len(piece))

    def write(path: Path) -> None:
        _packed(path, iter((first, *[block] * (n_bytes // len(block)))))

    return write


def _parquet(column: Callable[[], pa.Array], **options: object) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        found = column()
        smiles = pa.array(["CCO"] * len(found))
        pq.write_table(pa.table({"smiles": smiles, "x": found}), path, compression="zstd", **options)

    return write


def _lists(values: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), values)


def _large_texts() -> pa.Array:
    return pa.array(["C" * 900_000] * 200, pa.large_string())


TABLES_OF_BOMBS: dict[str, Callable[[Path], None]] = {
    "a list of nothing.parquet": _parquet(lambda: _lists(pa.nulls(30_000_000))),
    "a list of numbers.parquet": _parquet(lambda: _lists(pa.array(np.zeros(30_000_000)))),
    "a large page.parquet": _parquet(lambda: pa.array(["C" * 200_000_000]), use_dictionary=False),
    "large texts.parquet": _parquet(_large_texts, use_dictionary=False),
    "texts in a struct.parquet": _parquet(
        lambda: pa.array([{"a": "C" * 900_000}] * 250), use_dictionary=True
    ),
    "a dictionary.parquet": _parquet(
        lambda: pa.DictionaryArray.from_arrays(np.zeros(4096, np.int32), ["C" * 900_000])
    ),
    "nothing.parquet": _parquet(lambda: pa.nulls(200_000)),
    "one line.csv.gz": _repeated(b"C" * 1000, _GB, b"smiles,name\n"),
    "one row.csv.gz": _repeated(b"C," * 500, _GB // 4, b"smiles,name\n"),
    "columns.csv.gz": _repeated(b"a," * 500, _GB // 4),
    "one quoted cell.csv.gz": _repeated(b"C\n" * 500, _GB // 4, b'smiles,name\n"'),
    "long lines.csv.gz": _repeated(b"C" * 900_000 + b",x\n", _GB, b"smiles,name\n"),
    "one line.smi.gz": _repeated(b"C" * 1000, _GB),
    "blanks.smi.gz": _repeated(b"\n" * 1000, _GB // 8),
    "one record.sdf.gz": _repeated(b"0" * 79 + b"\n", _GB),
    "properties.sdf.gz": _repeated(
        b">  <a>\n" + b"x" * 70 + b"\n\n", _GB // 2, _EMPTY
    ),
    "names of properties.sdf.gz": lambda path: _packed(
        path, (_EMPTY + b">  <p%d>\nx\n\n$$$$\n" % number for number in range(300_000))
    ),
}  # fmt: skip
"""Files of molecules by name."""


def _weights_of(shape: list[int], length: int | None = None) -> Callable[[Path], None]:
    """A file of weights with a declared size and no data."""

    def harm(model: Path) -> None:
        tensors = {
            "decoder.x": {"dtype": "F32", "shape": shape, "data_offsets": [0, 4 * int(np.prod(shape))]}
        }
        header = json.dumps(tensors).encode()
        (model / "weights.safetensors").write_bytes(struct.pack("<Q", length or len(header)) + header)

    return harm


def _config(key: str, value: object) -> Callable[[Path], None]:
    """A configuration of an enormous network."""

    def harm(model: Path) -> None:
        content = json.loads((model / "config.json").read_text())
        content["model"][key] = value
        (model / "config.json").write_text(json.dumps(content))

    return harm


def _text(name: str, text: str) -> Callable[[Path], None]:
    def harm(model: Path) -> None:
        (model / name).write_text(text)

    return harm


_MODELS: dict[str, Callable[[Path], None]] = {
    "tensors without end": _weights_of([1 << 20, 1 << 20]),
    "a header without end": _weights_of([1], length=1 << 62),
    "a wide decoder": _config("decoder_hidden", 1_000_000),
    "a wide encoder": _config("encoder_hidden", 60_000),
    "a deep decoder": _config("decoder_layers", 1_000_000),
    "many latent numbers": _config("latent_size", 1_000_000_000),
    "long molecules": _config("max_length", 1_000_000_000),
    "a huge vocabulary": _text("vocabulary.json", json.dumps([f"C{n}" for n in range(1_600_000)])),
    "a vocabulary of lists": _text("vocabulary.json", "[" + "[]," * 5_000_000 + "[]]"),
    "a configuration of lists": _text("config.json", '{"a":[' + "[]," * 5_000_000 + "[]]}"),
}
"""Harms to a model directory by name."""


def _long_array(path: Path) -> None:
    """An array file that declares more data than it has."""
    header = b"{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000,), }"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header + b"\n")


def _giant_cell(path: Path) -> None:
    """A journal with an event of 300 MB of zeros."""
    database = sqlite3.connect(path)
    database.executescript(
        f"PRAGMA journal_mode = OFF; PRAGMA application_id = {APPLICATION_ID}; "
        f"PRAGMA user_version = {SCHEMA};{TABLES}"
    )
    database.execute("INSERT INTO event VALUES (1, 'create', ?, '2026-01-01', '')", ("[" * (300 << 20),))
    database.execute("UPDATE head SET n_events = 1")
    database.commit()
    database.close()


BOMBS = (*TABLES_OF_BOMBS, *_MODELS, "a corpus without end", "a giant cell in a journal")


@cache
def _commands(name: str) -> tuple[str, ...]:
    if name in TABLES_OF_BOMBS:
        return (_PREPARE, _SCREEN, "encode run FILE --device cpu")
    if name in _MODELS:
        return ("info run", "sample run -n 2 --device cpu")
    if name == "a corpus without end":
        return (
            "info corpus",
            "fit-prior run --corpus corpus --prior flow --set flow.steps=3 -o m --device cpu",
        )
    return ("info c", "ask c -n 1", "report c -o p.html")


def bomb(rng: Random, folder: Path) -> str:
    """A random bomb as input of a command."""
    return opened(rng.choice(BOMBS), rng, folder)


def opened(name: str, rng: Random, folder: Path) -> str:
    _, corpus, run = undisturbed()
    shutil.copytree(run, folder / "run")
    file = folder / name.replace(" ", "_")
    if name in TABLES_OF_BOMBS:
        shutil.copy(_made(name), file)
    elif name in _MODELS:
        model = folder / "run" / "model"
        _MODELS[name](model)
        for part in ("weights.safetensors", "config.json", "vocabulary.json"):
            seal_again(model / part)
    elif name == "a corpus without end":
        shutil.copytree(corpus, folder / "corpus")
        part = (
            folder / "corpus" / rng.choice(["tokens.npy", "smiles.npy", "labels.npy", "tokens_offsets.npy"])
        )
        _long_array(part)
        seal_again(part)
    else:
        (folder / "c").mkdir()
        _giant_cell(folder / "c" / "journal.sqlite")
    line = rng.choice(_commands(name)).replace("FILE", file.name)
    return _measured(line, folder, name)


@cache
def _made(name: str) -> Path:
    path = scratch() / "bomb"  # made elsewhere: it may take the memory that it asks for
    subprocess.run([sys.executable, "-P", __file__, name, path], env=_environment(), check=True)
    require(0 < path.stat().st_size < 20 << 20, f"{name} is no small file: {path.stat().st_size}")
    return path


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


_OPENED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[1]), int(sys.argv[1]) + 10))
resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
from molvae.cli.main import run
code = run(sys.argv[2:])
peak = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
open("peak", "w").write(peak[0])
sys.exit(code)
"""
"""Runs a command and writes down the most memory it had, in kB."""


def _measured(line: str, folder: Path, name: str) -> str:
    sayings, peak = folder / "said", folder / "peak"
    with sayings.open("wb") as sink:
        words = [sys.executable, "-P", "-c", _OPENED, str(_SECONDS), *line.split()]
        done = subprocess.run(words, cwd=folder, stdout=sink, stderr=sink, env=_environment(), check=False)
    said = sayings.read_text(errors="replace")
    detail = f"{name}: {line}: exit code {done.returncode}: {said[-400:]}"
    require(peak.exists(), f"{detail}: it did not come to an end", "bomb_over_1gb")
    n_bytes = int(peak.read_text()) << 10
    require(n_bytes < _GB, f"{n_bytes / _GB:.2f} GB, {detail}", "bomb_over_1gb")
    require_answer(line.split(), done.returncode, said, f"{name}: {line}")
    return f"exit code {done.returncode}: {n_bytes / _GB:.2f} GB"


if __name__ == "__main__":
    _, bomb_name, place = sys.argv
    TABLES_OF_BOMBS[bomb_name](Path(place))
