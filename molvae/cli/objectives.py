"""Objectives on the command line: options, columns and tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from molvae.cli.options import bundled, stacked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.cli.options import Decorator
    from molvae.oracles.config import Objective


class Bound(click.ParamType):  # type: ignore[type-arg]  # generic only in the newest click
    """`NAME=value`, split at the last equals sign, as a SMILES may contain some.

    Args:
        name: How it is written, for help.
        example: For the error message.
        above: The value must be above this.
        default: The value where NAME stands alone; by default it may not.
    """

    def __init__(
        self,
        name: str = "NAME=value",
        example: str = "sa=3.5",
        *,
        above: float = -math.inf,
        default: float | None = None,
    ) -> None:
        self.name = name
        self.example, self.above, self.default = example, above, default

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        """Name and number."""
        if isinstance(value, tuple):
            return value
        name, equals, text = str(value).rpartition("=")
        if not equals and self.default is not None:
            name, text = text, str(self.default)
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not name or not self.above < number < math.inf:
            message = f"expected {self.name} with a number, for example {self.example}, got '{value}'"
            self.fail(message, param, ctx)
        return name, number


def sources_option() -> Decorator:
    """`--source`."""
    from molvae.campaign.config import CampaignSettings

    def gathered(_ctx: click.Context, _param: click.Parameter, value: Any) -> dict[str, float] | None:
        return dict(value) or None

    shares = CampaignSettings.model_fields["sources"].default.items()
    return click.option(
        "--source",
        "sources",
        multiple=True,
        type=Bound("NAME[=share]", "latent=0.5", above=0.0, default=1.0),
        callback=gathered,
        help="Source of candidates: latent, graph, library (your --start molecules), with its initial share; "
        "repeatable. '--source latent' searches latent space only, '--source library' your own molecules "
        f"only.  [default: {', '.join(f'{name}={share:g}' for name, share in shares)}]",
    )


def gate_options() -> Decorator:
    """`--near`, `--novel`, `--wild` and `--in-domain`: limits of what is proposed."""
    near = "Only molecules at least this similar to one in FILE (or to a SMILES)."
    novel = "Only molecules at most this similar to all in FILE."
    wild = (
        "Also molecules with unstable groups, or with bonds or ring systems found in fewer than 1 in 10,000 "
    )
    wild += "training molecules and in none of --start."
    domain = "Only molecules in the model's applicability domain (requires 'molvae calibrate')."
    return stacked(
        click.option("--near", type=Bound("FILE=similarity"), help=near),
        click.option("--novel", type=Bound("FILE=similarity"), help=novel),
        click.option("--wild", is_flag=True, default=None, help=wild),
        click.option("--in-domain", is_flag=True, default=None, help=domain),
    )


def objective_options() -> Decorator:
    """`--maximize`, `--minimize`, `--at-most`, `--at-least` and `--keep`; reach the command as `wanted`."""
    goal = "Score to {}; repeatable."
    keep = "Required core (SMARTS or SMILES), extended only at attachment points such as [*:1] if any; "
    keep += "repeatable."
    return bundled(
        "wanted",
        as_settings,
        click.option(
            "--maximize",
            multiple=True,
            metavar="NAME",
            help=f"{goal.format('maximize')} 'molvae oracles' lists the names.",
        ),
        click.option("--minimize", multiple=True, metavar="NAME", help=goal.format("minimize")),
        click.option("--at-most", multiple=True, type=Bound(), help="Upper bound of a score; repeatable."),
        click.option("--at-least", multiple=True, type=Bound(), help="Lower bound of a score; repeatable."),
        click.option("--keep", multiple=True, metavar="CORE", help=keep),
    )


def trust_option() -> Decorator:
    """`--trust`."""
    text = "Also run programs, servers and functions that only a file names (settings, mpo:FILE, ...)."
    return click.option("--trust", is_flag=True, help=text)


def as_settings(
    maximize: Sequence[str],
    minimize: Sequence[str],
    at_most: Sequence[tuple[str, float]],
    at_least: Sequence[tuple[str, float]],
    keep: Sequence[str],
) -> list[dict[str, Any]]:
    """The objectives as values for `CampaignSettings`, goals first; empty if none was given."""
    from molvae.oracles.config import objectives

    found = objectives(maximize=maximize, minimize=minimize)
    bounds = [objectives(at_most={name: bound}) for name, bound in at_most]
    bounds += [objectives(at_least={name: bound}) for name, bound in at_least]
    bounds += [objectives(keep=keep)]
    everything = (*found, *(objective for part in bounds for objective in part))
    return [objective.model_dump(mode="json", exclude_none=True) for objective in everything]


def named(
    wanted: Sequence[dict[str, Any]], objectives: Sequence[Objective], assignments: Sequence[str]
) -> set[str]:
    """Names of the objectives on the command line, as options or --set, and not only in a file."""
    if any(assignment.startswith("objectives") for assignment in assignments):
        return {objective.name for objective in objectives if objective.direction != "part"}
    return {objective["name"] for objective in wanted}
