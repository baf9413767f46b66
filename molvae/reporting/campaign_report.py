"""The report of a campaign, from its journal: progress, the best molecules, calls, failures."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from molvae.campaign.campaign import Campaign
from molvae.campaign.storage import Journal
from molvae.campaign.table import values_of
from molvae.chemistry.fingerprints import tanimoto
from molvae.chemistry.molecule import is_valid, parse
from molvae.oracles.docking import kept_poses
from molvae.persistence.locations import remembered
from molvae.reporting.campaign_account import calls_section, failures_section
from molvae.reporting.campaign_progress import curves, front_section, progress_cards, progress_section
from molvae.reporting.campaign_standing import Standing
from molvae.reporting.drawings import Gallery, molecule_table, row_numbers
from molvae.reporting.page import Attachment, Facts, Report, Section, Tile, Tiles
from molvae.reporting.scales import moment, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from molvae.campaign.table import Row
    from molvae.chemistry.molecule import Molecule
    from molvae.chemistry.precedent import Precedent
    from molvae.reporting.page import Block

_BEST = 12
_LONGEST_DESCENT = 8


def campaign_report(journal: Path, *, baseline: Path | None, n_molecules: int, n_rows: int) -> Report:
    """The report of a campaign, also while it is running; arguments as in `make_report`.

    Raises:
        JournalError: It is damaged or holds no campaign.
        UsageError: The baseline has other objectives.
    """
    with Journal(journal, writable=False) as opened:
        times = [event.written_at for event in opened.events()]
        campaign = Campaign(opened, None)
        history, rows = campaign.history, campaign.table()
    standing, precedent = Standing(history.settings, rows), _precedent(journal.parent)
    own, base = curves(standing, baseline)
    gallery = Gallery() if precedent is None else Gallery(marked=partial(_unusual, precedent))
    ranked = _ranked(rows)
    similar = _similarities(ranked[:n_rows])
    table = molecule_table(
        standing.columns(ranked[:n_rows], similar),
        gallery,
        name="campaign",
        n_molecules=n_molecules,
        n_total=len(rows),
    )
    numbers = row_numbers(table)
    sections = [
        progress_section(standing, own, base, numbers),
        front_section(standing, numbers),
        _best_section(standing, ranked, similar, gallery, precedent),
        calls_section(standing, history),
        failures_section(standing, history),
        Section("settings", "Settings", [Facts(history.settings, "All settings of this campaign")]),
    ]
    return Report(
        kind="campaign",
        title=" · ".join(standing.titles),
        subtitle=_subtitle(standing, len(history.start)),
        when=f"{moment(times[0])} to {moment(times[-1])} · {journal.parent.name}/{journal.name}",
        cards=progress_cards(standing, own, base, history.seconds),
        sections=sections,
        table=table,
        gallery=gallery,
    )


def _subtitle(standing: Standing, n_start: int) -> str:
    settings = standing.settings
    start = f"from {n_start:,} start molecules" if n_start else "from draws of the model"
    plan = f"{settings.budget:,} calls, {settings.q} a batch, seed {settings.seed}"
    return f"{settings.method} {start}, proposals {settings.proposals}, {plan}"


def _ranked(rows: Sequence[Row]) -> list[Row]:
    """Feasible molecules, best first; then infeasible, then failed ones, in call order."""

    def place(row: Row) -> tuple[Any, ...]:
        if row.feasible:
            return 0, -row.utility, row.call or 0
        return 1 if any(s is not None and s.is_ok for s in row.scores) else 2, 0.0, row.call or 0

    return sorted(rows, key=place)


def _similarities(rows: Sequence[Row]) -> dict[str, float]:
    """Tanimoto similarity (Morgan counts) of each molecule to its parent, where it has one."""
    found = {}
    for row in rows:
        if row.parent is None:
            continue
        one, other = parse(row.smiles), parse(row.parent)
        if is_valid(one) and is_valid(other):
            found[row.smiles] = float(tanimoto(one, [other])[0])
    return found


def _best_section(
    standing: Standing,
    ranked: Sequence[Row],
    similar: Mapping[str, float],
    gallery: Gallery,
    precedent: Precedent | None,
) -> Section:
    best = [row for row in ranked if row.feasible][:_BEST]
    if not best:
        return Section("best", "Best molecules", [])
    caption = (
        "Below each molecule: its parent, the move, and their similarity (Tanimoto "
        "similarity of Morgan counts)."
    )
    tiles = [_tile(standing, row, similar.get(row.smiles), gallery, origin=True) for row in best]
    if precedent is not None:
        tiles = [replace(tile, lines=(*tile.lines, *_rarest(precedent, tile.smiles))) for tile in tiles]
        caption += (
            " The last line names the bond or ring system found in the fewest training molecules of the "
            "model; in the picture it is highlighted if these are fewer than one in 10,000."
        )
    blocks: list[Block] = [Tiles(tiles, caption=caption)]
    dockings = [objective.name for objective in standing.settings.objectives]
    poses = kept_poses(dockings, [m for row in best if is_valid(m := parse(row.smiles))])
    if poses:
        blocks.append(Attachment("poses.sdf", poses, "Save their docking poses (SDF), best first"))
    descent = _descent(best[0], {row.smiles: row for row in ranked})
    if len(descent) > 1:
        line = [_tile(standing, row, similar.get(row.smiles), gallery) for row in descent]
        blocks.append(
            Tiles(
                line,
                title="Ancestry of the best molecule",
                caption="From the first recorded ancestor.",
                form="chain",
            )
        )
    return Section("best", "Best molecules", blocks)


def _precedent(directory: Path) -> Precedent | None:
    """Precedents of the campaign's model; None if the model is not available."""
    from molvae.latent.checkpoint import PRECEDENT, read_precedent

    checkpoint = remembered(directory)
    return read_precedent(checkpoint) if checkpoint and (checkpoint / PRECEDENT).is_file() else None


def _unusual(precedent: Precedent, molecule: Molecule) -> tuple[int, ...]:
    """Atoms of the rarest bond or ring system of a molecule, if uncommon."""
    weak = precedent.weakest(molecule)
    return () if weak is None or weak.count >= precedent.n_common else weak.atoms


def _rarest(precedent: Precedent, smiles: str) -> list[str]:
    molecule = parse(smiles)
    weak = precedent.weakest(molecule) if is_valid(molecule) else None
    return [] if weak is None else [precedent.sentence(weak)]


def _descent(row: Row, by_smiles: Mapping[str, Row]) -> list[Row]:
    """A molecule and its ancestors, oldest first."""
    line, seen = [row], {row.smiles}
    while row.parent is not None and row.parent in by_smiles and row.parent not in seen:
        row = by_smiles[row.parent]
        seen.add(row.smiles)
        line.append(row)
    return line[:_LONGEST_DESCENT][::-1]


def _tile(
    standing: Standing, row: Row, similarity: float | None, gallery: Gallery, *, origin: bool = False
) -> Tile:
    values = values_of(row)
    first = ", ".join(f"{label} {shown(value)}" for label, value in zip(standing.labels, values))
    born = "known before" if row.call is None else f"call {row.call + 1:,}, {row.source}"
    if not origin or row.parent is None:
        return Tile(gallery.draw(row.smiles), row.smiles, (first, born))
    note = f"{row.source} from this" + ("" if similarity is None else f", similarity {shown(similarity)}")
    return Tile(
        gallery.draw(row.smiles),
        row.smiles,
        (first, "known before" if row.call is None else f"call {row.call + 1:,}"),
        gallery.draw(row.parent),
        note,
        row.parent,
    )
