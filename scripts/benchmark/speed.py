"""Time our training and sampling against the MOSES loops and against the machine's matrix products.

    python scripts/benchmark/speed.py --corpus runs/zinc250k    (a corpus of molvae prepare)
    python scripts/benchmark/speed.py --short                   (a quick look, on the starter set)

In each repeat all contenders run once, so that other work on the machine affects them alike; medians over the
repeats are printed, and the range of the ratio. `ceiling` is the share of our time that the matrix products
alone would take in the same precision (scripts/benchmark/ceiling.py has the formula). Where training uses
bfloat16 by default (AMX, AVX-512 BF16), it is timed in float32 too; everything else is float32. Sizes: `ours`
are those of the checkpoint, for both; `moses` are those of MOSES, for both (but our encoder is
bidirectional). Sampling ends at the end token, so its speed depends on lengths: with `ours`, the checkpoint
samples; with `moses`, untrained weights sample, with a probability of the end token that gives the mean
length of the corpus, and molecules are counted by tokens. The record keeps the rows of other processors; its
figures are of this one.
"""

from __future__ import annotations

import json
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import moses_loop
import torch
from arguments import CHECKPOINT, parser_of
from ceiling import Ceiling, of_training, of_writing
from moses_loop import MosesTraining, MosesVAE, Sizes
from record import RESULTS, ROOT, commit, machine, record

from molvae.data.batching import epoch_batches
from molvae.data.config import PrepareSettings
from molvae.data.corpus import Corpus
from molvae.data.preparation import prepare
from molvae.latent.codec import MolVAE
from molvae.models.config import EOS, ModelSettings
from molvae.models.devices import World, has_fast_bfloat16
from molvae.models.generation import WINDOW, generate
from molvae.models.vae import SequenceVAE
from molvae.progress import SILENT
from molvae.seeding import Seeds
from molvae.tokenizers.base import TOKENIZERS, Tokenizer
from molvae.training.config import TrainSettings
from molvae.training.trainer import _Run

if TYPE_CHECKING:
    import argparse
    from collections import Counter
    from collections.abc import Callable, Iterator

    from ceiling import Product

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
_SHOWN = ("cpu", "work", "threads", "precision", "ours", "moses", "ratio", "ceiling", "gflops")


class Comparison:
    """Alternating timings of ours and theirs (functions that return the work done) and of our ceiling."""

    def __init__(
        self,
        ours: Callable[[], float],
        theirs: Callable[[], float],
        products: Counter[Product],
        per_work: float,
        options: argparse.Namespace,
        precision: str = "float32",
    ) -> None:
        self.ours, self.theirs, self.per_work, self.options = ours, theirs, per_work, options
        self.clock, self.precision = CLOCKS[options.clock], precision
        self.ceiling = Ceiling(products, self.clock, getattr(torch, precision))

    def run(self) -> dict[str, Any]:
        """Results over all repeats, after a warm-up."""
        self.ours(), self.theirs()
        rates = []
        for _ in range(self.options.repeats):
            ours, theirs = self._rate(self.ours), self._rate(self.theirs)
            ideal = self.ceiling.seconds(self.options.product_seconds) * self.per_work
            rates.append((ours, theirs, ours * ideal, self.ceiling.operations * self.per_work / ideal / 1e9))
        ratios = sorted(ours / theirs for ours, theirs, *_ in rates)
        return {
            "precision": self.precision,
            "ours": round(median(ours for ours, *_ in rates), 1),
            "moses": round(median(rate[1] for rate in rates), 1),
            "ratio": round(median(ratios), 2),
            "ratio_range": f"{ratios[0]:.2f} to {ratios[-1]:.2f}",
            "ceiling": round(median(rate[2] for rate in rates), 3),
            "gflops": round(median(rate[3] for rate in rates), 1),
        }

    def _rate(self, work: Callable[[], float]) -> float:
        """Work per second in one turn."""
        started = self.clock()
        until = time.perf_counter() + self.options.turn_seconds
        done = work()
        while time.perf_counter() < until:
            done += work()
        return done / (self.clock() - started)


def training(
    corpus: Corpus, sizes: ModelSettings, batch_size: int, precision: str, options: argparse.Namespace
) -> Comparison:
    """Tokens predicted per second: the trainer's own step against the MOSES loop."""
    settings = TrainSettings.model_validate(
        {
            "model": sizes,
            "batch_size": batch_size,
            "threads": torch.get_num_threads(),
            "device": "cpu",
            "precision": precision,
        }
    )
    directory = Path(tempfile.gettempdir()) / "unused"
    # What `molvae train` runs.
    run = _Run(corpus.path, directory, settings, World(), SILENT, {}, should_stop=lambda: False)
    batches = _endless(corpus, batch_size)

    def ours() -> float:
        rows = next(batches)
        run.fit._step(partial(run.terms, rows))  # noqa: SLF001
        return float(corpus.lengths[rows].sum())

    model = MosesVAE(_theirs(sizes), corpus.vocabulary.tokens[4:])
    theirs = MosesTraining(model.train(), _texts(corpus), batch_size)
    n_steps = round(float(corpus.lengths.mean()))
    products = of_training(sizes, batch_size, n_steps, len(corpus.vocabulary))
    return Comparison(ours, theirs.step, products, 1.0 / (batch_size * n_steps), options, precision)


def sampling(corpus: Corpus, codec: MolVAE | None, options: argparse.Namespace) -> Comparison:
    """SMILES per second, sampled at temperature 1 from N(0, I), without parsing."""
    sizes = codec.settings.model if codec is not None else MOSES_SIZES
    mean_length = float(corpus.lengths.mean())
    network = codec.network if codec is not None else _untrained(corpus, mean_length)
    tokenizer: Tokenizer = (
        codec.tokenizer if codec is not None else TOKENIZERS.get(corpus.settings.tokenizer)(corpus.vocabulary)
    )
    max_length = codec.settings.max_length if codec is not None else int(corpus.lengths.max()) + 8
    generator = torch.Generator().manual_seed(0)
    written = _Tally()

    def ours() -> float:
        read = network.decoder_input(torch.randn(options.rows, sizes.latent_size, generator=generator))
        tokens = generate(
            network.decoder, read, max_length=max_length, temperature=1.0, generator=generator
        ).tokens
        texts = tokenizer.decode_many(tokens.numpy())
        written.add(int((tokens > 0).sum()), len(texts))
        return len(texts) if codec is not None else written.last / mean_length

    model = MosesVAE(_theirs(sizes), tokenizer.vocabulary.tokens[4:]).eval()
    for _ in range(2):  # lengths are needed for the count of products
        ours()
    per_molecule = written.mean if codec is not None else mean_length
    n_rows = min(WINDOW, options.rows)
    products = of_writing(sizes, n_rows, per_molecule, len(tokenizer.vocabulary))
    return Comparison(
        ours,
        lambda: float(len(model.sample(options.rows))),
        products,
        per_molecule / n_rows / 1000.0,
        options,
    )


class _Tally:
    """Numbers of tokens and molecules sampled, in total and last."""

    def __init__(self) -> None:
        self.tokens, self.molecules, self.last = 0, 0, 0

    def add(self, tokens: int, molecules: int) -> None:
        self.tokens, self.molecules, self.last = self.tokens + tokens, self.molecules + molecules, tokens

    @property
    def mean(self) -> float:
        return self.tokens / self.molecules


MOSES_SIZES = ModelSettings(
    latent_size=128, embedding_size=64, encoder_hidden=256, decoder_hidden=512, decoder_layers=3
)


def _theirs(sizes: ModelSettings) -> Sizes:
    if sizes is MOSES_SIZES:
        return Sizes()
    return Sizes(
        embedding=sizes.embedding_size,
        encoder_hidden=sizes.encoder_hidden,
        encoder_layers=1,
        bidirectional=True,
        latent=sizes.latent_size,
        decoder_hidden=sizes.decoder_hidden,
        decoder_layers=sizes.decoder_layers,
    )


def _untrained(corpus: Corpus, mean_length: float) -> SequenceVAE:
    """A network of MOSES's sizes whose end token has probability 1 / mean length at each step."""
    torch.manual_seed(0)
    network = SequenceVAE(MOSES_SIZES, len(corpus.vocabulary), 0).eval()
    with torch.no_grad():
        network.decoder.output.weight.zero_()
        network.decoder.output.bias.zero_()
        others = len(corpus.vocabulary) - 4
        network.decoder.output.bias[EOS] = torch.tensor(others / (mean_length - 1.0)).log()
    return network


def _endless(corpus: Corpus, batch_size: int) -> Iterator[Any]:
    """The trainer's batches, epoch after epoch, full ones only."""
    epoch = 0
    while True:
        generator = Seeds(0).numpy("batches", epoch)
        for rows in epoch_batches(corpus.rows("train"), corpus.lengths, batch_size, generator):
            if len(rows) == batch_size:
                yield rows
        epoch += 1


def _texts(corpus: Corpus, most: int = 20_000) -> list[list[str]]:
    """Training molecules as lists of tokens, a random part of them if there are many."""
    tokens = corpus.vocabulary.tokens
    rows = Seeds(0).numpy("texts").permutation(corpus.rows("train"))[:most]
    return [[tokens[number] for number in corpus.ids[row][:-1]] for row in rows]


def main() -> None:
    """Run every comparison, print and record the table."""
    options = _options()
    started_at = commit()
    codec = MolVAE.load(options.checkpoint, device="cpu")
    table = []
    with tempfile.TemporaryDirectory() as temporary:
        corpus = Corpus.open(options.corpus or _starter(Path(temporary) / "corpus"))
        for threads in options.threads:
            torch.set_num_threads(threads)
            for sizes in options.sizes:
                own = codec if sizes == "ours" else None
                model, batch = (own.settings.model, 128) if own else (MOSES_SIZES, moses_loop.BATCH_SIZE)
                for work, comparison in (
                    *(
                        ("training, tokens/s", training(corpus, model, batch, precision, options))
                        for precision in _precisions()
                    ),
                    ("sampling, molecules/s", sampling(corpus, own, options)),
                ):
                    row = {"work": work, "sizes": sizes, "threads": threads, **comparison.run()}
                    table.append(row)
                    print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
    figures = _figures(table)
    print("  ".join(f"{name} {value}" for name, value in figures.items()))
    if not options.short:
        rows = _beside_others([{"cpu": machine()["cpu"], "commit": started_at[:10], **row} for row in table])
        shown = _summary(rows)
        print(record("speed", figures=figures, summary=shown, table=rows, seeds=[0], started_at=started_at))


def _beside_others(table: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """These rows, followed by those of other processors in the record."""
    path = RESULTS / "speed.json"
    known = json.loads(path.read_text(encoding="utf-8"))["table"] if path.exists() else []
    return table + [row for row in known if row["cpu"] != table[0]["cpu"]]


def _summary(table: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that docs/benchmarks.md shows: those at the sizes of the checkpoint."""
    return [{name: row[name] for name in _SHOWN} for row in table if row["sizes"] == "ours"]


def _precisions() -> list[str]:
    """Precisions that training is timed in; the default precision is the last."""
    return ["float32", *(["bfloat16"] if has_fast_bfloat16(torch.device("cpu")) else [])]


def _figures(table: list[dict[str, Any]]) -> dict[str, float | int | None]:
    """The worst over the numbers of threads, at our sizes; training in the default precision."""

    def worst(name: str, work: str, precision: str) -> float | None:
        rows = [row for row in table if row["sizes"] == "ours" and row["precision"] == precision]
        return min((row[name] for row in rows if row["work"].startswith(work)), default=None)

    default = _precisions()[-1]
    figures: dict[str, float | int | None] = {}
    for name in ("ratio", "ceiling"):
        figures[f"train_{name}"] = worst(name, "training", default)
        figures[f"sample_{name}"] = worst(name, "sampling", "float32")
        if default != "float32":
            figures[f"train_{name}_float32"] = worst(name, "training", "float32")
    return figures


def _starter(path: Path) -> Path:
    source = str(ROOT / "datasets" / "starter.csv.gz")
    prepare(PrepareSettings(input=(source,), output=path), workers=0)
    return path


def _options() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--corpus", type=Path, help="made by molvae prepare; default: the starter set")
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--sizes", nargs="+", choices=["ours", "moses"], default=["ours", "moses"])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--turn-seconds", type=float, default=4.0, help="minimum length of a turn")
    parser.add_argument("--product-seconds", type=float, default=0.3, help="per shape and repeat")
    parser.add_argument("--rows", type=int, default=1024, help="molecules sampled at once")
    parser.add_argument(
        "--clock", choices=sorted(CLOCKS), default="wall", help="cpu: if other work shares the machine"
    )
    parser.add_argument("--short", action="store_true", help="fewer and shorter repeats, not recorded")
    options = parser.parse_args()
    if options.short:
        options.repeats, options.turn_seconds, options.product_seconds = 3, 0.5, 0.02
        options.rows = min(options.rows, 256)
    return options


if __name__ == "__main__":
    main()
