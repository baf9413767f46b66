"""`molvae sample`: new molecules from the prior."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from molvae.cli import molecules, options
from molvae.data.records import Column
from molvae.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from molvae.chemistry.molecule import Invalid, Molecule
    from molvae.cli.molecules import Run
    from molvae.latent.codec import MolVAE

_CHUNK = 10_000  # draws held in memory at once
_MOST_ROUNDS = 200
_SMALLEST_POOL = 2000  # minimum number of draws with a condition
_PER_REQUEST = 20  # draws per requested molecule with a condition


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@options.integer("-n", "n", text="Number of molecules.", default=100)
@molecules.decoding(sampling=True)
@click.option("--prior", metavar="NAME", help="'normal' for N(0, I).  [default: the fitted prior]")
@options.several("--condition", text="Target value of a property the model predicts", metavar="NAME=VALUE")
@click.option("--unique", is_flag=True, help="Write N different valid molecules.")
@molecules.describe()
@molecules.predict()
@options.seed()
@molecules.run()
def sample_command(
    run: Run, n: int, prior: str | None, condition: tuple[str, ...], unique: bool, seed: int, **decoding: Any
) -> None:
    """Draw N new molecules from the model CHECKPOINT (a model directory, or a run).

    The output has a row for each draw. If greedy decoding gives no valid molecule, a beam search finds the
    most likely one; failed draws have the reason. --unique writes different valid molecules only.
    --condition draws many more and chooses by the model's property heads (a conditional model is conditioned
    directly); the error is reported.

    \b
    Examples:
      molvae sample checkpoints/zinc250k -n 5
      molvae sample checkpoints/zinc250k -n 1000 --unique -o new.smi
      molvae sample run -n 100 --describe qed,logp,sa --predict -o new.csv
      molvae sample run --condition logp=2.5 --condition qed=0.9 --describe logp
    """
    from molvae.chemistry.molecule import is_valid, parse

    model = run.load()
    wanted = _wanted(model, condition)
    model.sample_latent(0, generator=np.random.default_rng(0), prior=prior)  # fails early for unknown priors
    columns = [Column("identifier"), Column("smiles", "smiles"), Column("reason")]
    columns += run.property_columns(model)
    drawn, written = 0, 0
    errors: dict[str, list[float]] = {}
    seen: set[str] = set()
    draw = partial(model.sample, prior=prior, **decoding)
    if wanted is not None:
        draw = partial(_conditional, model, wanted, **decoding)
    with run.session.progress() as progress, run.rows(columns) as writer:
        progress.start("sample", n)
        for batch in _draws(draw, n, seed, endless=unique):
            drawn += len(batch)
            chosen = _new(batch, seen)[: n - written] if unique else batch
            seen.update(m.smiles for m in chosen if is_valid(m))
            for label, found in _deviations(model, wanted, chosen):
                errors.setdefault(label, []).extend(found)
            for molecule, numbers in zip(chosen, run.property_values(model, chosen), strict=True):
                written += 1
                smiles, reason = molecules.smiles_or_none(molecule), molecules.reason_or_none(molecule)
                writer.write([f"s{written:06d}", smiles, reason, *numbers])
            progress.advance("sample", len(chosen))
            if written >= n:
                break
    facts = {"draws": drawn, "rows": written, "different_valid_molecules": len(seen)}
    if model.precedent is not None:
        valid = filter(is_valid, map(parse, seen))
        facts["with_precedent"] = sum(model.precedent.covers(molecule) for molecule in valid)
    run.wrote(facts)
    for label, found in errors.items():
        if found:
            run.session.note(f"mean absolute error of {label}: {np.mean(found):.3g}")
    if written < n:
        run.session.note(f"the prior gave only {written} different molecules; try a higher --temperature")


def _new(batch: Sequence[Molecule | Invalid], seen: set[str]) -> list[Molecule | Invalid]:
    """The new valid molecules, each once, in order."""
    found: dict[str, Molecule | Invalid] = {}
    for molecule in batch:
        smiles = molecules.smiles_or_none(molecule)
        if smiles is not None and smiles not in seen:
            found.setdefault(smiles, molecule)
    return list(found.values())


def _draws(
    draw: Callable[..., list[Molecule | Invalid]], n: int, seed: int, *, endless: bool
) -> Iterator[list[Molecule | Invalid]]:
    """Draws in chunks: the first as `draw(n, seed=seed)`, later ones with their own seeds."""
    left = n
    for number in range(_MOST_ROUNDS if endless else n):
        count = min(_CHUNK, left)
        yield draw(count, seed=molecules.chunk_seed(seed, "sample", number))
        left -= 0 if endless else count
        if left == 0:
            return


def _conditional(model: MolVAE, wanted: np.ndarray, n: int, **how: Any) -> list[Molecule | Invalid]:
    """`n` draws for target values of the properties, `p`, NaN where there is none."""
    from molvae.latent.conditional import POOL, sample_conditional

    pool = max(min(POOL, _SMALLEST_POOL + 100 * n), _PER_REQUEST * n)
    return sample_conditional(model, np.repeat(wanted[None], n, axis=0), n_pool=pool, **how)


def _wanted(model: MolVAE, condition: Sequence[str]) -> np.ndarray | None:
    """The target values of the properties, `p`, NaN where there is none; None without conditions."""
    from molvae.latent.conditional import wanted_values

    if not condition:
        return None
    values = {}
    for text in condition:
        name, equals, value = text.partition("=")
        try:
            values[name.strip()] = float(value)
        except ValueError:
            equals = ""
        if not equals:
            raise UsageError(f"a condition is NAME=VALUE, got '{text}'", hint="For example logp=2.5.")
    return wanted_values(model, values)


def _deviations(
    model: MolVAE, wanted: np.ndarray | None, batch: Sequence[Molecule | Invalid]
) -> Iterator[tuple[str, list[float]]]:
    """Absolute deviations from the targets, computed by a descriptor if available, else by a head."""
    from molvae.chemistry.descriptors import describe_many, descriptor_of

    if wanted is None:
        return
    heads = model.predict(batch).mean
    for column, (name, value) in enumerate(zip(model.property_names, wanted, strict=True)):
        if not np.isfinite(value):
            continue
        known = descriptor_of(name)
        measured = heads[:, column] if known is None else describe_many(batch, [known])[:, 0]
        found = np.abs(measured - value)[np.isfinite(measured)].tolist()
        yield f"{name} ({'predicted' if known is None else 'computed'})", found
