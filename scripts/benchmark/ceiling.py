"""Upper limit of the speed of training and sampling: the time that their matrix products alone take.

Products are rows x inner x columns, with b molecules of t tokens, v tokens in the vocabulary, hidden
sizes h (decoder) and e (encoder, two directions) and latent size d:

    per token, decoder     b x h x 3h in each layer, b x h x 3h between layers, b x h x v
    per token, encoder     2 of b x e x 3e in each layer, b x 2e x 6e between layers
    per molecule           b x d x 3h and b x d x h in each decoder layer, b x 2e x 2d

Token embeddings are table lookups and are not counted. A training step computes each product three times:
forward, for the gradient of the inputs and for that of the weights (for all t b rows at once); sampling
computes those of the decoder once. A product of r x k x c has r k c multiply-adds, twice as many operations.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from molvae.models.config import ModelSettings


@dataclass(frozen=True, slots=True)
class Product:
    """One matrix product of our training or sampling loop.

    Attributes:
        rows: Rows of the input.
        inner: Columns of the input.
        columns: Columns of the output.
        by: forward (output from input), or the gradient of inputs or weights.
    """

    rows: int
    inner: int
    columns: int
    by: Literal["forward", "inputs", "weights"] = "forward"

    @property
    def operations(self) -> int:
        """Multiplications and additions."""
        return 2 * self.rows * self.inner * self.columns

    def ready(self, dtype: torch.dtype) -> Callable[[], object]:
        """A function that computes the product, with operands and output allocated."""
        x, w, y = (
            torch.randn(shape).to(dtype)
            for shape in ((self.rows, self.inner), (self.columns, self.inner), (self.rows, self.columns))
        )
        if self.by == "forward":
            return lambda: torch.mm(x, w.t(), out=y)
        if self.by == "inputs":
            return lambda: torch.mm(y, w, out=x)
        return lambda: torch.mm(y.t(), x, out=w)


def of_training(sizes: ModelSettings, n_rows: int, n_steps: int, n_tokens: int) -> Counter[Product]:
    """Products of one training step on `n_rows` molecules of `n_steps` tokens."""
    b, t, h, e, d = n_rows, n_steps, sizes.decoder_hidden, sizes.encoder_hidden, sizes.latent_size
    found: Counter[Product] = Counter()
    recurrent = [(h, sizes.decoder_layers), (e, 2)]
    for size, n in recurrent:
        found[Product(b, size, 3 * size)] += n * t
        found[Product(b, size, 3 * size, "inputs")] += n * t
        found[Product(b * t, size, 3 * size, "weights")] += n
    whole = [
        (b * t, h, 3 * h, sizes.decoder_layers - 1),
        (b * t, h, n_tokens, 1),
        (b, d, 3 * h, sizes.decoder_layers),
        (b, d, h, sizes.decoder_layers),
        (b, 2 * e, 2 * d, 1),
    ]
    for rows, inner, columns, n in whole:
        for by in ("forward", "inputs", "weights"):
            found[Product(rows, inner, columns, by)] += n
    return +found


def of_writing(sizes: ModelSettings, n_rows: int, mean_length: float, n_tokens: int) -> Counter[Product]:
    """Products of one sampling step of `n_rows` rows; those per molecule count once in `mean_length` steps.

    Counts are in thousandths, so that they are whole numbers.
    """
    h, d, layers = sizes.decoder_hidden, sizes.latent_size, sizes.decoder_layers
    found: Counter[Product] = Counter()
    found[Product(n_rows, h, 3 * h)] += 1000 * (2 * layers - 1)
    found[Product(n_rows, h, n_tokens)] += 1000
    for columns in (3 * h, h):
        found[Product(n_rows, d, columns)] += round(1000 * layers / mean_length)
    return found


class Ceiling:
    """Repeated timings of products, between other work."""

    def __init__(
        self, products: Counter[Product], clock: Callable[[], float], dtype: torch.dtype = torch.float32
    ) -> None:
        self.products, self.clock = products, clock
        self._ready = {product: product.ready(dtype) for product in products}

    @property
    def operations(self) -> int:
        """Operations of all products together."""
        return sum(product.operations * n for product, n in self.products.items())

    def seconds(self, each: float) -> float:
        """Time of all products together; each is measured for about `each` seconds."""
        return sum(self._one(run, each) * self.products[product] for product, run in self._ready.items())

    def _one(self, run: Callable[[], object], each: float) -> float:
        run()
        n, started, until = 0, self.clock(), time.perf_counter() + each
        while n == 0 or time.perf_counter() < until:
            run()
            n += 1
        return (self.clock() - started) / n
