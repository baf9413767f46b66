"""Docking in the worker process: AutoDock Vina 1.2, or the DOCKSTRING protocol."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from molvae.chemistry.molecule import Invalid
from molvae.chemistry.sdf import conformer, pose_block, pose_record
from molvae.chemistry.standardize import inchikey, standardize
from molvae.oracles.base import OracleText, Score, describe_error
from molvae.oracles.docking import Receptor, docking_settings, receptor_of
from molvae.oracles.references import core_of
from molvae.persistence.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.chemistry.molecule import Molecule

PH = 7.4
"""pH at which ligands are protonated."""

_ELEMENTS = frozenset({"H", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Br", "I"})
"""Elements that Vina has parameters for."""


class Program(Protocol):
    """Docks one ligand at a time."""

    def dock(self, smiles: str) -> tuple[float, str, str]:
        """Score in kcal/mol, protonated SMILES, molblock of the pose.

        Raises:
            Exception: Any, if docking fails.
        """


class Vina:
    """AutoDock Vina 1.2 with ligands prepared by Meeko; receptor maps are computed once."""

    def __init__(self, receptor: Receptor, exhaustiveness: int, seed: int) -> None:
        from vina import Vina as Engine

        self._seed, self._exhaustiveness = seed, exhaustiveness
        self._engine = Engine(sf_name="vina", cpu=1, seed=seed, verbosity=0)
        self._engine.set_receptor(str(receptor.path))
        self._engine.compute_vina_maps(center=list(receptor.center), box_size=list(receptor.size))

    def dock(self, smiles: str) -> tuple[float, str, str]:
        """Score, protonated SMILES and pose."""
        from meeko import MoleculePreparation, PDBQTMolecule, PDBQTWriterLegacy, RDKitMolCreate

        charged = protonated(smiles)
        setup = MoleculePreparation().prepare(conformer(charged, self._seed))[0]
        ligand, fits, complaint = PDBQTWriterLegacy.write_string(setup)
        if not fits:
            raise ValueError(complaint)
        self._engine.set_ligand_from_string(ligand)
        self._engine.dock(exhaustiveness=self._exhaustiveness, n_poses=1)
        score = float(self._engine.energies(n_poses=1)[0][0])
        pose = PDBQTMolecule(self._engine.poses(n_poses=1), skip_typing=True)
        return score, charged, RDKitMolCreate.write_sd_string(pose)[0].partition("M  END")[0] + "M  END\n"


class Dockstring:
    """The DOCKSTRING protocol (Vina 1.1.2, exhaustiveness 8), which reproduces the scores of its data set."""

    def __init__(self, target: str, seed: int) -> None:
        here = str(Path(sys.executable).parent)  # directory of its obabel
        os.environ["PATH"] = os.pathsep.join([here, os.environ.get("PATH", "")])
        from dockstring import load_target

        self._target, self._seed = load_target(target), seed

    def dock(self, smiles: str) -> tuple[float, str, str]:
        """Score, protonated SMILES and pose."""
        if "$" in smiles:  # dockstring passes the SMILES to a shell
            raise ValueError("dockstring does not support quadruple bonds")
        score, found = self._target.dock(smiles, num_cpus=1, seed=self._seed)
        if score is None:
            raise ValueError("no pose was found")
        return float(score), protonated(smiles), pose_block(found["ligand"])


class Docking:
    """The oracle of `docking[PROGRAM]:TARGET` in this process."""

    def __init__(self, text: str) -> None:
        parts = OracleText.read(text)
        program, settings = docking_settings(parts)
        self.name = text
        self._poses = settings.poses
        self._program: Program
        if program == "dockstring":
            self._program = Dockstring(parts.argument, settings.seed)
        else:
            self._program = Vina(receptor_of(parts.argument), settings.exhaustiveness, settings.seed)

    def __call__(self, molecules: Sequence[Molecule]) -> list[Score]:
        """One score for each molecule; failures have a reason."""
        return [self._score(molecule) for molecule in molecules]

    def _score(self, molecule: Molecule) -> Score:
        parent = standardize(molecule)
        if isinstance(parent, Invalid):
            return Score.failed(parent.reason)
        if unknown := sorted({atom.GetSymbol() for atom in parent.mol.GetAtoms()} - _ELEMENTS):
            return Score.failed(f"docking has no parameters for {', '.join(unknown)}")
        try:
            score, charged, block = self._program.dock(parent.smiles)
        except Exception as error:  # noqa: BLE001 - four libraries may raise anything
            return Score.failed(str(error) if type(error) is ValueError else describe_error(error))
        if self._poses is not None:
            fields = {"SMILES": molecule.smiles, "docked as": charged, core_of(self.name): f"{score:g}"}
            record = pose_record(block, molecule.smiles, fields)
            write_atomically(Path(self._poses) / f"{inchikey(molecule)}.sdf", record)  # makes the directory
        return Score.ok(score)


def protonated(smiles: str) -> str:
    """The SMILES of a molecule protonated by Open Babel at pH 7.4.

    Raises:
        ValueError: It cannot read the molecule.
    """
    from openbabel import openbabel

    conversion, mol = openbabel.OBConversion(), openbabel.OBMol()
    conversion.SetInAndOutFormats("smi", "can")
    if not conversion.ReadString(mol, smiles):
        raise ValueError("Open Babel cannot read it")
    mol.AddHydrogens(False, True, PH)
    return str(conversion.WriteString(mol)).strip()
