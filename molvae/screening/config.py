"""Settings of a screen: what is asked of each molecule, and what is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from molvae.config import Field, Settings, model_validator
from molvae.oracles.heads import PREDICTED
from molvae.oracles.objectives import Objective

P_VALUE = "domain_p_value"
"""Column of the share of held-out molecules that are at least as strange to the model."""


class ScreenSettings(Settings):
    """Everything that decides the result of a screen, given the library and the model."""

    library: str
    """What is screened: .smi .txt .csv .tsv .sdf (plain or .gz), .parquet, or - for stdin."""
    checkpoint: Path
    """The model."""
    smiles_column: str | None = None
    """Column that holds the SMILES, by name or by number from 1; found by itself if not given."""
    id_column: str | None = None
    """Column that holds the names of the molecules; found by itself if not given."""
    standardize: Literal["model", "none", "basic", "parent"] = "model"
    """How far molecules are standardized; model: as those the model has learned from."""
    min_heavy_atoms: int = Field(default=1, ge=1)
    """Smaller molecules are dropped."""
    max_heavy_atoms: int = Field(default=200, ge=1)
    """Larger molecules are dropped."""
    filters: tuple[str, ...] = ()
    """Filter catalogs whose hits are dropped (pains, brenk, nih, …)."""
    reference: Path | None = None
    """Corpus or file of molecules that are not news: they are dropped as known."""
    predict: bool = True
    """Add the properties the model predicts, with standard deviations."""
    descriptors: tuple[str, ...] = ()
    """Descriptors added to what is kept (qed, logp, sa, …)."""
    domain: tuple[str, ...] = ("unknown-tokens",)
    """Checks of the applicability domain, whose misses are dropped: unknown-tokens, calibrated (what `molvae
    calibrate` taught the model), precedent (bonds and ring systems of its training molecules),
    reconstruction; or none."""
    domain_score: bool | None = None
    """Add how usual a molecule is to the model, as `domain_p_value`: .05 and below is outside its domain;
    absent: where all rows are kept and the model is calibrated."""
    vectors: bool = False
    """Add the latent vectors (posterior means)."""
    objectives: tuple[Objective, ...] = ()
    """What makes a hit, and what ranks hits."""
    top: int = Field(default=1000, ge=0)
    """How many of the best molecules are kept."""
    keep_all: bool = False
    """Keep all hits besides; so it is when nothing ranks them."""
    every_row: bool = False
    """Keep every row of the library in its place: one that is dropped has the reason, and what is known."""
    report_dropped: bool = False
    """List in rejected.csv also what filters, the domain, the reference and the objectives dropped."""
    failure_limit: int | None = Field(default=50, ge=1)
    """Molecules of one part, in a row, without a number from an oracle, after which it is given up (exit code
    4); absent: never. It may be another one when a screen goes on."""
    part_bytes: int = Field(default=1 << 19, ge=1, le=1 << 40)
    """Size of a part of a plain text file: the unit of work, and of what a kill can cost."""
    part_rows: int = Field(default=8192, ge=1, le=1 << 20)
    """Rows of a part of any other input."""

    @model_validator(mode="after")
    def _consistent(self) -> ScreenSettings:
        wishes = [(wish.name, wish.direction) for wish in self.objectives]
        if len(set(wishes)) < len(wishes):
            raise ValueError("an objective is given twice")
        if any(wish.direction == "part" for wish in self.objectives):
            raise ValueError("a screen has goals and bounds; parts belong to a search")
        if "none" in self.domain and len(self.domain) > 1:
            raise ValueError("the domain is none or a list of checks")
        return self

    @property
    def goals(self) -> tuple[Objective, ...]:
        """What ranks hits."""
        return tuple(wish for wish in self.objectives if wish.is_goal)

    @property
    def limits(self) -> tuple[Objective, ...]:
        """What makes a hit."""
        return tuple(wish for wish in self.objectives if not wish.is_goal)

    @property
    def keeps_all(self) -> bool:
        """Whether all hits are kept."""
        return self.keep_all or not self.goals

    @property
    def domain_checks(self) -> tuple[str, ...]:
        """The checks of the applicability domain."""
        return () if self.domain == ("none",) else self.domain

    @property
    def needs_network(self) -> bool:
        """Whether molecules are encoded at all."""
        asked = any(wish.name.startswith(PREDICTED) for wish in self.objectives)
        return self.predict or self.vectors or asked or bool(self.domain_checks) or bool(self.domain_score)
