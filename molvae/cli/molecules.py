"""Molecules as rows of output: SMILES or a reason, properties, and pictures."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from molvae.cli import inputs, options
from molvae.cli.options import integer, number, path, split_names, stacked
from molvae.data.records import Column
from molvae.errors import UsageError
from molvae.persistence import locations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from molvae.chemistry.molecule import Invalid, Molecule
    from molvae.cli.inputs import InputRow
    from molvae.cli.options import Decorator
    from molvae.cli.output import Session
    from molvae.data.writers import Writer
    from molvae.latent.codec import MolVAE

    Cells = list[Any]

IDENTITY = (Column("identifier"), Column("input"), Column("smiles", "smiles"), Column("reason"))
"""The columns of `identity`."""
_CHUNK = 4096  # rows held in memory at once
_PICTURES = (".png", ".svg")
_OF_A_RUN = ("device", "output", "describe", "predict", "picture")


@dataclass(frozen=True)
class Run:
    """A command that reads a model and writes rows.

    Attributes:
        session: For messages and progress.
        checkpoint: Existing directory of the model.
        device: Device of the model.
        output: File of the rows; stdout if None.
        describe: Descriptors to add as columns.
        predict: Whether to add the properties the model predicts.
        picture: File of a grid of the molecules, if any.
    """

    session: Session
    checkpoint: Path
    device: str
    output: Path | None
    describe: Sequence[str] = ()
    predict: bool = False
    picture: Path | None = None

    def load(self) -> MolVAE:
        """Load the model, and the libraries it needs."""
        from molvae.latent.codec import MolVAE

        return MolVAE.load(self.checkpoint, device=self.device)

    def rows(self, columns: Sequence[Column]) -> AbstractContextManager[Writer]:
        """The writer of the output."""
        return self.session.rows(self.output, columns)

    def wrote(self, facts: Mapping[str, Any]) -> None:
        """Report the summary of the output."""
        self.session.wrote(self.output, facts)

    def property_columns(self, model: MolVAE) -> list[Column]:
        """Columns of `property_values`: descriptors, then each predicted property and its deviation."""
        names = list(self.describe)
        if self.predict:
            for name in model.property_names:
                names += [f"predicted_{name}", f"predicted_{name}_sd"]
        return [Column(name, "number") for name in names]

    def property_values(self, model: MolVAE, molecules: Sequence[Molecule | Invalid]) -> list[Cells]:
        """A row of values per molecule, NaN where there is none."""
        from molvae.chemistry.descriptors import describe_many

        rows: list[Cells] = [[] for _ in molecules]
        if self.describe:
            for row, values in zip(rows, describe_many(molecules, list(self.describe)).tolist(), strict=True):
                row.extend(values)
        if self.predict:
            prediction = model.predict(molecules)
            deviation = prediction.variance**0.5
            for row, means, spreads in zip(rows, prediction.mean.tolist(), deviation.tolist(), strict=True):
                for pair in zip(means, spreads, strict=True):
                    row.extend(pair)
        return rows

    def draw(self, pictured: Iterable[tuple[Molecule | Invalid, str]], *, columns: int = 5) -> None:
        """Draw molecules with their legends as a grid, if requested."""
        from molvae.chemistry.depiction import grid_png, grid_svg
        from molvae.persistence.files import write_atomically

        pairs = list(pictured)
        if self.picture is None or not pairs:
            return
        paint = grid_svg if self.picture.suffix.lower() == ".svg" else grid_png
        write_atomically(self.picture, paint([m for m, _ in pairs], [text for _, text in pairs], columns))
        self.session.note(f"picture -> {self.picture}")


def run() -> Decorator:
    """The last options of a command with CHECKPOINT that writes rows; passed as a `Run`, first.

    `--describe`, `--predict` and `--picture` are part of it, where the command has them.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def command(session: Session, /, checkpoint: Path, **values: Any) -> None:
            own = {name: values.pop(name) for name in _OF_A_RUN if name in values}
            function(Run(session, locations.model_directory(checkpoint), **own), **values)

        return stacked(options.device(), options.output(), options.common())(command)

    return decorate


def write_each(
    session: Session,
    task: str,
    arguments: Iterable[InputRow],
    output: Path | None,
    columns: Sequence[Column],
    made_of: Callable[[int, list[InputRow]], Iterable[tuple[bool, Cells]]],
    *,
    chunk: int = _CHUNK,
) -> tuple[int, int]:
    """Read rows in chunks and write a row for each, to a file or stdout.

    `made_of` gives, for the number and the rows of a chunk, whether each row succeeded, and its cells.

    Returns:
        Rows in all, and those that succeeded.
    """
    parts = inputs.chunks(arguments, chunk)
    n_rows, n_good = 0, 0
    with session.progress() as progress, session.rows(output, columns) as writer:
        progress.start(task)
        for index, part in enumerate(parts):
            for good, cells in made_of(index, part):
                writer.write(cells)
                n_rows, n_good = n_rows + 1, n_good + good
            progress.advance(task, len(part))
    return n_rows, n_good


def describe() -> Decorator:
    """`--describe`: descriptors as columns of the output."""

    def checked(_context: click.Context, _parameter: click.Parameter, value: Sequence[str]) -> Sequence[str]:
        names = split_names(value)
        if names:
            from molvae.chemistry.descriptors import DESCRIPTORS

            for name in names:
                DESCRIPTORS.get(name)  # raises for unknown names before any work
        return names

    text = "Descriptors to add as columns (qed,logp,sa,mw, ...)."
    return click.option("--describe", multiple=True, metavar="A,B", callback=checked, help=text)


def predict() -> Decorator:
    """`--predict`: properties the model predicts as columns of the output."""
    text = "Add the model's predicted properties, with standard deviations."
    return click.option("--predict", is_flag=True, help=text)


def tries() -> Decorator:
    """`--tries`: decoding attempts."""
    return integer("--tries", text="Decoding attempts for each molecule.", default=10)


def decoding(*, sampling: bool) -> Decorator:
    """`--temperature`, `--beam` and `--noise`: how latent vectors are decoded.

    In sampling they have no default: `MolVAE.sample` chooses by the model.
    """

    def default(value: Any, sampled: str) -> dict[str, Any]:
        return {"default": None if sampling else value, "show_default": sampled if sampling else True}

    return stacked(
        number(
            "--temperature",
            text="Sampling temperature of the decoder; 0 is greedy.",
            low=0,
            **default(0.0, "1 at noise level 1, else 0"),
        ),
        click.option(
            "--beam/--no-beam",
            help="Beam search where greedy decoding gives no valid molecule, or an unknown token.",
            **default(False, "beam below noise level 1"),
        ),
        number(
            "--noise",
            text="Noise level of the decoder's input, from 0 to 1.",
            low=0,
            high=1,
            **default(0.0, "1 for draws of N(0, I) if trained with noise levels, else 0"),
        ),
    )


def identity(row: InputRow, molecule: Molecule | Invalid, reason: str | None = None) -> Cells:
    """Identifier, input, SMILES, and `reason`, by default that of an invalid molecule."""
    why = reason_or_none(molecule) if reason is None else reason
    return [row.identifier, row.text, smiles_or_none(molecule), why]


def chunk_seed(seed: int, name: str, number: int) -> int:
    """The seed of a chunk: the root seed for the first, derived ones for the others."""
    from molvae.seeding import Seeds

    return seed if number == 0 else Seeds(seed).integer(f"{name}-chunk", number)


def smiles_or_none(molecule: Molecule | Invalid) -> str | None:
    """The canonical SMILES of a valid molecule, or None."""
    return getattr(molecule, "smiles", None)


def reason_or_none(molecule: Molecule | Invalid) -> str | None:
    """The reason of an invalid molecule, or None."""
    return getattr(molecule, "reason", None)


def picture() -> Decorator:
    """`--picture`: a grid of the molecules."""

    def checked(_context: click.Context, _parameter: click.Parameter, value: Path | None) -> Path | None:
        if value is not None and value.suffix.lower() not in _PICTURES:
            raise UsageError(f"a picture is a .png or .svg file, not '{value}'")
        return value

    text = "Draw the molecules as a grid (.png or .svg)."
    return path("--picture", text=text, metavar="FILE", dirs=False, callback=checked)
