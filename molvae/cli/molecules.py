"""Molecules as rows of output: SMILES or the reason why there is none, and the properties asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from molvae.cli.options import Finite, stacked
from molvae.data.writers import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from molvae.chemistry.molecule import Invalid, Molecule
    from molvae.latent.codec import MolVAE


def describe() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--describe`: descriptors as further columns of molecules that are written."""
    return click.option(
        "--describe", multiple=True, metavar="A,B", help="Add descriptors as columns (qed,logp,sa,mw, ...)."
    )


def decoding(*, sampling: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--temperature`, `--beam` and `--noise`: how latent vectors are decoded.

    In sampling they have no default of their own: `MolVAE.sample` decides by the model.
    """
    return stacked(
        click.option(
            "--temperature",
            type=Finite(0),
            metavar="X",
            default=None if sampling else 0.0,
            show_default="1 at noise level 1, else 0" if sampling else True,
            help="0 writes the most likely token each time; higher is more random.",
        ),
        click.option(
            "--beam/--no-beam",
            default=None if sampling else False,
            show_default="beam below noise level 1" if sampling else True,
            help="Where the text is no molecule, or one with tokens the model never saw, search for the most "
            "likely one it can read.",
        ),
        click.option(
            "--noise",
            type=click.FloatRange(0, 1),
            metavar="X",
            default=None if sampling else 0.0,
            show_default="1 for draws of N(0, I) if the decoder was taught noise levels, else 0"
            if sampling
            else True,
            help="Level from 0 to 1 at which the decoder reads: how much of a latent vector noise replaces.",
        ),
    )


def property_columns(model: MolVAE, describe: Sequence[str], *, predict: bool) -> list[Column]:
    """Columns of `property_values`: descriptors, then each predicted property and its standard deviation."""
    names = list(describe)
    if predict:
        for name in model.property_names:
            names += [f"predicted_{name}", f"predicted_{name}_sd"]
    return [Column(name, "number") for name in names]


def property_values(
    model: MolVAE,
    molecules: Sequence[Molecule | Invalid],
    describe: Sequence[str],
    *,
    predict: bool,
) -> list[list[Any]]:
    """A row of values per molecule, NaN where there is none."""
    from molvae.chemistry.descriptors import describe_many

    rows: list[list[Any]] = [[] for _ in molecules]
    if describe:
        for row, values in zip(rows, describe_many(molecules, list(describe)).tolist(), strict=True):
            row.extend(values)
    if predict:
        prediction = model.predict(molecules)
        deviation = prediction.variance**0.5
        for row, means, spreads in zip(rows, prediction.mean.tolist(), deviation.tolist(), strict=True):
            for pair in zip(means, spreads, strict=True):
                row.extend(pair)
    return rows


def smiles_or_none(molecule: Molecule | Invalid) -> str | None:
    """The canonical SMILES, if there is a molecule."""
    return getattr(molecule, "smiles", None)


def reason_or_none(molecule: Molecule | Invalid) -> str | None:
    """Why there is no molecule."""
    return getattr(molecule, "reason", None)
