"""`molvae tell`: measured results back into a campaign."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from molvae.cli import campaigns, measurements, options, places
from molvae.cli.output import table_text
from molvae.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from molvae.campaign.campaign import Campaign
    from molvae.cli.output import Session


@click.command()
@click.argument("campaign", type=click.Path(path_type=Path))
@click.argument("results", nargs=-1, required=True)
@click.option(
    "--column",
    "pairs",
    multiple=True,
    metavar="OBJECTIVE=COLUMN",
    help="Where the values of an objective stand, if its column has another name; repeatable.",
)
@click.option(
    "--correct", is_flag=True, help="Replace what is on record; the journal keeps what was told before."
)
@options.columns()
@options.common()
@options.pass_session
def command(
    session: Session,
    campaign: Path,
    results: tuple[str, ...],
    pairs: tuple[str, ...],
    correct: bool,
    smiles_column: str | None,
    id_column: str | None,
) -> None:
    """Tell CAMPAIGN what came out: RESULTS are files with a column per objective, or - for stdin.

    Rows are known by their SMILES (a salt or a charged form will do), or by an identifier: that of the batch,
    or your own. An empty cell is still awaited; '>10000' and '<5' are bounds; 'failed', 'n.d.' or other words
    say that the measurement gave nothing; 'cancelled' that the molecule is not going to be made, which is not
    charged. Rows of one molecule are averaged. Rows that were never asked for are used, and not charged.

    Late, partial and repeated results are fine. A row that cannot be used is reported with its line and left
    out, the others are taken.

    \b
    Examples:
      molvae tell assay batch1.csv
      molvae tell assay lims.csv --column potency=pIC50_mean
      molvae tell assay remeasured.csv --correct
    """
    from molvae.campaign.doubts import doubts

    with campaigns.opened(places.journal(campaign)) as opened:
        names = [objective.name for objective in opened.settings.objectives]
        receipts = []
        for result in results:
            found = measurements.read_results(
                result, opened, pairs, session, smiles_column=smiles_column, id_column=id_column
            )
            receipts.append(opened.tell(found, correct=correct))
            measurements.account(session, found, names, result)
        balances = [receipt.balance for receipt in receipts if receipt.balance is not None]
        n_rows, n_empty = sum(b.read for b in balances), sum(b.empty for b in balances)
        if n_rows > n_empty and not any(b.used for b in balances):
            raise InputError(f"none of the {n_rows} rows can be used")
        facts = {
            "rows": n_rows,
            "new": sum(receipt.accepted for receipt in receipts),
            "repeated": sum(receipt.repeated for receipt in receipts),
            "without_result": n_empty,
            "averaged": sum(b.averaged for b in balances),
            "unreadable": [line for b in balances for line in b.unreadable],
            "refused": [line for b in balances for line in b.refused],
            "notes": [line for b in balances for line in b.notes],
            "charged": sum(receipt.charged for receipt in receipts),
            "awaited": len(opened.pending),
            "best": campaigns.row_facts(opened.best(5), opened.settings.objectives),
        }
        for doubt in doubts(opened.table(), opened.settings.objectives):
            session.note(doubt)
        session.report(facts, _text(facts, opened))


def _text(facts: Mapping[str, Any], opened: Campaign) -> str:
    from molvae.cli.objectives import best_table, labels

    text = (
        f"{facts['rows']} rows: {facts['new']} molecules with news, {facts['repeated']} known already, "
        f"{facts['without_result']} rows without a result, {len(facts['unreadable'])} unreadable, "
        f"{len(facts['refused'])} refused; {facts['awaited']} molecules still awaited\n"
    )
    best, wanted = opened.best(5), opened.settings.objectives
    if not best:
        return text
    return (
        text
        + "\n"
        + table_text(("#", *labels(wanted), "source", "call", "smiles"), list(best_table(best, wanted)))
    )
