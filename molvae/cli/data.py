"""`molvae fetch` and `molvae prepare`: data sets and corpora."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from molvae.cli import fields, options
from molvae.cli.output import Session, table_text
from molvae.data.config import PrepareSettings
from molvae.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from molvae.data.corpus import Balance

_MOST_REASONS = 8


@click.command()
@click.argument("name", required=False)
@options.directory("Directory of the file.  [default: the current one]")
@options.path(
    "--mirror",
    text="Local directory to try first.",
    metavar="DIR",
    files=False,
    envvar="MOLVAE_DATA",
    show_envvar=True,
)
@options.common()
def fetch_command(session: Session, name: str | None, output: Path | None, mirror: Path | None) -> None:
    """Download the data set NAME, or list all.

    Files are verified by sha256 where one is published. Without a network, a message explains how to download
    them by hand.

    \b
    Examples:
      molvae fetch                      list the data sets
      molvae fetch zinc250k -o data     249,455 drug-like molecules
      molvae fetch starter              the small set that comes with molvae
    """
    from molvae.data.catalog import CATALOG, STARTER, fetch

    if name is None:
        rows = [(STARTER, "MIT", "About 10,000 drug-like molecules; comes with molvae.")]
        rows += [(dataset.name, dataset.license, dataset.about) for dataset in CATALOG.values()]
        listing = [dict(zip(("name", "license", "about"), row, strict=True)) for row in rows]
        session.report({"datasets": listing}, table_text(("name", "license", "description"), rows))
        return
    with session.progress() as progress:
        path = fetch(name, output or Path(), mirror=mirror, progress=progress)
    session.report({"path": path}, str(path))


@click.command(cls=fields.SettingsCommand, settings=PrepareSettings)
@click.argument("input", nargs=-1, metavar="[FILES]...")
@options.directory("Directory of the corpus.")
@fields.option(PrepareSettings, "smiles_column", metavar="NAME")
@fields.option(PrepareSettings, "id_column", metavar="NAME")
@fields.option(PrepareSettings, "labels", metavar="A,B")
@fields.option(PrepareSettings, "descriptors", metavar="A,B")
@fields.option(PrepareSettings, "standardize")
@fields.option(PrepareSettings, "deduplicate")
@fields.option(PrepareSettings, "filters", metavar="A,B")
@fields.option(PrepareSettings, "tokenizer")
@fields.option(PrepareSettings, "vocabulary", metavar="PATH")
@fields.option(PrepareSettings, "split", metavar="HOW")
@fields.option(PrepareSettings, "on_invalid")
@fields.option(PrepareSettings, "seed")
@options.workers()
@fields.config()
@options.common()
def prepare_command(session: Session, /, given: fields.Given[PrepareSettings], workers: int) -> None:
    """Make a clean corpus for training from FILES of molecules.

    Reads .smi .txt .csv .tsv .sdf (plain or .gz), .parquet, or - for stdin; standardizes, filters, merges
    duplicates, splits into train, valid and test, builds the vocabulary, and computes properties. Every row
    is accounted for: rejected.csv lists unused rows with the reason; duplicates.csv,
    replicates.csv (averaged numbers) and contradictions.csv list what was merged.

    \b
    Examples:
      molvae prepare mine.csv -o corpus
      molvae prepare mine.csv -o corpus --labels pIC50 --descriptors qed,logp
      molvae prepare a.smi b.sdf.gz -o corpus --split scaffold --filters pains
      zcat big.smi.gz | molvae prepare - -o corpus --tokenizer selfies
      molvae prepare mine.csv -o corpus --vocabulary checkpoints/zinc250k
    """
    from molvae.data.preparation import prepare

    if given.config is None and not given.assignments:
        if not given.options["input"]:
            raise UsageError("no file to prepare", hint="For example: molvae prepare mine.csv -o corpus")
        if given.options["output"] is None:
            raise UsageError("no directory for the corpus", hint="Give one with -o, for example -o corpus")
    settings = given.build()
    with session.progress() as progress:
        balance = prepare(settings, workers=workers, progress=progress)
    session.report(
        {"corpus": settings.output, **asdict(balance)},
        _text(settings.output, balance, labelled=bool(settings.labels)),
    )


def _text(corpus: Path, balance: Balance, *, labelled: bool) -> str:
    """The balance, the rejected rows by reason, and a line for each fact."""
    lines = [str(balance), ""]
    reasons = [(f"{count:,}", reason) for reason, count in balance.by_reason.items()][:_MOST_REASONS]
    if reasons:
        lines += [table_text(("rejected", "why"), reasons).rstrip(), ""]
    parts = ", ".join(f"{count:,} {part}" for part, count in balance.parts.items())
    averaged = [
        f"{name} of {n:,} molecules (sd {balance.spread[name]:.2g})" for name, n in balance.replicates.items()
    ]
    conflicts = [
        f"{name} of {n:,} molecules ({'label left out' if name in balance.missing else 'first kept'})"
        for name, n in balance.contradictory.items()
    ]
    stereo, changed, unreadable = balance.stereo_groups, balance.changed, _counts(balance.unreadable)
    labels = "; their labels are those of the original form" if labelled else ""
    facts: dict[str, Any] = {
        "corpus": f"{corpus} ({parts})",
        "vocabulary": f"{balance.n_vocabulary} tokens, {balance.n_tokens / balance.kept:.1f} per molecule",
        "missing": _counts(balance.missing),
        "unreadable": unreadable and f"{unreadable}; unreadable_labels.csv",
        "unknown": _counts(balance.unknown),
        "averaged": averaged and f"{', '.join(averaged)}; replicates.csv",
        "conflicts": conflicts and f"{', '.join(conflicts)}; contradictions.csv",
        "stereo": stereo and f"{stereo:,} with enhanced stereo, read as the isomer drawn",
        "changed": changed and f"{changed:,} by standardization ({_counts(balance.steps)}){labels}",
        "doubtful": balance.doubtful and f"{balance.doubtful:,} rows of several molecules; doubtful.csv",
        "duplicates": balance.duplicates and corpus / "duplicates.csv",
        "rejected": balance.rejected and corpus / "rejected.csv",
    }
    return "\n".join(lines + [f"{name:<10}  {text}" for name, text in facts.items() if text])


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)
