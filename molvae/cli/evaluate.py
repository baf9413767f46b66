"""`molvae evaluate`: metrics of a model, or of the output of any generator."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from molvae.cli import inputs, options
from molvae.errors import InputError, UsageError
from molvae.persistence import locations
from molvae.persistence.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from molvae.cli.output import Session
    from molvae.data.corpus import Corpus
    from molvae.evaluation.molecules import MoleculeSet
    from molvae.evaluation.profile import Part
    from molvae.latent.assessment import Assessment


_MOST_REASONS = 10
_MOST_TRAINING = 2_000  # training molecules whose posteriors are sampled
_DRAWN: tuple[Part, ...] = ("descriptors",)
_TITLES = ("logP", "SA", "QED", "weight (g/mol)")


@click.command()
@click.argument("source", type=click.Path(path_type=Path, allow_dash=True))
@options.several(
    "--reference", "reference_files", text="Molecules to compare with, named by the file", metavar="FILE"
)
@click.option("--train", "train_file", metavar="FILE", help="Training set of the generator, for novelty.")
@options.path(
    "--corpus",
    "corpus_path",
    text="Corpus of 'molvae prepare' as reference and training set; compared molecules are standardized "
    "like it.",
    metavar="DIR",
)
@click.option(
    "--split",
    default="test",
    show_default=True,
    metavar="A,B",
    help="Held-out parts of the corpus: test, valid, or both.",
)
@options.integer("-n", "n_samples", text="Samples drawn from a model.", default=10_000, least=0)
@options.integer("--molecules", "n_molecules", text="Held-out molecules to reconstruct.", default=5_000)
@click.option("--fcd/--no-fcd", default=True, show_default=True, help="Fréchet ChemNet Distance (slow).")
@click.option("--guacamol", is_flag=True, help="GuacaMol's KL and FCD scores too.")
@options.path(
    "--alerts",
    text="Directory of the MOSES alerts mcf.csv and wehi_pains.csv, or with them in filters/; RDKit's PAINS "
    "catalog without.",
    metavar="DIR",
    files=False,
    envvar="MOLVAE_DATA",
    show_envvar=True,
)
@options.path(
    "--cache",
    text="Cache for statistics of references.  [default: the user's cache]",
    metavar="DIR",
    files=False,
)
@options.integer(
    "--workers", text="Processes; 0 for only this one.  [default: one per core]", least=0, most=1024
)
@options.columns()
@options.seed()
@options.device()
@options.directory("Directory for metrics.json, metrics.txt and pictures.")
@options.common()
def evaluate_command(
    session: Session,
    /,
    source: Path,
    output: Path | None,
    alerts: Path | None,
    corpus_path: Path | None,
    workers: int | None,
    **given: Any,
) -> None:
    """Evaluate SOURCE: a checkpoint (or run), or a file of molecules of any generator.

    A file is compared with references: validity, uniqueness, novelty, Fréchet ChemNet Distance, nearest
    neighbors, fragments, scaffolds, diversity, filters and properties, as defined by MOSES. A row without a
    valid molecule counts as invalid. (An empty line of a .smi file is not a row.)

    A checkpoint is evaluated on held-out molecules of its corpus (reconstruction from mu and from a sampled
    z, KL, active units, mutual information, property heads and their calibration), on samples of its prior
    like any generator, and on reference points for those: N(0, I), posterior samples, several tries.

    \b
    Examples:
      molvae evaluate samples.smi --reference test.smi --train train.smi
      molvae evaluate samples.csv --reference test.csv --no-fcd --json
      molvae evaluate samples.smi --corpus corpus --split test,valid -o measured
      molvae evaluate checkpoints/zinc250k --corpus corpus -o measured
      molvae evaluate run --corpus corpus -n 1000 --molecules 500 --no-fcd
    """
    from molvae.chemistry.admission import Rules
    from molvae.data.corpus import Corpus
    from molvae.parallel.cluster import available_cores

    cores = available_cores()
    chosen = {**given, "alerts": _alert_directory(alerts)}
    chosen["workers"] = workers if workers is not None else (cores if cores > 1 else 0)
    corpus = None if corpus_path is None else Corpus.open(locations.corpus_directory(corpus_path))
    if corpus is not None:  # standardize compared molecules like the corpus
        chosen["rules"] = Rules(corpus.settings.standardize, corpus.settings.keep_stereo)
    source = locations.named(source)
    if source.is_dir() and corpus is None:
        raise UsageError(
            "a checkpoint is evaluated on held-out molecules of its corpus", hint="Add --corpus DIR."
        )
    from molvae.evaluation.distribution import measure
    from molvae.latent.assessment import Assessment

    with session.progress() as progress:
        chosen["progress"] = progress
        references, known = _compared(session, corpus, chosen)
        shared = {name: chosen[name] for name in ("fcd", "guacamol", "workers", "progress")}
        shared["references"] = references
        if source.is_dir() and corpus is not None:
            assessed = _model(source, corpus, chosen, known=known, **shared)
        else:
            samples = _molecules(_read_texts(str(source), session, chosen), "samples", chosen)
            assessed = Assessment(measure(samples, training=known, **shared), samples)
    table = assessed.table
    written = [] if output is None else _write(output, assessed, references)
    invalid = Counter({} if assessed.samples is None else assessed.samples.profile(()).reasons)
    facts = {"source": source.name, **table.to_json(), "invalid": dict(invalid.most_common(_MOST_REASONS))}
    if output is not None:
        facts["output"] = str(output)
        session.note(f"wrote {', '.join(written)} to {output}")
    session.report(facts, table.to_text())


def _model(source: Path, corpus: Corpus, chosen: dict[str, Any], **shared: Any) -> Assessment:
    from molvae.chemistry.molecule import parse
    from molvae.latent.assessment import assess
    from molvae.latent.codec import MolVAE
    from molvae.seeding import Seeds

    model = MolVAE.load(locations.model_directory(source), device=chosen["device"])
    seeds = Seeds(chosen["seed"])
    rows = _held_out_rows(corpus, chosen["split"])
    held_out = np.sort(seeds.numpy("evaluate-rows").permutation(rows)[: chosen["n_molecules"]])
    train = np.sort(seeds.numpy("evaluate-training").permutation(corpus.rows("train"))[:_MOST_TRAINING])
    return assess(
        model,
        [parse(smiles) for smiles in corpus.smiles(held_out)],
        corpus.labels_of(model.property_names, held_out),
        training=[parse(smiles) for smiles in corpus.smiles(train)],
        n_samples=chosen["n_samples"],
        n_variants=min(_MOST_TRAINING, chosen["n_samples"]),
        alerts=chosen["alerts"],
        seed=chosen["seed"],
        **shared,
    )


def _compared(
    session: Session, corpus: Corpus | None, chosen: Mapping[str, Any]
) -> tuple[list[MoleculeSet], set[str] | None]:
    """The references, and the canonical SMILES of the training molecules, if known."""
    from molvae.data.catalog import cache_directory
    from molvae.evaluation.distribution import canonical_set

    files = chosen["reference_files"]
    sets = {Path(file).name.partition(".")[0] or file: _read_texts(file, session, chosen) for file in files}
    if len(sets) < len(files):
        raise UsageError("two references have the same name", hint="Rename one of the files.")
    known = None
    if corpus is not None:
        sets[chosen["split"].replace(",", "+")] = corpus.smiles(_held_out_rows(corpus, chosen["split"]))
        known = set(corpus.smiles(corpus.rows("train")))
    if chosen["train_file"]:
        training = _read_texts(chosen["train_file"], session, chosen)
        shared: dict[str, Any] = {name: chosen.get(name) for name in ("rules", "workers", "progress")}
        known = canonical_set(training, **shared)
    cache = chosen["cache"] or cache_directory() / "references"
    return [_molecules(texts, name, chosen, cache) for name, texts in sets.items()], known


def _molecules(
    texts: Sequence[str], name: str, chosen: Mapping[str, Any], cache: Path | None = None
) -> MoleculeSet:
    """A set of molecules, to be profiled according to the options."""
    from molvae.evaluation.molecules import MoleculeSet
    from molvae.models.devices import resolve_device

    shared: dict[str, Any] = {name: chosen.get(name) for name in ("rules", "alerts", "workers", "progress")}
    device = str(resolve_device(chosen["device"]))
    return MoleculeSet(texts, name=name, cache=cache, device=device, **shared)


def _read_texts(argument: str, session: Session, chosen: Mapping[str, Any]) -> list[str]:
    """The SMILES column of a file; unreadable rows are empty, and so invalid."""
    if not inputs.is_file(argument):
        raise InputError(f"no file '{argument}'", hint="Check the path for a typing mistake.")
    rows = inputs.Arguments([argument], chosen["columns"]).rows(session)
    return ["" if row.reason else row.text for row in rows]


def _held_out_rows(corpus: Corpus, split: str) -> np.ndarray:
    """The rows of parts of a corpus given as `test` or `test,valid`."""
    from molvae.data.splitting import PARTS

    parts = options.split_names([split])
    if not parts or set(parts) - set(PARTS):
        raise UsageError(f"the parts of a corpus are {', '.join(PARTS)}, got '{split}'")
    rows = np.flatnonzero(np.isin(corpus.parts, [PARTS.index(part) for part in parts]))
    if not len(rows):
        raise InputError(f"the corpus has no molecule in {split}", hint="Choose another --split.")
    return rows


def _alert_directory(path: Path | None) -> Path | None:
    """The directory of the MOSES alerts: the given one or its `filters/`; None if not found.

    A directory given by the user, not by the environment, must have them.
    """
    from molvae.chemistry.filters import ALERT_FILES

    if path is None:
        return None
    for place in (path, path / "filters"):
        if all((place / name).is_file() for name in ALERT_FILES):
            return place
    asked = click.get_current_context().get_parameter_source("alerts")
    if asked is click.core.ParameterSource.COMMANDLINE:
        raise InputError(f"{path} does not hold {' and '.join(ALERT_FILES)}")
    return None


def _write(output: Path, assessed: Assessment, references: Sequence[MoleculeSet]) -> list[str]:
    """Write metrics and the available pictures; returns the names of the files."""
    from molvae.reporting.figures import draw_histograms

    write_atomically(output / "metrics.json", json.dumps(assessed.table.to_json(), indent=2) + "\n")
    write_atomically(output / "metrics.txt", assessed.table.to_text() + "\n")
    written = ["metrics.json", "metrics.txt", *_draw_heads(output, assessed)]
    own = None if assessed.samples is None else assessed.samples.profile(_DRAWN).descriptors
    if own is not None and len(own):
        others = {
            reference.name: known
            for reference in references
            if (known := reference.profile(_DRAWN).descriptors) is not None
        }
        draw_histograms(own, others, _TITLES, output / "properties.png")
        written.append("properties.png")
    return written


def _draw_heads(output: Path, assessed: Assessment) -> list[str]:
    from molvae.evaluation.prediction import calibration
    from molvae.reporting.figures import draw_calibration, draw_parity

    truth, prediction = assessed.truth, assessed.prediction
    if truth is None or prediction is None or not np.isfinite(truth).any():
        return []
    explained = [assessed.table[f"R2 {name}"] for name in prediction.names]
    draw_parity(truth, prediction.mean, prediction.names, output / "parity.png", explained)
    curves = {}
    for column, name in enumerate(prediction.names):
        found = calibration(truth[:, column], prediction.mean[:, column], prediction.variance[:, column])
        if found.n:
            curves[name] = (found.levels, found.coverage)
    draw_calibration(curves, output / "calibration.png")
    return ["parity.png", "calibration.png"]
