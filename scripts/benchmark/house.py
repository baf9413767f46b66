"""Measure the size of the code, and how much of it a search runs.

    scripts/mutate --json mutations.json
    python scripts/benchmark/house.py --mutations mutations.json

* lines: all lines of molvae/*.py
* settings: fields that hold a value, each counted where it is declared
* optimize options: arguments and options of the command, and settings that only --set reaches
* files opened: files of molvae with functions that `molvae optimize` with 16 calls runs; the deepest stack is
  the largest number of frames of molvae
* network lines: those of the files in molvae/models that a forward pass in training runs through (encoder,
  posterior, decoder, heads, ELBO and the model), without gru.py, a replacement of torch's GRU
* duplicates: counted by the program of that name; left out if it is not installed
"""

from __future__ import annotations

import argparse
import inspect
import json
import shutil
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arguments import CHECKPOINT
from record import ROOT, record

if TYPE_CHECKING:
    from types import FrameType

    from molvae.config import Settings

PACKAGE = ROOT / "molvae"
SEED = 7


class Watch:
    """A profile function: which files of molvae run, and how deep their frames are stacked."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.depth = self.deepest = 0

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Take one call or return into account."""
        name = frame.f_code.co_filename
        is_function = frame.f_code.co_flags & inspect.CO_OPTIMIZED  # not the body of a module or class
        if event not in {"call", "return"} or not is_function or not name.startswith(str(PACKAGE)):
            return
        self.files.add(name)
        self.depth += 1 if event == "call" else -1
        self.deepest = max(self.deepest, self.depth)


def size() -> dict[str, int]:
    """Lines and files of the package, and lines of the README."""
    texts = [path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")]
    return {
        "lines": sum(len(text.splitlines()) for text in texts),
        "files": len(texts),
        "readme_lines": len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()),
    }


def settings() -> int:
    """Number of fields that hold a value, not other settings; each is counted where it is declared."""
    from molvae.config import Settings

    for path in PACKAGE.rglob("config.py"):
        import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    return sum(len(_leaves(cls)) for cls in _below(Settings))


def _below(cls: type[Settings]) -> set[type[Settings]]:
    found = {cls}.union(*(_below(child) for child in cls.__subclasses__()))
    return {c for c in found if c.__module__.startswith("molvae.")}


def _leaves(cls: type[Settings]) -> list[str]:
    from molvae.config import Settings

    own = [name for name in cls.__annotations__ if name in cls.model_fields]
    kinds = {name: cls.model_fields[name].annotation for name in own}
    return [
        name for name, kind in kinds.items() if not (isinstance(kind, type) and issubclass(kind, Settings))
    ]


def optimize_options() -> int:
    """Number of options and arguments of `molvae optimize`, and of settings that only --set reaches."""
    from molvae.cli.optimize import optimize_command as command
    from molvae.config import field_help

    own = {parameter.name for parameter in command.params if not getattr(parameter, "hidden", False)}
    keys = {key.replace(".", "__") for key, *_ in field_help(command.settings)}
    return len(own | keys)


def searched() -> dict[str, int]:
    """Files that `molvae optimize` with 16 calls runs, and its deepest stack; call it in a new process."""
    from molvae.cli.main import run

    watch = Watch()
    with tempfile.TemporaryDirectory() as folder:
        start = Path(folder) / "start.smi"
        amides = [f"{'C' * n}c1ccccc1C(=O)NCC{'O' * (n % 2)}" for n in range(1, 13)]
        start.write_text("\n".join(amides) + "\n", encoding="utf-8")
        words = ["optimize", str(CHECKPOINT), "--maximize", "qed", "--start", str(start), "--budget", "16"]
        words += ["-q", "4", "--seed", str(SEED), "--device", "cpu", "--quiet", "-o", f"{folder}/found"]
        sys.setprofile(watch)
        try:
            code = run(words)
        finally:
            sys.setprofile(None)
    if code:
        raise SystemExit(code)
    return {"files_opened": len(watch.files), "deepest_stack": watch.deepest}


def network_lines() -> int:
    """Lines of the files that define the network, except the GRU layer."""
    import torch

    import molvae

    network = molvae.load(CHECKPOINT, device="cpu").network.train()
    tokens, lengths = torch.tensor([[4, 5, 6, 1]]), torch.tensor([4])
    properties = torch.zeros(1, network.n_properties)
    watch = Watch()
    sys.setprofile(watch)
    try:
        elbo = network(tokens, lengths, properties, torch.ones_like(properties).bool())
        elbo.loss(1.0, 1.0, 0.0)
    finally:
        sys.setprofile(None)
    models = PACKAGE / "models"
    paths = {Path(name) for name in watch.files if Path(name).parent == models} - {models / "gru.py"}
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)


def duplicates() -> dict[str, int]:
    """Pairs of places that share six or more lines, or lines of the same structure."""
    program = shutil.which("duplicates")
    if program is None:
        return {}
    command = [program, "--repo", str(ROOT), "--seconds", "600"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    first = done.stdout.split(maxsplit=1)[0]
    return {"duplicates": int(first) if first.isdigit() else 0}


def mutations(path: Path | None) -> dict[str, int]:
    """The count of scripts/mutate."""
    return (
        {} if path is None else {"mutations_noticed": json.loads(path.read_text(encoding="utf-8"))["noticed"]}
    )


def main() -> int:
    """Count, print and record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mutations", type=Path, help="file written by scripts/mutate --json")
    parser.add_argument("--directory", type=Path, help="directory of the record, if not results/")
    parser.add_argument("--search", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.search:
        print(json.dumps(searched()))
        return 0
    child = [sys.executable, __file__, "--search"]
    done = subprocess.run(child, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    figures: dict[str, float | int | None] = {
        **size(),
        "settings": settings(),
        "optimize_options": optimize_options(),
        **json.loads(done.stdout.splitlines()[-1]),
        "network_lines": network_lines(),
        **duplicates(),
        **mutations(chosen.mutations),
    }
    for name, value in figures.items():
        print(f"{name:<18} {value:,}")
    table = [{"figure": name.replace("_", " "), "value": value} for name, value in figures.items()]
    place = {} if chosen.directory is None else {"directory": chosen.directory}
    print(record("house", figures=figures, table=table, seeds=[SEED], **place))
    return 0


if __name__ == "__main__":
    sys.exit(main())
