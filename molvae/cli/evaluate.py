"""`molvae evaluate`: a model, or the output of any generator, measured against references."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

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
    from molvae.latent.assessment import Assessment
    from molvae.progress import Progress

    Split = Literal["train", "valid", "test"]

_MOST_REASONS = 10
_CEILING = 2_000  # training molecules whose posteriors are sampled


@click.command()
@click.argument("source", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--reference",
    "reference_files",
    multiple=True,
    metavar="FILE",
    help="Molecules to compare with; repeatable. The file's name names its figures.",
)
@click.option("--train", "train_file", metavar="FILE", help="What the generator was trained on: for novelty.")
@click.option(
    "--corpus",
    "corpus_path",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A corpus of 'molvae prepare': its parts are the reference and the training molecules. What is "
    "compared with it is standardized as it was.",
)
@click.option(
    "--split",
    default="test",
    show_default=True,
    metavar="A,B",
    help="Parts of the corpus that are held out: test, valid, or both.",
)
@click.option(
    "-n",
    "n_samples",
    type=click.IntRange(0),
    metavar="N",
    default=10_000,
    show_default=True,
    help="Samples drawn from a model.",
)
@click.option(
    "--molecules",
    "n_molecules",
    type=click.IntRange(1),
    metavar="N",
    default=5_000,
    show_default=True,
    help="Held-out molecules a model reconstructs, drawn at random if there are more.",
)
@click.option("--fcd/--no-fcd", default=True, show_default=True, help="Fréchet ChemNet Distance (slow).")
@click.option("--guacamol", is_flag=True, help="GuacaMol's KL and FCD scores too.")
@click.option(
    "--alerts",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    envvar="MOLVAE_DATA",
    show_envvar=True,
    help="Directory with the MOSES alerts mcf.csv and wehi_pains.csv, itself or in filters/. Without them "
    "RDKit's PAINS catalog stands in.",
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where statistics of references are kept.  [default: the user's cache]",
)
@click.option(
    "--workers",
    type=click.IntRange(0, 1024),
    metavar="N",
    help="Processes for the chemistry; 0 computes in this one.  [default: one per core]",
)
@options.columns()
@options.seed()
@options.device()
@options.output(rows=False, meaning="Write metrics.json, metrics.txt and pictures here.")
@options.common()
@options.pass_session
def command(
    session: Session,
    /,
    source: Path,
    output: Path | None,
    alerts: Path | None,
    workers: int | None,
    **given: Any,
) -> None:
    """Measure SOURCE: a checkpoint (or run), or a file of molecules that any generator wrote.

    A file is compared with references: validity, uniqueness, novelty, Fréchet ChemNet Distance, nearest
    neighbors, fragments, scaffolds, diversity, filters and properties, as MOSES defines them. A row that is
    no molecule counts as invalid; it is never left out. (An empty line of a .smi file is no row.)

    A checkpoint is measured on held-out molecules of its corpus (reconstruction from mu and from a sampled z,
    KL, active units, mutual information, property heads and their calibration), then on samples of its prior
    like any generator, then on what bounds those: N(0, I), samples of the posterior, several tries.

    \b
    Examples:
      molvae evaluate samples.smi --reference test.smi --train train.smi
      molvae evaluate samples.csv --reference test.csv --no-fcd --json
      molvae evaluate samples.smi --corpus corpus --split test,valid -o measured
      molvae evaluate checkpoints/zinc250k --corpus corpus -o measured
      molvae evaluate run --corpus corpus -n 1000 --molecules 500 --no-fcd
    """
    from molvae.parallel.cores import available_cores

    chosen = {
        **given,
        "alerts": evaluation_inputs.alert_directory(alerts, asked=_is_asked("alerts")),
        "workers": workers if workers is not None else _cores(available_cores()),
    }
    corpus = evaluation_inputs.open_corpus(given["corpus_path"])
    chosen["rules"] = evaluation_inputs.rules_of(corpus)
    source = places.named(source)
    is_model = source.is_dir()
    if is_model and corpus is None:
        raise UsageError(
            "a checkpoint is measured on held-out molecules of its corpus", hint="Add --corpus DIR."
        )
    with session.progress() as progress:
        references, known = evaluation_inputs.compared(session, corpus, chosen, progress)
        if is_model:
            assert corpus is not None  # noqa: S101 - refused above
            assessed = _model(source, corpus, references, known, chosen, progress)
        else:
            assessed = _file(session, source, references, known, chosen, progress)
    table = assessed.table
    written = [] if output is None else _write(output, assessed, references)
    facts = {"source": source.name, **table.to_json(), "invalid": _reasons(assessed.samples)}
    if output is not None:
        facts["output"] = str(output)
        session.note(f"wrote {', '.join(written)} to {output}")
    session.report(facts, table.to_text())


def _model(
    source: Path,
    corpus: Corpus,
    references: Sequence[MoleculeSet],
    known: set[str] | None,
    chosen: dict[str, Any],
    progress: Progress,
) -> Assessment:
    from molvae.chemistry.molecule import parse
    from molvae.latent.assessment import assess
    from molvae.latent.codec import MolVAE
    from molvae.seeding import Seeds

    model = MolVAE.load(places.checkpoint(source), device=chosen["device"])
    seeds = Seeds(chosen["seed"])
    held_out = seeds.numpy("evaluate-rows").permutation(
        evaluation_inputs.held_out_rows(corpus, chosen["split"])
    )
    held_out = np.sort(held_out[: chosen["n_molecules"]])
    train = np.sort(seeds.numpy("evaluate-training").permutation(corpus.rows("train"))[:_CEILING])
    labels = evaluation_inputs.labels_of(corpus, held_out, model.property_names)
    return assess(
        model,
        [parse(smiles) for smiles in corpus.smiles(held_out)],
        labels,
        training=[parse(smiles) for smiles in corpus.smiles(train)],
        known=known,
        references=references,
        n_samples=chosen["n_samples"],
        n_variants=min(_CEILING, chosen["n_samples"]),
        fcd=chosen["fcd"],
        guacamol=chosen["guacamol"],
        alerts=chosen["alerts"],
        workers=chosen["workers"],
        seed=chosen["seed"],
        progress=progress,
    )


def _file(
    session: Session,
    source: Path,
    references: Sequence[MoleculeSet],
    known: set[str] | None,
    chosen: dict[str, Any],
    progress: Progress,
) -> Assessment:
    from molvae.evaluation.distribution import measure
    from molvae.latent.assessment import Assessment

    samples = evaluation_inputs.molecule_set(
        evaluation_inputs.read_texts(str(source), session, chosen), "samples", chosen, progress
    )
    table = measure(
        samples,
        references=references,
        training=known,
        fcd=chosen["fcd"],
        guacamol=chosen["guacamol"],
        workers=chosen["workers"],
        progress=progress,
    )
    return Assessment(table, samples)


def _write(output: Path, assessed: Assessment, references: Sequence[MoleculeSet]) -> list[str]:
    import json

    from molvae.cli.evaluation_pictures import draw

    write_text(output / "metrics.json", json.dumps(assessed.table.to_json(), indent=2) + "\n")
    write_text(output / "metrics.txt", assessed.table.to_text() + "\n")
    return ["metrics.json", "metrics.txt", *draw(output, assessed, references)]


def _is_asked(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def _cores(available: int) -> int:
    return available if available > 1 else 0


def _reasons(samples: MoleculeSet | None) -> dict[str, int]:
    counts = {} if samples is None else dict(samples.profile(()).reasons)
    return dict(sorted(counts.items(), key=lambda item: -item[1])[:_MOST_REASONS])
