"""`molvae evaluate`: metrics of a model, or of the output of any generator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from molvae.cli import evaluation_inputs, options, places
from molvae.cli.output import write_text
from molvae.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    text="Corpus of 'molvae prepare' as reference and training set; what is compared with it is standardized "
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
@options.integer("--workers", text="Processes; 0 none but this.  [default: one per core]", least=0, most=1024)
@options.columns()
@options.seed()
@options.device()
@options.output(rows=False, meaning="Directory for metrics.json, metrics.txt and pictures.")
@options.common()
@options.pass_session
def evaluate_command(
    session: Session,
    /,
    source: Path,
    output: Path | None,
    alerts: Path | None,
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
    from molvae.parallel.cluster import available_cores

    cores = available_cores()
    chosen = {
        **given,
        "alerts": evaluation_inputs.alert_directory(alerts, asked=_is_asked("alerts")),
        "workers": workers if workers is not None else (cores if cores > 1 else 0),
    }
    corpus = evaluation_inputs.open_corpus(given["corpus_path"])
    chosen["rules"] = evaluation_inputs.rules_of(corpus)
    source = places.named(source)
    is_model = source.is_dir()
    if is_model and corpus is None:
        raise UsageError(
            "a checkpoint is evaluated on held-out molecules of its corpus", hint="Add --corpus DIR."
        )
    from molvae.evaluation.distribution import measure
    from molvae.latent.assessment import Assessment

    with session.progress() as progress:
        references, known = evaluation_inputs.compared(session, corpus, chosen, progress)
        shared = {name: chosen[name] for name in ("fcd", "guacamol", "workers")}
        shared |= {"references": references, "progress": progress}
        if is_model and corpus is not None:
            assessed = _model(source, corpus, chosen, known=known, **shared)
        else:
            texts = evaluation_inputs.read_texts(str(source), session, chosen)
            samples = evaluation_inputs.molecule_set(texts, "samples", chosen, progress)
            assessed = Assessment(measure(samples, training=known, **shared), samples)
    table = assessed.table
    written = [] if output is None else _write(output, assessed, references)
    facts = {"source": source.name, **table.to_json(), "invalid": _reasons(assessed.samples)}
    if output is not None:
        facts["output"] = str(output)
        session.note(f"wrote {', '.join(written)} to {output}")
    session.report(facts, table.to_text())


def _model(source: Path, corpus: Corpus, chosen: dict[str, Any], **shared: Any) -> Assessment:
    from molvae.chemistry.molecule import parse
    from molvae.latent.assessment import assess
    from molvae.latent.codec import MolVAE
    from molvae.seeding import Seeds

    model = MolVAE.load(places.checkpoint(source), device=chosen["device"])
    seeds = Seeds(chosen["seed"])
    rows = evaluation_inputs.held_out_rows(corpus, chosen["split"])
    held_out = np.sort(seeds.numpy("evaluate-rows").permutation(rows)[: chosen["n_molecules"]])
    train = np.sort(seeds.numpy("evaluate-training").permutation(corpus.rows("train"))[:_MOST_TRAINING])
    return assess(
        model,
        [parse(smiles) for smiles in corpus.smiles(held_out)],
        evaluation_inputs.labels_of(corpus, held_out, model.property_names),
        training=[parse(smiles) for smiles in corpus.smiles(train)],
        n_samples=chosen["n_samples"],
        n_variants=min(_MOST_TRAINING, chosen["n_samples"]),
        alerts=chosen["alerts"],
        seed=chosen["seed"],
        **shared,
    )


def _write(output: Path, assessed: Assessment, references: Sequence[MoleculeSet]) -> list[str]:
    """Write metrics and the pictures that can be drawn; the names of the files."""
    from molvae.reporting.figures import draw_histograms

    write_text(output / "metrics.json", json.dumps(assessed.table.to_json(), indent=2) + "\n")
    write_text(output / "metrics.txt", assessed.table.to_text() + "\n")
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


def _is_asked(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def _reasons(samples: MoleculeSet | None) -> dict[str, int]:
    counts = {} if samples is None else dict(samples.profile(()).reasons)
    return dict(sorted(counts.items(), key=lambda item: -item[1])[:_MOST_REASONS])
