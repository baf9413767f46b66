"""Corruptions of input: values of JSON, TOML and binary files, columns of Parquet, words of a command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

_DEEP = 100_000
_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**31, 2**63, 2**64, 10**20, 1e308, float("inf"), float("nan"), 0.5, "", " ", "x",
    "x" * 100_000, "\ud800", "\0", "\x1b[2J", "../../x", "/etc/passwd", "1e5", "NaN", [], {}, [[]], [None],
    {"": None}, [1] * 10_000, ["x", 1], {"name": "normal"}, "cmd:true", "é\u202e",
)  # fmt: skip
_TEXTS = (
    b"", b"{}", b"[]", b"null", b"3", b'"x"', b"\xff\xfe", b"[" * _DEEP, b'{"a":' * _DEEP, b"9" * 5000,
    b"\0" * 100,
)  # fmt: skip
_LITERALS = (
    '""', '"x"', "-1", "0", "3.5", "nan", "inf", "1e400", "9" * 5000, "100000000000000000000", "true", "[]",
    "{}", "[[]]", "[1, 2]", '["x"]', "{ name = 1 }", '{ name = "x", y = 2 }', "1979-05-27", "07:32:00",
    "[" * 5000 + "]" * 5000, "{a=" * 5000 + "1" + "}" * 5000, '"""\n"""', r'"\u0000"', '"\x1b"', "0x_", "'",
    '"cmd:true"', '"../../x"', '"qed"', '"qed["', '"' + "x" * 100_000 + '"',
)  # fmt: skip
WORDS = (
    "", " ", "-", "--", "-1", "0", "1", "1.5", "1e400", "nan", "inf", "9" * 5000,
    "100000000000000000000", "1_0", "\uff11", "[" * 5000, "a=" + "[" * 5000, "{a=" * 5000, "(" * 5000,
    "x" * 100_000, "\udcff\udcfe", "é", "a\nb", "\x1b[2J", "\0", "=", "=1", "qed=", "qed=x", "qed=nan",
    "qed=9e999", "model=1", "epochs=x", "a.b.c=1", ".", "..", "table.csv", "corpus", "run", "none",
    "nowhere/x", "table.csv/x", "a" * 300, "mpo:", "mpo:none.toml", "cmd:", "http:", "http://[",
    "none.py:f", "similarity[", "similarity[]:CCO", "similarity[x=1]:CCO", "qed[", "isomer:",
    "smarts:[", "C1CC", "CCO", "0/0", "1/1", "-1/2", "0/99999999999999999999", "[C", "cpu", "cuda:99",
)  # fmt: skip


def harmed_json(content: bytes, rng: Random) -> bytes:
    """A JSON text with one value changed, removed or added; sometimes invalid JSON."""
    if rng.random() < 0.1:
        return rng.choice(_TEXTS)
    if rng.random() < 0.1:
        return noisy(content, rng)
    tree = [json.loads(content)]
    places: list[tuple[Any, Any]] = []

    def visit(node: Any) -> None:
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], dict | list):
                visit(node[key])

    visit(tree)
    node, key = rng.choice(places)
    how = rng.random()
    if how < 0.15 and node is not tree:
        del node[key]
    elif how < 0.25 and isinstance(node, dict):
        node[rng.choice(["x", "", "\0", "../x", "/x", "\ud800"])] = node[key]
    else:
        node[key] = rng.choice(_VALUES)
    return json.dumps(tree[0]).encode()


def harmed_lines(content: bytes, rng: Random) -> bytes:
    """A file of JSON lines with one line corrupted, repeated or removed."""
    lines = content.splitlines() or [b"[]"]
    at = rng.randrange(len(lines))
    how = rng.random()
    if how < 0.7:
        lines[at] = harmed_json(lines[at], rng)
    else:
        lines[at : at + 1] = [lines[at]] * rng.choice([0, 2])
    return b"\n".join(lines) + b"\n"


def harmed_toml(content: bytes, rng: Random) -> bytes:
    """A TOML text with one value changed, one line repeated or removed, or corrupted bytes."""
    if rng.random() < 0.1:
        return noisy(content, rng)
    lines = content.decode().splitlines() or ["x = 1"]
    at = rng.randrange(len(lines))
    name, equals, _ = lines[at].partition(" = ")
    how = rng.random()
    if how < 0.75 and equals:
        lines[at] = f"{name} = {rng.choice(_LITERALS)}"
    elif how < 0.9:
        lines[at : at + 1] = [lines[at]] * rng.choice([0, 2])
    else:
        lines.insert(
            at, rng.choice(["[x]", "[[x]]", "x", "=", "[", '"" = 1', "a.b = 1", "[" + "a." * 3000 + "a]"])
        )
    return "\n".join(lines).encode()


def noisy(content: bytes, rng: Random) -> bytes:
    """Bytes flipped, truncated, repeated or inserted, mostly at the beginning of a file."""
    data = bytearray(content)
    for _ in range(rng.randrange(1, 4)):
        end = min(len(data), 200) if rng.random() < 0.5 else len(data)
        at = rng.randrange(end) if end else 0
        how = rng.random()
        if how < 0.5 and data:
            data[at] = rng.randrange(256)
        elif how < 0.7:
            del data[at:]
        else:
            data[at:at] = bytes(rng.choice([b"\0", b"\xff" * 8, b"9" * 30, b"[", b"\x7f\xff\xff\xff"]))
    return bytes(data)


def harmed(path: Path, rng: Random) -> None:
    """Corrupt a file according to its format."""
    ways = {".json": harmed_json, ".jsonl": harmed_lines, ".toml": harmed_toml}
    path.write_bytes(ways.get(path.suffix, noisy)(path.read_bytes(), rng))


def _columns(rng: Random, smiles: list[str]) -> dict[str, pa.Array]:
    """Columns that a table of molecules may have, and others."""
    n = len(smiles)
    texts = pa.array(smiles)
    strange = [
        texts, texts.cast(pa.large_string()), texts.dictionary_encode(), texts.cast(pa.binary()),
        pa.array([[text] * 3 for text in smiles]), pa.array([{"a": text} for text in smiles]), pa.nulls(n),
        pa.array([None] * n, pa.string()), pa.array(range(n)), pa.array([float("nan")] * n),
        pa.array([True] * n), pa.array([10**12] * n, pa.timestamp("us")), pa.array([b"\xff\xfe"] * n),
        pa.array(["C" * 200_000] * n), pa.array([{"k": 1}] * n).cast(pa.struct([("k", pa.int8())])),
        pa.array([[("a", 1)]] * n, pa.map_(pa.string(), pa.int64())), pa.array([1] * n, pa.decimal128(38, 3)),
        pa.array(range(n), pa.duration("s")), pa.array([[[1.0]]] * n),
    ]  # fmt: skip
    names = ["smiles", "name", "qed", "", "smiles", "SMILES", "\ud7ff", "=1+1", "x" * 1000, "\x1b[2J"]
    chosen = rng.choices(range(len(strange)), k=rng.randrange(4))
    return {rng.choice(names): strange[i] for i in chosen}


def harmed_parquet(path: Path, smiles: list[str], rng: Random) -> None:
    """A Parquet file of molecules with unexpected columns, or with corrupted bytes."""
    columns = {"smiles": pa.array(smiles), "name": pa.array([f"m{i}" for i in range(len(smiles))])}
    typed = rng.random() < 0.6
    if typed:
        columns = {**columns, **_columns(rng, smiles)}
        for name in rng.sample(sorted(columns), rng.randrange(2)):
            del columns[name]
    table = pa.table(columns)
    rows = rng.choice([1, 7, 1000])
    pq.write_table(table, path, row_group_size=rows, use_dictionary=rng.random() < 0.5)
    if not typed:
        data = path.read_bytes()
        if rng.random() < 0.7:  # the footer, where the format lives
            at = max(0, len(data) - rng.randrange(8, 600))
            data = data[:at] + noisy(data[at:], rng)
        path.write_bytes(noisy(data, rng) if rng.random() < 0.5 else data)


def harmed_words(words: list[str], options: list[str], rng: Random) -> list[str]:
    """A command line with a word changed, removed or repeated, and an option with an unusual value."""
    words = list(words)
    for _ in range(rng.randrange(1, 3)):
        at = rng.randrange(1, len(words) + 1)
        how = rng.random()
        if how < 0.35:
            words[at:at] = [rng.choice(options), rng.choice(WORDS)]
        elif how < 0.55:
            words[at:at] = [f"{rng.choice(options)}={rng.choice(WORDS)}"]
        elif how < 0.8:
            words[at : at + 1] = [rng.choice(WORDS)]
        else:
            words[at : at + 1] = words[at : at + 1] * rng.choice([0, 2])
    return words
