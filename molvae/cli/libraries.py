"""`molvae screen`, `predict` and `embed`: process a library of any size with a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from molvae.cli import campaigns, fields, inputs, molecules, options, results, screening
from molvae.errors import InputError
from molvae.persistence import locations
from molvae.screening.config import ScreenSettings

if TYPE_CHECKING:
    from pathlib import Path

    from molvae.cli.inputs import Arguments
    from molvae.cli.output import Session


@click.command(cls=fields.SettingsCommand, settings=ScreenSettings)
@screening.library("Directory of the screen; shards may share it.")
@campaigns.objective_options()
@options.trust()
@fields.option(ScreenSettings, "top", metavar="K")
@click.option("--all", "keep_all", is_flag=True, default=None, help="Keep all hits, not only the best.")
@fields.option(ScreenSettings, "descriptors", metavar="A,B")
@fields.option(ScreenSettings, "filters", metavar="A,B")
@fields.option(ScreenSettings, "reference", metavar="PATH")
@fields.option(ScreenSettings, "domain", metavar="A,B")
@fields.option(ScreenSettings, "failure_limit", metavar="N")
@click.option("--retry-failed", is_flag=True, help="Score again the molecules that an oracle failed on.")
@screening.running()
@screening.table_format()
@fields.config()
@options.common()
def screen_command(session: Session, /, wanted: list[dict[str, Any]], trust: bool, **running: Any) -> None:
    """Screen LIBRARY (.smi .csv .tsv .sdf, plain or .gz, .parquet, - for stdin) with a model.

    Each row is parsed, standardized, filtered, compared with known molecules (--reference) and encoded; the
    model predicts its properties if it is in the applicability domain. Bounds define the hits, and goals rank
    them. A NAME is a descriptor (qed, logp, sa, ...), any oracle, or predicted_X for a property X the model
    predicts. Memory use is constant, and every row is accounted for.

    The library is processed in parts. After a stop (exit 75) or a crash the same command resumes with the
    parts that are missing. Shards divide the work; 'molvae screen merge DIR...' combines them. The result is
    identical, byte for byte, for any number of shards and workers.

    \b
    Examples:
      molvae screen library.smi --checkpoint checkpoints/zinc250k \\
          --maximize qed --at-most sa=3 --at-least predicted_logp=1 -o screened
      molvae screen big.csv.gz --checkpoint run --all --descriptors mw,tpsa -o all
      molvae screen big.parquet --checkpoint run --maximize docking.py:score \\
          --filters pains --reference corpus --shard 3/100 -o screened
      molvae screen merge screened

    \b
    The directory has job.json, parts/ and, at the end, result/:
    best.csv, hits.csv (if all are kept), rejected.csv, funnel.json.
    """
    given = running.pop("given")
    settings = screening.settings_of(given, objectives=wanted or None)
    named = campaigns.named(wanted, settings.objectives, given.assignments)
    screening.run(session, settings, named=named, trust=trust, **running)


@click.command(cls=fields.SettingsCommand, settings=ScreenSettings, without=screening.RANKING)
@screening.library("Directory of the output; shards may share it.")
@fields.option(ScreenSettings, "descriptors", metavar="A,B")
@screening.running()
@screening.table_format()
@fields.config()
@options.common()
def predict_command(session: Session, /, given: fields.Given[ScreenSettings], **running: Any) -> None:
    """Predict the properties of every row of LIBRARY (a file of molecules, or - for stdin) with a model.

    The output has a row for each input row, in the same order, with its columns, the model's properties with
    standard deviations, descriptors if requested, and, for a calibrated checkpoint, 'domain_p_value' (.05 and
    below: outside the applicability domain). Rows without a valid molecule, or with tokens unknown to the
    model, have the reason.

    It runs like 'molvae screen': in parts, in shards, in constant memory; after a stop (exit 75) the same
    command resumes. For a few molecules, 'molvae encode --predict' is quicker.

    'molvae predict --campaign DIR FILE' scores your own molecules with the surrogates of a campaign.

    \b
    Examples:
      molvae predict library.smi --checkpoint checkpoints/zinc250k -o predicted
      molvae predict big.parquet --checkpoint run --format parquet \\
          --shard 3/100 -o predicted
      molvae predict merge predicted

    \b
    The directory has job.json, parts/ and, at the end, result/:
    rows.csv, rejected.csv (the rows without a valid molecule), funnel.json.
    """
    screening.run(session, screening.settings_of(given, every_row=True), **running)


@click.command()
@inputs.argument("FILE|SMILES")
@options.path("--campaign", text="Directory of the campaign.", metavar="DIR", required=True)
@options.output()
@options.common()
def campaign_command(session: Session, arguments: Arguments, campaign: Path, output: Path | None) -> None:
    """Score your own molecules with the surrogates of CAMPAIGN.

    For each molecule: the computed objectives, prediction and standard deviation of the measured ones, the
    probability of being within the bounds, and the most similar measured molecule.

    \b
    Examples:
      molvae predict --campaign assay ideas.csv -o scored.csv
      molvae predict --campaign assay 'CC(=O)Nc1ccc(O)cc1'
    """
    from molvae.campaign.observations import Forecast
    from molvae.campaign.table import forecast_columns

    rows = list(arguments.rows(session))
    with campaigns.opened(locations.journal_file(campaign), writable=False) as opened:
        answers = opened.predict([row.text for row in rows])
        forecasts = [answer if isinstance(answer, Forecast) else None for answer in answers]
        known, wanted = opened.history.known, opened.settings.objectives
        columns: dict[str, list[Any]] = {
            "identifier": [row.identifier for row in rows],
            "smiles": [row.text if f is None else f.smiles for row, f in zip(rows, forecasts, strict=True)],
            **{wanted[j].name: [None if f is None else f.mean[j] for f in forecasts] for j in known.columns},
            **forecast_columns(forecasts, opened.history),
            "reason": [row.reason or getattr(a, "reason", "") for row, a in zip(rows, answers, strict=True)],
        }
    results.write_columns(session, output, columns)
    n_read = sum(forecast is not None for forecast in forecasts)
    session.wrote(output, {"molecules": len(rows), "unreadable": len(rows) - n_read})
    if not n_read:
        raise InputError(f"none of the {len(rows)} rows has a valid molecule")


@click.command(cls=fields.SettingsCommand, settings=ScreenSettings, without=screening.RANKING)
@screening.library("Directory of the output; shards may share it.")
@molecules.predict()
@screening.running()
@fields.config()
@options.common()
def embed_command(session: Session, /, given: fields.Given[ScreenSettings], **running: Any) -> None:
    """Compute the latent vector of every row of LIBRARY (a file of molecules, or - for stdin).

    The output has a row for each input row, in the same order, with its columns and a column 'z': the
    posterior mean, a fixed-size list of float32, which Arrow, pandas, Polars and Spark read as an array. A
    row without a valid molecule has the reason and no vector.

    It runs like 'molvae screen': in parts, in shards, in constant memory; after a stop (exit 75) the same
    command resumes. For a few molecules, or a CSV with one column per dimension, use 'molvae encode'.

    \b
    Examples:
      molvae embed library.smi --checkpoint checkpoints/zinc250k -o embedded
      molvae embed big.parquet --checkpoint run --shard 3/100 -o embedded
      molvae embed merge embedded

    \b
    The directory has job.json, parts/ and, at the end, result/:
    rows.parquet, rejected.csv (the rows without a valid molecule), funnel.json.
    """
    settings = screening.settings_of(given, every_row=True, vectors=True)
    screening.run(session, settings, **running)
