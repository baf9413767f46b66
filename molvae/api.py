"""The Python API: load, prepare, train, screen and optimize, with the options of the commands as keywords."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

from molvae.config import Settings, field_help, settings_from
from molvae.errors import UsageError
from molvae.persistence.locations import JOURNAL, SETTINGS, model_directory, remember_checkpoint
from molvae.progress import SILENT

if TYPE_CHECKING:
    from molvae.campaign.observations import StartMolecule
    from molvae.campaign.runner import Result
    from molvae.data.corpus import Balance
    from molvae.latent.codec import MolVAE
    from molvae.oracles.base import Oracle
    from molvae.progress import Progress
    from molvae.screening.merging import Merged
    from molvae.training.trainer import TrainResult

S = TypeVar("S", bound=Settings)
Names = str | Sequence[str]
Goals = Names | Mapping[str, Callable[..., Any]]
"""Names of oracles, or functions of a SMILES (or of a list of them) by name."""

_WORDS = {"freeze": "frozen", "tracker": "trackers"}
"""Names of command-line options that differ from the setting."""


def load(model: str | Path, *, device: str = "auto") -> MolVAE:
    """Load a model: a shipped one by name (`"zinc250k"`), a checkpoint directory, or the directory of a run.

    Raises:
        CheckpointError: It does not exist, or is damaged.
    """
    from molvae.latent.codec import MolVAE

    return MolVAE.load(model, device=device)


def prepare(
    *files: str | Path, output: str | Path, workers: int = -1, progress: Progress = SILENT, **words: Any
) -> Balance:
    """Make a corpus from files of molecules: `molvae prepare`.

    Args:
        files: Tables of SMILES, SD files, Parquet.
        output: Directory of the corpus.
        workers: Processes; 0 for only this one, -1 for one per core.
        progress: Progress listener.
        words: Any setting of `PrepareSettings`: `labels=["pIC50"]`, `vocabulary="zinc250k"`.

    Raises:
        ConfigError: An unknown setting, or a wrong value.
        InputError: No usable row.
    """
    from molvae.data.config import PrepareSettings
    from molvae.data.preparation import prepare as made

    given = {"input": [str(_path(file, "a file")) for file in files], "output": _path(output, "output")}
    settings = _settings(PrepareSettings, {**given, **words}, "prepare")
    return made(settings, workers=workers, progress=progress)


def train(
    corpus: str | Path, *, output: str | Path, progress: Progress = SILENT, **words: Any
) -> TrainResult:
    """Train a model on a corpus, or resume a run: `molvae train`.

    Args:
        corpus: Directory of a corpus.
        output: Directory of the run.
        progress: Progress listener.
        words: Any setting of `TrainSettings`: `epochs=2`, `latent_size=32`, `initial="zinc250k"`.

    Raises:
        ConfigError: An unknown setting, or a wrong value; or training diverges.
        InputError: The corpus has no training molecules.
    """
    from molvae.training.config import TrainSettings
    from molvae.training.trainer import train as trained

    place = _path(corpus, "corpus")
    facts = {"corpus": place.name, "command": "molvae.train"}
    settings = _settings(TrainSettings, words, "train")
    return trained(place, _path(output, "output"), settings, progress=progress, facts=facts)


def screen(
    library: str | Path,
    *,
    model: str | Path,
    output: str | Path,
    maximize: Names = (),
    minimize: Names = (),
    at_most: Mapping[str, float] | None = None,
    at_least: Mapping[str, float] | None = None,
    workers: int = -1,
    device: str = "auto",
    retry_failed: bool = False,
    progress: Progress = SILENT,
    **words: Any,
) -> Merged:
    """Screen a library with a model and merge the result: `molvae screen`.

    Args:
        library: A file of molecules.
        model: A checkpoint, a run, or a shipped model by name.
        output: Directory of the screen; the tables are in its `result`.
        maximize: Names of scores to maximize.
        minimize: Names of scores to minimize.
        at_most: Upper bounds of scores.
        at_least: Lower bounds of scores.
        workers: Processes; 0 for none but this, -1 for one per core.
        device: Of the model.
        retry_failed: Score again the molecules that an oracle failed on before.
        progress: Progress listener.
        words: Any setting of `ScreenSettings`: `top=100`, `descriptors=["mw"]`, `filters=["pains"]`.

    Raises:
        ConfigError: An unknown setting, or a wrong value.
        OracleError: An oracle failed `failure_limit` times in a row.
    """
    from molvae.screening.config import ScreenSettings
    from molvae.screening.merging import merge
    from molvae.screening.pipeline import screen as screened

    wanted = _objectives(maximize=maximize, minimize=minimize, at_most=at_most, at_least=at_least)
    given = {"library": str(library), "checkpoint": model_directory(model), "objectives": wanted}
    settings = _settings(ScreenSettings, {**given, **words}, "screen")
    place = _path(output, "output")
    screened(settings, place, workers=workers, device=device, retry_failed=retry_failed, progress=progress)
    return merge([place])


def optimize(
    model: MolVAE | str | Path,
    *,
    maximize: Goals = (),
    minimize: Goals = (),
    at_most: Mapping[str, float] | None = None,
    at_least: Mapping[str, float] | None = None,
    keep: Names = (),
    output: str | Path,
    start: Iterable[StartMolecule | str] = (),
    oracles: Mapping[str, Oracle | Callable[..., Any]] | None = None,
    retry_failed: bool = False,
    trust: bool = False,
    progress: Progress = SILENT,
    **words: Any,
) -> Result:
    """Search for molecules: `molvae optimize`; the same call with the same `output` resumes.

    Args:
        model: A model, or what `load` takes.
        maximize: Scores to maximize: names of oracles, or functions by name.
        minimize: Scores to minimize, likewise.
        at_most: Upper bounds of scores.
        at_least: Lower bounds of scores.
        keep: Cores that every candidate contains: SMARTS, or SMILES extended only at their attachment points
            `[*:1]`.
        output: Directory of the campaign, with its journal `journal.sqlite` and the path of its model (or a
            copy, if it is not on disk), so that `molvae ask` can continue it.
        start: Molecules to begin with, with or without known scores, or a table of them.
        oracles: Functions or oracles for names in bounds or in an `mpo:` file.
        retry_failed: First score again the molecules that an oracle failed on.
        trust: Whether programs, servers and code named by an `mpo:` file may be run.
        progress: Progress listener.
        words: Any setting of `CampaignSettings`: `budget=200`, `q=8`, `seed=7`, `effort=4`.

    Raises:
        ConfigError: An unknown setting, or a wrong value.
        UnknownNameError: An unknown oracle.
        OracleError: An oracle failed `failure_limit` times in a row.
    """
    from molvae.campaign.campaign import Campaign
    from molvae.campaign.config import CampaignSettings
    from molvae.campaign.objectives import KnownScores, unfolded, wanted
    from molvae.campaign.runner import needed_oracles, run
    from molvae.config import save_settings
    from molvae.latent.codec import MolVAE

    (highest, high), (lowest, low) = _names_and_functions(maximize), _names_and_functions(minimize)
    functions = {**(oracles or {}), **high, **low}
    given = {name: _as_oracle(name, function) for name, function in functions.items()}
    asked = _objectives(maximize=highest, minimize=lowest, at_most=at_most, at_least=at_least, keep=keep)
    settings = unfolded(_settings(CampaignSettings, {"objectives": asked, **words}, "optimize"))
    named = {objective.name for objective in wanted(settings.objectives)}
    loaded = needed_oracles(  # raises for unknown names before a model is loaded
        KnownScores(settings.objectives), given, named=named, trust=trust
    )
    directory = _path(output, "output")
    if directory.is_file() or directory.suffix == ".sqlite":
        raise UsageError(
            f"output is a directory, got {directory}",
            hint=f"The journal of a campaign in {directory.with_suffix('')} is {JOURNAL} there.",
        )
    used = load(model) if isinstance(model, str | Path) else model
    if not isinstance(used, MolVAE):
        raise UsageError(
            f"model is a MolVAE, a directory or a name, got {type(model).__name__}",
            hint='For example molvae.load("zinc250k").',
        )
    with Campaign.create(directory / JOURNAL, used, settings, start=start) as campaign:
        save_settings(campaign.settings, directory / SETTINGS)
        checkpoint = used.path or directory / "checkpoint"
        if used.path is None and not checkpoint.exists():
            used.save(checkpoint)
        remember_checkpoint(directory, checkpoint)
        return run(campaign, loaded, retry_failed=retry_failed, progress=progress)


def _objectives(
    *, at_most: Mapping[str, float] | None, at_least: Mapping[str, float] | None, **goals: Names
) -> list[dict[str, Any]]:
    """Objectives as values of settings; `goals` are names to maximize, to minimize and to keep."""
    from molvae.oracles.config import objectives

    words: dict[str, Any] = {}
    for word, given in goals.items():
        words[word] = names = (given,) if isinstance(given, str) else given
        if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
            raise UsageError(
                f"{word} is a name, a list of names, or functions by name; got {names!r}",
                hint=f'For example {word}=["qed"], or {word}={{"potency": function}}.',
            )
    for word, bounds in (("at_most", at_most), ("at_least", at_least)):
        if bounds is not None and not isinstance(bounds, Mapping):
            raise UsageError(
                f"{word} gives a bound for each name, got {bounds!r}",
                hint=f'For example {word}={{"sa": 3.5}}.',
            )
        words[word] = (bounds or {}).items()
    return objectives(**words)


def _names_and_functions(goals: Goals) -> tuple[Names, Mapping[str, Callable[..., Any]]]:
    return (list(goals), goals) if isinstance(goals, Mapping) else (goals, {})


def _as_oracle(name: str, function: Any) -> Oracle:
    """The oracle of a function; an oracle is returned unchanged."""
    from molvae.oracles.base import Oracle, OracleText
    from molvae.oracles.functions import FunctionOracle
    from molvae.oracles.plugins import known_oracles

    if OracleText.read(name).name in known_oracles():
        raise UsageError(f"'{name}' is a built-in oracle", hint="Choose another name for your function.")
    if isinstance(function, Oracle) and isinstance(function.name, str):
        return function
    if not callable(function):
        raise UsageError(f"'{name}' must be a function of a SMILES, got {type(function).__name__}")
    return FunctionOracle(function, name)


def _settings(cls: type[S], words: Mapping[str, Any], call: str) -> S:
    """Settings from keywords, which may be a single text for a list, or names of nested settings."""
    known = [name for name, _, _ in field_help(cls)]
    values: dict[str, Any] = {}
    nested: dict[str, Any] = {}
    for word, value in words.items():
        name = _WORDS.get(word, word)
        leaves = [key for key in known if key.rpartition(".")[2] == name]
        if name not in cls.model_fields and len(leaves) == 1:
            nested[leaves[0]] = value
        else:
            values[name] = (value,) if isinstance(value, str) and _takes_several(cls, name) else value
    for key, value in nested.items():
        section, _, leaf = key.partition(".")
        values[section] = {**dict(values.get(section, {})), leaf: value}
    return settings_from(cls, values, f"the keywords of {call}")


def _takes_several(cls: type[Settings], name: str) -> bool:
    annotation = cls.model_fields[name].annotation if name in cls.model_fields else None
    return get_origin(annotation) is tuple and get_args(annotation)[-1] is Ellipsis


def _path(value: str | Path, what: str) -> Path:
    if not isinstance(value, str | Path):
        raise UsageError(f"{what} is a path, got {type(value).__name__}")
    return Path(value)
