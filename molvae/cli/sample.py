"""`molvae sample`: new molecules from the prior."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from molvae.cli import molecules, options, places
from molvae.data.writers import Column
from molvae.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from molvae.chemistry.molecule import Invalid, Molecule
    from molvae.cli.output import Session
    from molvae.latent.codec import MolVAE

_CHUNK = 10_000  # draws held in memory at once
_MOST_ROUNDS = 200
_DESCRIPTOR_OF = {"sas": "sa"}  # what a label of a well-known data set is called here
_FEW = 2000  # draws at least that are chosen among where properties are wanted
_PER_REQUEST = 20  # draws that are chosen among for each molecule with wanted properties


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option(
    "-n", "n", type=click.IntRange(1), metavar="N", default=100, show_default=True, help="How many."
)
@molecules.decoding(sampling=True)
@click.option(
    "--prior",
    metavar="NAME",
    help="normal draws from N(0, I) although a prior was fitted.  [default: the fitted one]",
)
@click.option(
    "--condition",
    multiple=True,
    metavar="NAME=VALUE",
    help="Wanted value of a property the model knows; may be repeated.",
)
@click.option("--unique", is_flag=True, help="Go on until there are N different valid molecules.")
@molecules.describe()
@click.option(
    "--predict", is_flag=True, help="Add the properties the model predicts, with standard deviations."
)
@options.seed()
@options.device()
@options.output()
@options.common()
@options.pass_session
def command(
    session: Session,
    checkpoint: Path,
    n: int,
    temperature: float | None,
    beam: bool | None,
    noise: float | None,
    prior: str | None,
    condition: tuple[str, ...],
    unique: bool,
    describe: tuple[str, ...],
    predict: bool,
    seed: int,
    device: str,
    output: Path | None,
) -> None:
    """Draw N new molecules from the model CHECKPOINT (a model directory, or a run).

    A row per draw: where greedy decoding gives no molecule, a beam search looks for the most likely text that
    is one; a draw without any keeps its row, with the reason. With --unique, only different valid molecules
    are written. With --condition, many more molecules are drawn, and chosen by what the model's property
    heads say of them (a conditional model is told instead); the error is reported.

    \b
    Examples:
      molvae sample checkpoints/zinc250k -n 5
      molvae sample checkpoints/zinc250k -n 1000 --unique -o new.smi
      molvae sample run -n 100 --describe qed,logp,sa --predict -o new.csv
      molvae sample run --condition logp=2.5 --condition qed=0.9 --describe logp
    """
    checkpoint = places.checkpoint(checkpoint)  # a wrong path is told before libraries are loaded

    from molvae.chemistry.descriptors import DESCRIPTORS
    from molvae.chemistry.molecule import is_valid, parse
    from molvae.latent.codec import MolVAE

    names = options.split_names(describe)
    for name in names:
        DESCRIPTORS.get(name)  # fail before the work
    model = MolVAE.load(checkpoint, device=device)
    wanted = _wanted(model, condition)
    model.sample_latent(
        0, generator=np.random.default_rng(0), prior=prior
    )  # one that is not there is told now
    columns = [Column("identifier"), Column("smiles", "smiles"), Column("reason")]
    columns += molecules.property_columns(model, names, predict=predict)
    drawn, written = 0, 0
    errors = _Errors(model, wanted)
    seen: set[str] = set()
    with session.progress() as progress, session.rows(output, columns) as writer:
        progress.start("sample", n)
        for batch in _draws(
            model, n, temperature, prior, wanted, seed, endless=unique, beam=beam, noise=noise
        ):
            drawn += len(batch)
            chosen = _new(batch, seen)[: n - written] if unique else batch
            seen.update(m.smiles for m in chosen if is_valid(m))
            errors.add(chosen)
            values = molecules.property_values(model, chosen, names, predict=predict)
            for molecule, numbers in zip(chosen, values, strict=True):
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
    session.wrote(output, facts)
    for sentence in errors.sentences():
        session.note(sentence)
    if written < n:
        session.note(f"the prior gave no more than {written} different molecules; try a higher --temperature")


def _new(batch: Sequence[Molecule | Invalid], seen: set[str]) -> list[Molecule | Invalid]:
    """The valid molecules that were not seen before, each once, in order."""
    found: dict[str, Molecule | Invalid] = {}
    for molecule in batch:
        smiles = molecules.smiles_or_none(molecule)
        if smiles is not None and smiles not in seen:
            found.setdefault(smiles, molecule)
    return list(found.values())


def _draws(
    model: MolVAE,
    n: int,
    temperature: float | None,
    prior: str | None,
    wanted: np.ndarray | None,
    seed: int,
    *,
    endless: bool,
    beam: bool | None,
    noise: float | None,
) -> Iterator[list[Molecule | Invalid]]:
    """Draws in chunks: the first as `model.sample(n, seed=seed)`, each later one with a seed of its own."""
    from molvae.latent.conditional import POOL, sample_conditional
    from molvae.seeding import Seeds

    left = n
    for number in range(_MOST_ROUNDS if endless else n):
        own = seed if number == 0 else Seeds(seed).integer("sample-chunk", number)
        count = min(_CHUNK, left)
        if wanted is None:
            yield model.sample(
                count,
                temperature=temperature,
                seed=own,
                prior=prior,
                beam=beam,
                noise=noise,
            )
        else:
            requests = np.repeat(wanted[None], count, axis=0)
            yield sample_conditional(
                model,
                requests,
                temperature=temperature,
                seed=own,
                beam=beam,
                noise=noise,
                n_pool=max(min(POOL, _FEW + 100 * count), _PER_REQUEST * count),
            )
        left -= 0 if endless else min(_CHUNK, left)
        if left == 0:
            return


def _wanted(model: MolVAE, condition: Sequence[str]) -> np.ndarray | None:
    """The condition as a row of property values, `p`; None if there is none."""
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


class _Errors:
    """How far written molecules are from what was wanted: by descriptor where there is one, else by head."""

    def __init__(self, model: MolVAE, wanted: np.ndarray | None) -> None:
        self.model, self.wanted = model, wanted
        self.found: dict[str, list[float]] = {}

    def add(self, batch: Sequence[Molecule | Invalid]) -> None:
        """Measure some molecules."""
        from molvae.chemistry.descriptors import DESCRIPTORS, describe_many

        if self.wanted is None:
            return
        heads = self.model.predict(batch).mean
        for column, (name, value) in enumerate(zip(self.model.property_names, self.wanted, strict=True)):
            if not np.isfinite(value):
                continue
            known = _DESCRIPTOR_OF.get(name.lower(), name.lower())
            measured = describe_many(batch, [known])[:, 0] if known in DESCRIPTORS else heads[:, column]
            label = f"{name} ({'computed' if known in DESCRIPTORS else 'predicted'})"
            self.found.setdefault(label, []).extend(np.abs(measured - value)[np.isfinite(measured)].tolist())

    def sentences(self) -> list[str]:
        """The mean absolute errors."""
        return [
            f"mean absolute error of {label}: {np.mean(errors):.3g}"
            for label, errors in self.found.items()
            if errors
        ]
