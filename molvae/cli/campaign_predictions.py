"""`molvae predict --campaign`: what a campaign expects of a chemist's own ideas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from molvae.cli import campaigns, inputs, options, places
from molvae.data.writers import Column
from molvae.errors import InputError

if TYPE_CHECKING:
    from molvae.cli.output import Session


@click.command()
@click.argument("molecules", nargs=-1, required=True, metavar="FILE|SMILES...")
@click.option(
    "--campaign", type=click.Path(path_type=Path), required=True, metavar="DIR", help="What has learned."
)
@options.output()
@options.columns()
@options.common()
@options.pass_session
def command(
    session: Session,
    molecules: tuple[str, ...],
    campaign: Path,
    output: Path | None,
    smiles_column: str | None,
    id_column: str | None,
) -> None:
    """Score ideas of your own with what CAMPAIGN has learned from its measurements.

    For every molecule: what can be computed, prediction and standard deviation of what is measured, the
    probability of being within the bounds, and the most similar measured molecule.

    \b
    Examples:
      molvae predict --campaign assay ideas.csv -o scored.csv
      molvae predict --campaign assay 'CC(=O)Nc1ccc(O)cc1'
    """
    from molvae.campaign.batch import forecast_columns
    from molvae.campaign.observations import Forecast

    rows = list(inputs.given(molecules, session, smiles_column=smiles_column, id_column=id_column))
    with campaigns.opened(places.journal(campaign), writable=False) as opened:
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
    kinds = {name: campaigns.kind_of_column(values) for name, values in columns.items()}
    kinds["smiles"] = "smiles"
    with session.rows(output, [Column(name, kind) for name, kind in kinds.items()]) as writer:
        for cells in zip(*columns.values(), strict=True):
            writer.write(list(cells))
    read = sum(forecast is not None for forecast in forecasts)
    session.wrote(output, {"molecules": len(rows), "unreadable": len(rows) - read})
    if not read:
        raise InputError(f"none of the {len(rows)} rows holds a molecule")
