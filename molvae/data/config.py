"""Settings of `molvae prepare`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import model_validator

from molvae.config import Field, Settings


class PrepareSettings(Settings):
    """How files of molecules become a corpus."""

    input: tuple[str, ...] = Field(min_length=1, max_length=65_535)
    """Files to read, in order: .smi .txt .csv .tsv .sdf (plain or .gz), .parquet, or - for stdin."""
    output: Path
    """Directory of the corpus."""
    smiles_column: str | None = None
    """Column of SMILES, by name or by number from 1; detected if not given."""
    id_column: str | None = None
    """Column of molecule names; detected if not given."""
    labels: tuple[str, ...] = ()
    """Numeric columns to learn as properties, by name or number; empty cells are missing values. The labels
    of all rows of a molecule are joined: numbers are averaged. A column with no values but 0 and 1 (or -1 and
    1) holds classes: a molecule with both has none. They belong to the molecules as they were written: what
    can be computed (logP, qed, …) is better computed, of what is learned."""
    descriptors: tuple[str, ...] = ()
    """Descriptors to compute and learn as properties (qed, logp, sa, …)."""
    standardize: Literal["none", "basic", "parent"] = "basic"
    """none: as written; basic: main fragment, one drawing, no charges; parent: also one tautomer."""
    keep_stereo: bool = True
    """Keep stereo marks in the SMILES."""
    deduplicate: Literal["smiles", "inchikey", "none"] = "smiles"
    """How duplicates are found: their labels are joined, everything else comes from the first row."""
    filters: tuple[str, ...] = ()
    """Filter catalogs whose hits are rejected (pains, brenk, nih, …)."""
    min_heavy_atoms: int = Field(default=1, ge=1)
    """Smaller molecules are rejected."""
    max_heavy_atoms: int = Field(default=200, ge=1)
    """Larger molecules are rejected."""
    tokenizer: str = "smiles"
    """Notation the model reads and writes: smiles or selfies."""
    vocabulary: Path | None = None
    """Checkpoint, corpus or vocabulary.json whose vocabulary to use instead of learning one: required to
    continue training that checkpoint (train --set initial=…)."""
    n_merges: int = Field(default=256, ge=0, le=4096)
    """Units that often stand together are merged into so many longer tokens (byte-pair encoding): a molecule
    becomes a third as many steps for the model. 0 keeps one token per atom, bond, branch and ring closure."""
    min_merge_count: int = Field(default=100, ge=2)
    """Pairs rarer than this, among at most 50,000 training molecules, are not merged."""
    complete_merges: bool = True
    """Merge only what closes each branch and ring it opens: fewer molecules are cut short, but a molecule has
    half again as many tokens."""
    max_tokens: int = Field(default=128, ge=1, le=512)
    """Molecules of more tokens are rejected, counted before merging."""
    min_token_count: int = Field(default=1, ge=1)
    """Tokens rarer than this in the training split are left out of the vocabulary and read as unknown."""
    n_randomized: int = Field(default=0, ge=0, le=64)
    """Randomized writings of each molecule, as input for the encoder."""
    split: str = "random"
    """random, scaffold (no scaffold on two sides), or a column that says train, valid or test."""
    fractions: tuple[float, float, float] = (0.9, 0.05, 0.05)
    """Shares of train, valid and test in a random or scaffold split."""
    on_invalid: Literal["reject", "fail"] = "reject"
    """Reject and report rows that cannot be used, or stop at the first."""
    seed: int = Field(default=0, ge=0)
    """Root of the split and of the randomized writings."""
    workers: int = Field(default=-1, ge=-1, le=1024)
    """Processes for the chemistry: -1 one per core, 0 none but this; the corpus is the same either way."""
    cache: Path | None = None
    """Directory that keeps computed descriptors between runs; the user's cache directory if not given."""

    @model_validator(mode="after")
    def _consistent(self) -> PrepareSettings:
        if min(self.fractions) < 0 or abs(sum(self.fractions) - 1) > 1e-6 or self.fractions[0] == 0:  # noqa: PLR2004
            raise ValueError("fractions are train, valid and test: not negative, train not 0, together 1")
        names = [*self.labels, *self.descriptors]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"a property is named twice: {', '.join(repeated)}")
        if self.min_heavy_atoms > self.max_heavy_atoms:
            raise ValueError("min_heavy_atoms is over max_heavy_atoms")
        return self
