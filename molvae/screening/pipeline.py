"""Screen a library: workers screen its parts, which are committed when done and skipped next time."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import molvae
from molvae.data.partition import Library, Part, PartReader, Shard
from molvae.errors import CheckpointError, UsageError
from molvae.latent.codec import MolVAE
from molvae.oracles.plugins import check_origin
from molvae.parallel.cluster import available_cores
from molvae.parallel.mapping import ordered_map
from molvae.persistence.files import directory_lock, sha256_of, write_atomically
from molvae.persistence.manifest import MANIFEST
from molvae.progress import SILENT, Progress
from molvae.screening.funnel import Funnel
from molvae.screening.job import FileState, Job, contents
from molvae.screening.novelty import make_known
from molvae.screening.parts import ScoreLog, StoredPart, read_part, scores_path, write_part
from molvae.screening.stages import Screener, rules_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from molvae.parallel.mapping import Engine
    from molvae.screening.config import ScreenSettings

TASK = "screen"
ENDS = "shards"


@dataclass
class Outcome:
    """The outcome of a run of a shard.

    Attributes:
        funnel: Account of all parts of the shard, including earlier runs.
        n_parts: Parts of the whole library.
        n_skipped: Parts of this shard that existed already.
        seconds: CPU time of this run, by stage.
    """

    funnel: Funnel = field(default_factory=Funnel)
    n_parts: int = 0
    n_skipped: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Work:
    """Everything a worker needs to screen a part; small, as it is sent to worker processes."""

    job: Job
    reader: PartReader
    directory: Path
    known: Path | None
    device: str
    library: FileState

    def __call__(
        self, unfinished: tuple[Part, StoredPart | None], stop: Callable[[], bool] | None = None
    ) -> tuple[Funnel, dict[str, float]]:
        """Screen a part, or the failed rows of a stored one; returns its account and the time by stage."""
        part, before = unfinished
        screener = _equipment(self)
        rows = self.reader.rows(part)
        failed = None if before is None else before.failed()
        log = ScoreLog(scores_path(self.directory, part.number))
        wanted = (row for row in rows if failed is None or row.line in failed)
        screened = screener.screen(wanted, log, stop=stop)
        self.library.check_unchanged()
        funnel = write_part(self.directory, part, self.job, screened, rows.n_lines, before)
        log.remove()
        return funnel, screened.seconds


def screen(
    settings: ScreenSettings,
    output: Path,
    *,
    shard: Shard = Shard(),  # noqa: B008 - it is frozen
    workers: int = -1,
    device: str = "auto",
    engine: Engine = "local",
    retry_failed: bool = False,
    named: Collection[str] | None = None,
    trust: bool = False,
    progress: Progress = SILENT,
    stop: Callable[[], bool] | None = None,
) -> Outcome:
    """Screen one shard of a library into a directory that shards may share.

    The unit of work is a part: a piece of the input, independent of shards and workers. One process screens
    it and commits it atomically; existing parts are skipped, so that resume, retry and requeue are the same
    call. Within a part, what an oracle has scored is not scored again. The parts depend on settings, library
    and model alone. Memory use is constant.

    Args:
        settings: Of the screen.
        output: Its directory.
        shard: Share of the parts.
        workers: Processes; 0 for none but this, -1 for one per core.
        device: Of the model, in every worker.
        engine: Local processes, or the actors of a Ray cluster whose nodes can all read the library and the
            model, and write the directory.
        retry_failed: Screen again, in existing parts, the rows that an oracle failed on.
        named: Objectives that the user has named, rather than a file; by default all.
        trust: Whether programs, servers and code that only a file names may be run.
        progress: Progress listener.
        stop: Whether to stop; called regularly. Parts in flight are dropped.

    Raises:
        InputError: The library cannot be read.
        OracleError: An oracle failed `failure_limit` times in a row.
        StorageError: The library has changed during the screen.
        UsageError: An unknown name in the settings, or the directory has other contents.
        CheckpointError: The model is damaged.
        LockedError: Another process works on this shard in this directory.
        StoppedEarly: `stop` returned True; the same call resumes.
    """
    if not trust:
        for objective in settings.objectives:
            check_origin(objective.name, named=named is None or objective.name in named)
    if workers < 0:
        workers = available_cores() if engine == "local" and available_cores() > 1 else 0
    if output.is_file():
        raise UsageError(f"{output} is a file, expected a directory")
    library = Library(
        settings.library,
        smiles_column=settings.smiles_column,
        id_column=settings.id_column,
        part_bytes=settings.part_bytes,
        part_rows=settings.part_rows,
    )
    progress.note(f"{settings.library}: {library.note}")
    if engine == "ray" and library.reader.kind == "stream":
        raise UsageError(
            f"{settings.library} can only be read from its beginning, but each Ray worker reads its own part",
            hint="Unpack it into a .smi, .csv or .parquet file, or use --engine local.",
        )
    state = FileState.of(settings.library)
    model = MolVAE.load(settings.checkpoint, device=device)
    checks = Screener(settings, model, None).domain  # unknown names fail before any work
    for name, check in zip(settings.domain_checks, checks, strict=True):
        progress.note(f"domain {name}: {check.meaning}")
    facts = (library.columns, model.property_names, tuple(contents(settings, output).items()))
    job = Job(settings, *facts, molvae.__version__, model.latent_size, model.domain is not None)
    ends = output / ENDS / f"{shard.index}-of-{shard.count}"
    with directory_lock(ends):
        job.save(output)
        rules = rules_of(settings, model)
        known = make_known(settings.reference, output, rules, workers=workers, progress=progress, stop=stop)
        del model
        work = _Work(job, library.reader, output, known, device, state)
        outcome = _run(
            work,
            library,
            shard,
            retry_failed=retry_failed,
            workers=workers,
            engine=engine,
            progress=progress,
            stop=stop,
        )
        spent = {stage: round(seconds, 3) for stage, seconds in outcome.seconds.items()}
        end = {"n_parts": outcome.n_parts, "job": job.digest, "seconds": spent}
        write_atomically(ends / "end.json", json.dumps(end) + "\n")
    return outcome


def _run(
    work: _Work,
    library: Library,
    shard: Shard,
    *,
    retry_failed: bool,
    workers: int,
    engine: Engine,
    progress: Progress,
    stop: Callable[[], bool] | None,
) -> Outcome:
    done = Outcome()
    here = partial(work, stop=stop) if engine == "local" and workers <= 0 else work
    n_rows = 0
    progress.start(TASK)
    parts = _unfinished(work, library.parts(shard), done, progress, retry_failed=retry_failed)
    results = ordered_map(
        here, parts, workers=workers, chunk=1, stop=stop, engine=engine, gpu=work.device != "cpu"
    )
    for funnel, seconds in results:
        done.funnel += funnel
        for stage, spent in seconds.items():
            done.seconds[stage] = done.seconds.get(stage, 0.0) + spent
        n_rows += funnel.read
        progress.advance(TASK, funnel.read, hits=done.funnel.hits)
    work.library.check_unchanged()  # no later part may notice a truncated file
    progress.finish(TASK, rows=n_rows, hits=done.funnel.hits)
    done.n_parts = library.n_parts or 0
    return done


def _unfinished(
    work: _Work, parts: Iterator[Part], done: Outcome, progress: Progress, *, retry_failed: bool
) -> Iterator[tuple[Part, StoredPart | None]]:
    """Parts that are missing or damaged, and stored ones whose failed rows are retried; counts the others."""
    for part in parts:
        try:
            stored = read_part(work.directory, part.number, work.job.digest, part.fingerprint())
        except CheckpointError as error:
            progress.note(f"{error.message}: screening it again")
            stored = None
        if stored is None or (retry_failed and stored.failed()):
            yield part, stored
        else:
            done.funnel += stored.funnel
            done.n_skipped += 1


@lru_cache(maxsize=1)
def _equipment(work: _Work) -> Screener:
    """The stages, created once in each process."""
    settings = work.job.settings
    model = MolVAE.load(settings.checkpoint, device=work.device)
    if sha256_of(settings.checkpoint / MANIFEST) != dict(work.job.inputs)["checkpoint"]:
        raise CheckpointError(
            f"{settings.checkpoint} has changed during the screen",
            hint="Screen with the model as it is now into another directory.",
        )
    return Screener(settings, model, work.known)
