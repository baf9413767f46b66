"""Settings of a screen."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from molvae.config import Field, Settings, model_validator
from molvae.oracles.config import Objective
from molvae.oracles.heads import PREDICTED

P_VALUE = "domain_p_value"
"""Column of the share of held-out molecules at least as unusual to the model."""


_BYTES_OF_A_ROW, _MOST_ROWS = 64, 1 << 20


class ScreenSettings(Settings):
    """Everything that decides the result of a screen, given the library and the model."""

    retired: ClassVar = {
        "min_heavy_atoms": 1,
        "max_heavy_atoms": 200,
        "report_dropped": False,
        "part_rows": 8192,
        "domain_score": None,
    }

    library: str
    """Molecules to screen: .smi .txt .csv .tsv .sdf (plain or .gz), .parquet, or - for stdin."""
    checkpoint: Path
    """The model."""
    smiles_column: str | None = None
    """SMILES column, by name or number; by default from the header."""
    id_column: str | None = None
    """Identifier column; by default from the header."""
    standardize: Literal["model", "none", "basic", "parent"] = "model"
    """Standardization of molecules; model: that of the training set."""
    filters: tuple[str, ...] = ()
    """Filter catalogs whose hits are dropped (pains, brenk, nih, …)."""
    reference: Path | None = None
    """Corpus or file of known molecules, which are dropped."""
    predict: bool = True
    """Add the model's predicted properties, with standard deviations."""
    descriptors: tuple[str, ...] = ()
    """Descriptors to add (qed, logp, sa, …)."""
    domain: tuple[str, ...] = ("unknown-tokens",)
    """Checks of the applicability domain, outside of which molecules are dropped: unknown-tokens, calibrated,
    precedent, reconstruction; or none."""
    vectors: bool = False
    """Add the latent vectors (posterior means)."""
    objectives: tuple[Objective, ...] = ()
    """Bounds, which define hits, and goals, which rank them."""
    top: int = Field(default=1000, ge=0)
    """Number of best molecules to keep."""
    keep_all: bool = False
    """Keep all hits too; implied without goals."""
    every_row: bool = False
    """Keep every row of the library, dropped rows with the reason; without vectors and if the model is
    calibrated, with a column `domain_p_value` (.05 and below: outside the domain)."""
    failure_limit: int | None = Field(default=50, ge=1)
    """Consecutive failures of an oracle that stop the screen (exit code 4); absent: never."""
    part_bytes: int = Field(default=1 << 19, ge=1, le=1 << 40)
    """Bytes of a part of a plain text file, the unit of work; of other inputs, a row for each 64."""

    @model_validator(mode="after")
    def _consistent(self) -> ScreenSettings:
        objectives = [(objective.name, objective.direction) for objective in self.objectives]
        if len(set(objectives)) < len(objectives):
            raise ValueError("an objective is given twice")
        if any(objective.direction == "part" for objective in self.objectives):
            raise ValueError("a screen has goals and bounds; parts belong to a search")
        if "none" in self.domain and len(self.domain) > 1:
            raise ValueError("the domain is none or a list of checks")
        return self

    @property
    def goals(self) -> tuple[Objective, ...]:
        """The objectives that rank hits."""
        return tuple(objective for objective in self.objectives if objective.is_goal)

    @property
    def limits(self) -> tuple[Objective, ...]:
        """The objectives that define hits."""
        return tuple(objective for objective in self.objectives if not objective.is_goal)

    @property
    def keeps_all(self) -> bool:
        """Whether all hits are kept."""
        return self.keep_all or not self.goals

    @property
    def part_rows(self) -> int:
        """Rows of a part of an input that is not plain text."""
        return min(max(1, self.part_bytes // _BYTES_OF_A_ROW), _MOST_ROWS)

    @property
    def domain_checks(self) -> tuple[str, ...]:
        """The checks of the applicability domain."""
        return () if self.domain == ("none",) else self.domain

    @property
    def wants_p_value(self) -> bool:
        """Whether the p-value of the domain is a column, where the model is calibrated."""
        return self.every_row and not self.vectors

    @property
    def needs_network(self) -> bool:
        """Whether molecules are encoded in any case."""
        asked = any(objective.name.startswith(PREDICTED) for objective in self.objectives)
        return self.predict or self.vectors or asked or bool(self.domain_checks)
