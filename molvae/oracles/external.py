"""External oracles: parallel requests to several workers, with retries and a score for each molecule."""

from __future__ import annotations

import contextlib
import threading
import weakref
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol

from molvae.oracles.base import Score, Status
from molvae.parallel.signals import deferred_signals
from molvae.persistence.files import Closing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from molvae.chemistry.molecule import Molecule
    from molvae.oracles.config import ExternalSettings

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.01, 30.0  # seconds
_LOOKED_EVERY = 0.25  # seconds between two looks for Ctrl-C


class Trouble(Exception):  # noqa: N818 - reads well below
    """A failed request.

    Args:
        detail: The error, as in the scores.
        status: Of the molecules, if retries fail too.
        again: Whether a retry may succeed.
        apart: Whether a single molecule may be the cause, so that each is sent alone.
        starting: Whether the worker did not start, regardless of the molecules: no free licence, a server
            that is starting.
    """

    def __init__(
        self,
        detail: str,
        *,
        status: Status = "failed",
        again: bool = True,
        apart: bool = True,
        starting: bool = False,
    ) -> None:
        super().__init__(detail)
        self.score = Score.timed_out(detail) if status == "timeout" else Score.failed(detail)
        self.again = again
        self.apart = apart
        self.starting = starting


class Worker(Protocol):
    """A connection to an external oracle: a running program, or a server."""

    def ask(self, smiles: Sequence[str], seconds: float) -> list[Score]:
        """One score for each molecule, within so many seconds.

        Raises:
            Trouble: The request failed. The worker can take the next one.
        """

    def close(self) -> None:
        """Release resources; the next request reacquires them."""

    def interrupt(self) -> None:
        """End the current request, so that `ask` returns in another thread."""


class ExternalOracle(Closing):
    """Scores molecules with programs or servers; every molecule gets a `Score`.

    A request of several molecules that fails as a whole (crash, time-out, malformed answer) is repeated
    molecule by molecule, so that only bad ones fail. `make` makes a worker.
    """

    def __init__(self, name: str, make: Callable[[], Worker], settings: ExternalSettings) -> None:
        self.name = name
        self._settings = settings
        self._workers = [make() for _ in range(settings.workers)]
        self._idle: SimpleQueue[Worker] = SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)
        self._closing = threading.Event()
        self._patient = True
        self._troubles: list[str] = []
        self._end = weakref.finalize(self, _close_all, self._workers)

    @property
    def workers(self) -> int:
        """Number of parallel requests."""
        return self._settings.workers

    @property
    def troubles(self) -> list[str]:
        """Errors of whole requests so far, including retried ones."""
        return list(self._troubles)

    def __call__(self, molecules: Sequence[Molecule]) -> list[Score]:
        """One score for each molecule, in order."""
        smiles = [molecule.smiles for molecule in molecules]
        size = max(1, min(self._settings.batch, -(-len(smiles) // self._settings.workers)))
        parts = [smiles[first : first + size] for first in range(0, len(smiles), size)]
        if self._settings.workers == 1 or len(parts) < 2:  # noqa: PLR2004 - one part needs no threads
            return [score for part in parts for score in self._part(part)]
        with deferred_signals() as deliver, ThreadPoolExecutor(self._settings.workers) as pool:
            requests = [pool.submit(self._part, part) for part in parts]
            try:
                while (state := wait(requests, _LOOKED_EVERY, FIRST_EXCEPTION)).not_done:
                    for request in state.done:
                        request.result()  # an error ends the others
                    deliver()
            except BaseException:  # also Ctrl-C: end the requests, as the threads wait for them
                self._closing.set()
                for worker in self._workers:
                    worker.interrupt()
                pool.shutdown(wait=True, cancel_futures=True)
                self._closing.clear()
                raise
        return [score for request in requests for score in request.result()]

    def close(self) -> None:
        """End programs and connections; the next call restarts them."""
        _close_all(self._workers)

    def _part(self, smiles: Sequence[str]) -> list[Score]:
        worker = self._idle.get()
        try:
            return self._answers(worker, smiles)
        finally:
            self._idle.put(worker)

    def _answers(self, worker: Worker, smiles: Sequence[str]) -> list[Score]:
        waited, attempt = 0.0, 0
        while True:
            try:
                answers = worker.ask(smiles, self._settings.timeout * len(smiles))
            except Trouble as trouble:
                failure = trouble
                self._troubles.append(trouble.score.detail)
            else:
                self._patient = True
                return answers
            if self._closing.is_set():
                break
            if failure.apart and len(smiles) > 1:
                return [score for one in smiles for score in self._answers(worker, [one])]
            if failure.starting and self._patient and waited < self._settings.patience:
                pause = min(max(waited, self._settings.pause), _LONGEST_PAUSE)
                self._closing.wait(pause)
                waited += max(pause, _SHORTEST_PAUSE)
                continue
            if failure.starting:
                self._patient = False  # later molecules do not wait until a worker starts
            if not failure.again or attempt == self._settings.retries:
                break
            self._closing.wait(min(self._settings.pause * 2**attempt, _LONGEST_PAUSE))
            attempt += 1
        return [failure.score] * len(smiles)


def _close_all(workers: Sequence[Worker]) -> None:
    for worker in workers:
        with contextlib.suppress(OSError):
            worker.close()
