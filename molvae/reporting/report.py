"""Make a report of a path: detect its kind, read its records, write one HTML file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from molvae.errors import InputError, UsageError
from molvae.persistence.files import write_atomically
from molvae.persistence.locations import METRICS, journal_file, kind_of_directory
from molvae.reporting.page import render

if TYPE_CHECKING:
    from pathlib import Path

    from molvae.reporting.page import Report

Kind = Literal["run", "checkpoint", "campaign", "screen", "molecules"]

_SQLITE = b"SQLite format 3\x00"


def kind_of(path: Path) -> Kind:
    """The kind of a path, by its files.

    Raises:
        InputError: It does not exist, or no report can be made of it.
    """
    if path.is_file():
        return _kind_of_file(path)
    kind = kind_of_directory(path)
    if kind == "corpus":
        raise InputError(
            f"{path} is a corpus; reports are made of runs, or of files of molecules",
            hint=f"For example: molvae report RUN --corpus {path}",
        )
    if kind is not None:
        return "checkpoint" if kind == "model" else kind
    if not path.exists():
        raise InputError(f"nothing at {path}", hint="Check the path for a typing mistake.")
    raise InputError(
        f"{path} has no records for a report",
        hint="Give a training run, a checkpoint, a campaign, a screen (the directories that train, optimize "
        "and screen were given with -o) or a file of molecules.",
    )


def make_report(
    path: Path,
    *,
    baseline: Path | None = None,
    corpus: Path | None = None,
    n_molecules: int = 200,
    n_rows: int = 5000,
    smiles_column: str | None = None,
    id_column: str | None = None,
    device: str = "cpu",
) -> Report:
    """The report of a path, not yet rendered.

    Args:
        path: A run, checkpoint, campaign (or journal), screen (or its result) or file of molecules.
        baseline: For a campaign: the campaign (or journal) to compare with.
        corpus: For a model: corpus with held-out molecules; by default that of the run.
        n_molecules: Number of molecules drawn in the table.
        n_rows: Number of rows of the table.
        smiles_column: For a file: name or number; by default detected.
        id_column: Likewise.
        device: Device of the model.

    Raises:
        InputError: There is nothing to report on.
        UsageError: An option that does not apply to the kind.
    """
    kind = kind_of(path)
    noun = "file of molecules" if kind == "molecules" else kind
    size = {"n_molecules": n_molecules, "n_rows": n_rows}
    if baseline is not None and kind != "campaign":
        raise UsageError(f"{path} is a {noun}: only a campaign has a baseline")
    if corpus is not None and kind not in {"run", "checkpoint"}:
        raise UsageError(f"{path} is a {noun}: only a run or a checkpoint is shown on a corpus")
    if kind == "campaign":
        from molvae.reporting.campaign_report import campaign_report

        other = None if baseline is None else journal_file(baseline)
        return campaign_report(journal_file(path), baseline=other, **size)
    if kind == "screen":
        from molvae.reporting.screening_report import screening_report

        return screening_report(path, **size)
    if kind == "molecules":
        from molvae.reporting.molecules_report import molecules_report

        return molecules_report(path, smiles_column=smiles_column, id_column=id_column, **size)
    from molvae.reporting.training_report import training_report

    return training_report(path, corpus=corpus, device=device, **size)


def write_report(report: Report, target: Path) -> int:
    """Render a report into one HTML file, and return its size in bytes.

    Raises:
        StorageError: It cannot be written; an existing file is intact.
        UsageError: The target does not end with .html.
    """
    if target.suffix.lower() not in {".html", ".htm"}:
        raise UsageError(f"a report is an .html file, not '{target}'")
    page = render(report).encode()
    write_atomically(target, page)
    return len(page)


def _kind_of_file(path: Path) -> Kind:
    with path.open("rb") as file:
        if file.read(len(_SQLITE)) == _SQLITE:
            return "campaign"
    if path.name == METRICS:
        raise InputError(f"{path} is the log of a training run", hint=f"Give the run: {path.parent}")
    return "molecules"
