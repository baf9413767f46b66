"""Dock molecules with AutoDock Vina or gnina: an oracle in kcal/mol, lower is better.

    molvae oracle check 'cmd[timeout=300]:python scripts/oracles/docking.py receptor.pdbqt --center 10 5 -3'
    molvae optimize CHECKPOINT -o docked --minimize \
        'cmd[timeout=300,workers=4]:python scripts/oracles/docking.py receptor.pdbqt --center 10 5 -3'

Needs `vina` with Meeko's `mk_prepare_ligand.py`, or `gnina`, which reads SDF by itself. A molecule that gets
no conformer or no pose is a failure with a reason, never a number.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rdkit import Chem
from rdkit.Chem import AllChem

_VINA_BEST = re.compile(r"^\s*1\s+(-?\d+\.?\d*)\s", re.MULTILINE)
_INSTALL = {
    "vina": "get it from https://github.com/ccsb-scripps/AutoDock-Vina/releases and put it on the PATH",
    "gnina": "get it from https://github.com/gnina/gnina/releases and put it on the PATH",
    "mk_prepare_ligand.py": "pip install meeko",
}


class NoScoreError(Exception):
    """Why a molecule has no score."""


def conformer(smiles: str, path: Path, seed: int) -> None:
    """Write a molecule with hydrogens and one conformer as SDF."""
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    if AllChem.EmbedMolecule(molecule, randomSeed=seed) != 0:
        raise NoScoreError("no conformer was found")
    AllChem.MMFFOptimizeMolecule(molecule)
    with Chem.SDWriter(str(path)) as writer:
        writer.write(molecule)


def run(command: list[str]) -> str:
    """Run a program and return what it prints; a failure is told with its last line."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the user's tools
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise NoScoreError(f"{Path(command[0]).name} ended with exit code {done.returncode}: {last}")
    return done.stdout


def box(options: argparse.Namespace) -> list[str]:
    """Return the search box as both programs take it."""
    words = [f"--{kind}_{axis}" for kind in ("center", "size") for axis in "xyz"]
    pairs = zip(words, map(str, [*options.center, *options.size]), strict=True)
    return [word for pair in pairs for word in pair]


def dock(smiles: str, options: argparse.Namespace) -> float:
    """Return the best affinity of a molecule in kcal/mol."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ligand = folder / "ligand.sdf"
        conformer(smiles, ligand, options.seed)
        if options.program == "vina":
            run(["mk_prepare_ligand.py", "-i", str(ligand), "-o", str(folder / "ligand.pdbqt")])
            ligand = folder / "ligand.pdbqt"
        common = ["--receptor", str(options.receptor), "--ligand", str(ligand), *box(options)]
        effort = ["--exhaustiveness", str(options.exhaustiveness), "--seed", str(options.seed), "--cpu", "1"]
        output = run([options.program, *common, *effort, "--out", str(folder / f"poses{ligand.suffix}")])
    best = _VINA_BEST.search(output)
    if best is None:
        raise NoScoreError(f"{options.program} found no pose")
    return float(best.group(1))


def missing(options: argparse.Namespace) -> str:
    """Return what is not there and how to get it, or nothing."""
    needed = ["vina", "mk_prepare_ligand.py"] if options.program == "vina" else ["gnina"]
    absent = [f"{name} is not installed: {_INSTALL[name]}" for name in needed if shutil.which(name) is None]
    if not options.receptor.is_file():
        absent.append(f"the receptor {options.receptor} does not exist")
    return "; ".join(absent)


def answer(message: dict[str, object], options: argparse.Namespace) -> dict[str, object]:
    """Return the scores of one request, with a reason where there is none."""
    scores: list[float | None] = []
    details: list[str] = []
    molecules = message["smiles"]
    for smiles in molecules if isinstance(molecules, list) else []:
        try:
            scores.append(dock(str(smiles), options))
            details.append("")
        except (NoScoreError, ValueError) as error:
            scores.append(None)
            details.append(str(error))
    return {"id": message["id"], "scores": scores, "details": details}


def main() -> None:
    """Say what is missing, or answer requests until they end."""
    parser = argparse.ArgumentParser(description="Dock molecules with Vina or gnina for molvae.")
    parser.add_argument("receptor", type=Path, help="receptor: .pdbqt for vina, .pdb or .pdbqt for gnina")
    parser.add_argument("--program", choices=["vina", "gnina"], default="vina")
    parser.add_argument("--center", type=float, nargs=3, metavar=("X", "Y", "Z"), required=True)
    parser.add_argument("--size", type=float, nargs=3, metavar=("X", "Y", "Z"), default=(20, 20, 20))
    parser.add_argument("--exhaustiveness", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    absent = missing(options)
    for line in sys.stdin:
        message = json.loads(line)
        if absent:
            said: dict[str, object] = {"error": absent}
        else:
            said = answer(message, options) if "smiles" in message else {"version": 1}
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
