"""What is wanted of a molecule, on the command line: options, columns and tables of objectives."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from molvae.cli.options import stacked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from molvae.campaign.table import Row
    from molvae.cli.options import Decorator
    from molvae.oracles.base import Score
    from molvae.oracles.objectives import Objective


_LONG = 24  # characters of a name that stand well at the head of a column


class Bound(click.ParamType):  # type: ignore[type-arg]  # generic only in the newest click
    """`NAME=value`, split at the last equals sign, as a SMILES may hold some."""

    def __init__(self, name: str = "NAME=value") -> None:
        self.name = name

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        """Name and number."""
        if isinstance(value, tuple):
            return value
        name, equals, number = str(value).rpartition("=")
        try:
            bound = float(number)
        except ValueError:
            bound = math.nan
        if not equals or not name or not math.isfinite(bound):
            self.fail(f"expected NAME=value with a number, for example sa=3.5, got '{value}'", param, ctx)
        return name, bound


class Share(click.ParamType):  # type: ignore[type-arg]  # generic only in the newest click
    """`NAME`, or `NAME=share`."""

    name = "NAME[=share]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        """Name and share; 1 where none is given."""
        if isinstance(value, tuple):
            return value
        name, equals, number = str(value).partition("=")
        try:
            share = float(number) if equals else 1.0
        except ValueError:
            share = -1.0
        if not name or not 0 < share < float("inf"):
            self.fail(f"expected NAME or NAME=share, for example latent=0.5, got '{value}'", param, ctx)
        return name, share


def sources_option() -> Decorator:
    """`--source`."""
    from molvae.campaign.config import CampaignSettings

    shares = [f"{name}={share:g}" for name, share in CampaignSettings.model_fields["sources"].default.items()]
    return click.option(
        "--source",
        "sources",
        multiple=True,
        type=Share(),
        help="Where candidates come from: latent, graph, library (your --start molecules), each with its "
        "share at the start; repeatable. '--source latent' searches latent space alone; '--source library' "
        "chooses from your own molecules and invents none. Default: " + ", ".join(shares) + ".",
    )


def gate_options() -> Decorator:
    """`--near`, `--novel`, `--wild` and `--in-domain`."""
    return stacked(
        click.option(
            "--near",
            type=Bound("FILE=similarity"),
            help="Propose only molecules at least so similar to one of FILE (or to a SMILES).",
        ),
        click.option(
            "--novel",
            type=Bound("FILE=similarity"),
            help="Propose only molecules at most so similar to all of FILE.",
        ),
        click.option(
            "--wild",
            is_flag=True,
            default=None,
            help="Also propose molecules with unstable groups, or with bonds or ring systems that fewer than "
            "1 in 10,000 training molecules of the model and none of your --start molecules have.",
        ),
        click.option(
            "--in-domain",
            is_flag=True,
            default=None,
            help="Propose only what lies in the model's applicability domain ('molvae calibrate' makes it "
            "known).",
        ),
    )


def objective_options() -> Decorator:
    """`--maximize`, `--minimize`, `--at-most`, `--at-least` and `--keep`."""
    return stacked(
        click.option(
            "--maximize",
            multiple=True,
            metavar="NAME",
            help="A score that shall be high; repeatable. 'molvae oracles' lists the names.",
        ),
        click.option(
            "--minimize", multiple=True, metavar="NAME", help="A score that shall be low; repeatable."
        ),
        click.option(
            "--at-most", multiple=True, type=Bound(), help="A score that may not be higher; repeatable."
        ),
        click.option(
            "--at-least", multiple=True, type=Bound(), help="A score that may not be lower; repeatable."
        ),
        click.option(
            "--keep",
            multiple=True,
            metavar="CORE",
            help="A core that every molecule contains, as SMARTS or SMILES; where attachment points such as "
            "[*:1] are given, it grows there alone; repeatable.",
        ),
    )


def trust_option() -> Decorator:
    """`--trust`."""
    return click.option(
        "--trust",
        is_flag=True,
        help="Run programs, servers and functions that a file names (settings, a campaign of somebody else, "
        "mpo:FILE), not only those of this command line.",
    )


def as_settings(
    maximize: Sequence[str],
    minimize: Sequence[str],
    at_most: Sequence[tuple[str, float]],
    at_least: Sequence[tuple[str, float]],
    keep: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """The objectives as values for `CampaignSettings`, goals first; empty if none was given."""
    from molvae.oracles.objectives import objectives

    found = objectives(maximize=maximize, minimize=minimize)
    bounds = [objectives(at_most={name: bound}) for name, bound in at_most]
    bounds += [objectives(at_least={name: bound}) for name, bound in at_least]
    bounds += [objectives(keep=keep)]
    everything = (*found, *(objective for part in bounds for objective in part))
    return [objective.model_dump(mode="json", exclude_none=True) for objective in everything]


def named(
    wanted: Sequence[dict[str, Any]], objectives: Sequence[Objective], assignments: Sequence[str]
) -> set[str]:
    """The objectives that stand on the command line, as options or --set, and not only in a file."""
    if any(assignment.startswith("objectives") for assignment in assignments):
        return {objective.name for objective in objectives if objective.direction != "part"}
    return {objective["name"] for objective in wanted}


def distinct_columns(objectives: Sequence[Objective]) -> list[tuple[str, int]]:
    """Each different objective name with its first position: one column of a table each."""
    first: dict[str, int] = {}
    for index, objective in enumerate(objectives):
        first.setdefault(objective.name, index)
    return list(first.items())


def labels(objectives: Sequence[Objective]) -> list[str]:
    """Short names for `distinct_columns`, for tables and pictures: `similarity` for `similarity:SMILES`.

    >>> from molvae.oracles.objectives import Objective
    >>> labels([Objective(name="qed"), Objective(name="similarity:CC(=O)Nc1ccc(O)cc1")])
    ['qed', 'similarity']
    """
    names = [name for name, _ in distinct_columns(objectives)]
    heads = [name.partition(":")[0] if len(name) > _LONG else name for name in names]
    return [
        head if heads.count(head) == 1 else name[: _LONG - 1] + "…" * (len(name) >= _LONG)
        for name, head in zip(names, heads, strict=True)
    ]


def value_of(score: Score | None) -> float | None:
    """The number of a score, if it has one."""
    return score.value if score is not None and score.is_ok else None


def trouble_of(scores: Sequence[Score | None]) -> str:
    """What went wrong with the scores of a molecule, in words; empty if nothing did."""
    told = [
        f"{s.status}: {s.detail}" if s.detail else s.status for s in scores if s is not None and not s.is_ok
    ]
    return "; ".join(dict.fromkeys(told))


def best_table(rows: Sequence[Row], objectives: Sequence[Objective]) -> Iterator[list[Any]]:
    """Rows for `table_text`: rank, scores, source, call, SMILES."""
    for rank, row in enumerate(rows, start=1):
        scores = [value_of(row.scores[index]) for _, index in distinct_columns(objectives)]
        source = f"{row.source} ({row.name})" if row.name else row.source
        yield [rank, *scores, source, "-" if row.call is None else row.call + 1, row.smiles]
