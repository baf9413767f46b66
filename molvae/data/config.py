"""Settings of `molvae prepare`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from molvae.config import Field, Settings, model_validator


class PrepareSettings(Settings):
    """Settings of the preparation of a corpus."""

    retired: ClassVar = {
        "min_merge_count": 100,
        "complete_merges": True,
        "n_randomized": 0,
        "min_heavy_atoms": 1,
        "workers": None,
        "cache": None,
    }
    instead: ClassVar = {
        "workers": "use the option --workers (in Python, workers=)",
        "cache": "descriptors are computed each time, none are kept",
    }

    input: tuple[str, ...] = Field(min_length=1, max_length=65_535)
    """Files to read, in order: .smi .txt .csv .tsv .sdf (plain or .gz), .parquet, or - for stdin."""
    output: Path
    """Directory of the corpus."""
    smiles_column: str | None = None
    """Column of SMILES, by name or by number from 1; detected if not given."""
    id_column: str | None = None
    """Column of molecule names; detected if not given."""
    labels: tuple[str, ...] = ()
    """Numeric columns to learn as properties, by name or number; empty cells are missing values. Labels of
    duplicates are averaged; in a column of classes (0 and 1, or -1 and 1) a molecule with both has no label.
    Use descriptors for what can be computed (logP, qed, …)."""
    descriptors: tuple[str, ...] = ()
    """Descriptors to compute and learn as properties (qed, logp, sa, …)."""
    standardize: Literal["none", "basic", "parent"] = "basic"
    """none: as written; basic: main fragment, standard drawing, neutral; parent: also canonical tautomer."""
    keep_stereo: bool = True
    """Keep stereo marks in the SMILES."""
    deduplicate: Literal["smiles", "inchikey", "none"] = "smiles"
    """How duplicates are found: their labels are joined, everything else comes from the first row."""
    filters: tuple[str, ...] = ()
    """Filter catalogs whose hits are rejected (pains, brenk, nih, …)."""
    max_heavy_atoms: int = Field(default=200, ge=1)
    """Maximum number of heavy atoms."""
    tokenizer: str = "smiles"
    """Notation the model reads and writes: smiles or selfies."""
    vocabulary: Path | None = None
    """Checkpoint, corpus or vocabulary.json whose vocabulary to use instead of learning one; required to
    fine-tune that checkpoint (train --initial)."""
    n_merges: int = Field(default=256, ge=0, le=4096)
    """Number of merged tokens (byte-pair encoding), which shorten sequences to about a third. 0 keeps one
    token per atom, bond, branch and ring closure."""
    max_tokens: int = Field(default=128, ge=1, le=512)
    """Maximum number of tokens of a molecule, before merging."""
    min_token_count: int = Field(default=1, ge=1)
    """Minimum count of a token in the training split; rarer ones are read as unknown."""
    split: str = "random"
    """random, scaffold, or a column of train, valid and test."""
    fractions: tuple[float, float, float] = (0.9, 0.05, 0.05)
    """Shares of train, valid and test in a random or scaffold split."""
    on_invalid: Literal["reject", "fail"] = "reject"
    """Reject and report rows that cannot be used, or stop at the first."""
    seed: int = Field(default=0, ge=0)
    """Seed of the split, and of the molecules that merges are learned from."""

    @property
    def split_column(self) -> str | None:
        """The column that decides the split, if that is neither random nor by scaffold."""
        return None if self.split in {"random", "scaffold"} else self.split

    @model_validator(mode="after")
    def _consistent(self) -> PrepareSettings:
        if min(self.fractions) < 0 or abs(sum(self.fractions) - 1) > 1e-6 or self.fractions[0] == 0:  # noqa: PLR2004
            raise ValueError("fractions are train, valid and test: not negative, train not 0, together 1")
        names = [*self.labels, *self.descriptors]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"a property is named twice: {', '.join(repeated)}")
        return self
