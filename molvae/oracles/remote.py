"""Any oracle on the nodes of a Ray cluster: `ray[workers=40,timeout=600]:ORACLE`."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from molvae.oracles.base import scores_of
from molvae.oracles.command import external_settings
from molvae.oracles.external import ExternalOracle, Trouble
from molvae.parallel.cluster import Actor, ActorLateError, ActorLostError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from molvae.oracles.base import Oracle, OracleText, Score
    from molvae.oracles.config import ExternalSettings


class RayWorker:
    """An actor with the oracle; killed after a time-out, and restarted on any free node."""

    def __init__(self, load: Callable[[str], Oracle], text: str, settings: ExternalSettings) -> None:
        make = partial(_scorer, load, text, tuple(sys.path), os.getcwd())  # noqa: PTH109 - it is sent as text
        self._actor = Actor(make, start=settings.start, of=settings.workers)

    def ask(self, smiles: Sequence[str], seconds: float) -> list[Score]:
        """One score for each molecule.

        Raises:
            Trouble: The request failed; the actor has been killed.
        """
        try:
            scores: list[Score] = self._actor.call(list(smiles), seconds)
        except ActorLateError as late:
            raise Trouble(str(late), status="timeout", again=False) from None
        except ActorLostError as lost:
            raise Trouble(f"the actor was lost: {lost}", apart=lost.started) from None
        return scores

    def close(self) -> None:
        """Kill the actor."""
        self._actor.end()

    def interrupt(self) -> None:
        """Kill the actor while another thread waits for it."""
        self._actor.end()


def ray_oracle(text: OracleText, load: Callable[[str], Oracle]) -> ExternalOracle:
    """`ray[workers=40,timeout=600]:ORACLE`: any oracle, in actors of a Ray cluster.

    The nodes need the same files as this machine, and the programs of the oracle. It is also made once here,
    to raise errors in the text early.

    Raises:
        ConfigError: An unknown option.
        UsageError: There is no oracle, or it cannot be made.
    """
    text.require_argument("ray needs an oracle", example="ray[workers=8]:docking.py:score")
    settings = external_settings(text)
    close = getattr(load(text.argument), "close", None)
    if close is not None:
        close()
    return ExternalOracle(str(text), partial(RayWorker, load, text.argument, settings), settings)


def _scorer(
    load: Callable[[str], Oracle], text: str, path: Sequence[str], folder: str
) -> Callable[[Sequence[str]], list[Score]]:
    """Make the oracle in an actor, with the path and current directory of the caller."""
    sys.path.extend(entry for entry in path if entry not in sys.path)
    if os.path.isdir(folder):  # noqa: PTH112 - the node may not have this folder
        os.chdir(folder)
    return partial(scores_of, load(text))
