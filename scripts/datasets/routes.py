"""Reactions and synthesis routes of the starter set."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

# A reactive nitrogen: not in an amide, sulfonamide, urea, hydrazine or aromatic ring, and not arylated.
_AMINE = "NX3;H1,H2;!$(N[C,S]=[O,S,N]);!$(N[!#6]);!$([NH1](c)[#6])"
_ACID = "[CX3:1](=[O:2])[OX2H1]"
_ACTIVATED = "$(c:n),$(c1ccnc2ccccc12),$(c1ccc(C#N)cc1),$(c1ccc([N+](=O)[O-])cc1),$(c1ccc(S(=O)(=O)C)cc1)"

REACTIONS: dict[str, str] = {
    "amide": f"{_ACID}.[{_AMINE}:3]>>[C:1](=[O:2])[N:3]",
    "sulfonamide": f"[S:1]([Cl])(=[O:3])=[O:4].[{_AMINE}:2]>>[N:2][S:1](=[O:3])=[O:4]",
    "urea": f"[N:2]=[C:3]=[O:4].[{_AMINE}:1]>>[N:1][C:3](=[O:4])[N:2]",
    "carbamate": "[N:2]=[C:3]=[O:4].[CX4:5][OX2H1:1]>>[C:5][O:1][C:3](=[O:4])[N:2]",
    "reductive_amination": f"[CX3;$([CH1][#6]),$(C([#6])[#6]):2]=[O].[{_AMINE};!$(Nc):1]>>[N:1][C:2]",
    "aromatic_substitution": f"[c;{_ACTIVATED}:1][F,Cl].[{_AMINE};!$(Nc):3]>>[c:1][N:3]",
    "amination": f"[c:1][Br].[{_AMINE}:3]>>[c:1][N:3]",
    "suzuki": "[c:1][Br].[#6:2][B]([OH])[OH]>>[c:1][#6:2]",
    "ether": "[c:1][OX2H1:2].[CH2:3][Cl,Br]>>[c:1][O:2][C:3]",
    "mitsunobu": "[c:1][OX2H1:2].[CX4;H1,H2;!$(CC(F)F):3][OX2H1]>>[c:1][O:2][C:3]",
    "triazole": "[#6:1][N:2]=[N+:3]=[N-:4].[CH1:5]#[CX2:6]>>[#6:1][n:2]1[c:5][c:6][n+0:4][n+0:3]1",
    "oxadiazole": "[NH2:4][C:1]=[N:2][OX2H1:3].[CX3:5](=O)[OX2H1]>>[c:1]1[n:2][o:3][c:5][n:4]1",
    "benzimidazole": "[NX3H2:1][c:2][c:3][NX3;H1,H2:4].[CX3:5](=O)[OX2H1]>>[c:2]1[N:1]=[C:5][N:4][c:3]1",
    "thiazole": "[CH2:1]([Br])[C:2]=O.[NH2:4][C:5]=[S:6]>>[c:1]1[c:2][n:4][c:5][s:6]1",
    "pyrazole": "[CX3;!$(CC(F)F):3](=O)[CH2:4][CX3;$(CC(F)F):5]=O.[NH2:1][NX3H1:2]"
    ">>[n:1]1[c:5][c:4][c:3][n:2]1",
    "saponification": "[c:1][C:2](=[O:3])O[CH3]>>[c:1][C:2](=[O:3])O",
    "deprotection": "[N:1]C(=O)OC([CH3])([CH3])[CH3]>>[N:1]",
}
"""Reaction name -> template. The order of the two reactants does not matter."""


@dataclass(frozen=True)
class Step:
    """One reaction of a route, with the kind of building block it adds (None for a deprotection)."""

    reaction: str
    kind: str | None = None


@dataclass(frozen=True)
class Route:
    """A name, the kind of building block it starts from, and the steps that follow."""

    name: str
    start: str
    steps: tuple[Step, ...]

    @property
    def components(self) -> list[tuple[str, ...]]:
        """The building blocks to choose from: one list for each that is needed, in order."""
        kinds = [self.start, *(step.kind for step in self.steps if step.kind is not None)]
        return [BLOCKS[kind] for kind in kinds]


def _building_blocks() -> dict[str, tuple[str, ...]]:
    """SMILES by kind, including combined kinds; their indices are part of the identifiers of the set."""
    path = Path(__file__).resolve().parents[2] / "datasets" / "building_blocks.csv"
    blocks: dict[str, tuple[str, ...]] = {}
    with path.open(newline="") as lines:
        for row in csv.DictReader(lines):
            blocks[row["kind"]] = (*blocks.get(row["kind"], ()), row["smiles"])
    blocks["aliphatic_amine"] = blocks["primary_amine"] + blocks["secondary_amine"]
    blocks["amine"] = blocks["aliphatic_amine"] + blocks["aniline"]
    blocks["secondary_amine_or_aniline"] = blocks["secondary_amine"] + blocks["aniline"]
    # Only alcohols without a stereocenter: a Mitsunobu reaction inverts it, but the template does not.
    blocks["alcohol_without_stereocenter"] = tuple(text for text in blocks["alcohol"] if "@" not in text)
    return blocks


BLOCKS = _building_blocks()
"""Building blocks by kind."""


def _route(name: str, start: str, *steps: str) -> Route:
    """A route from steps written as `reaction` or `reaction + kind`."""
    parts = (step.partition(" + ") for step in steps)
    return Route(name, start, tuple(Step(reaction, kind or None) for reaction, _, kind in parts))


ROUTES: tuple[Route, ...] = (
    _route("amide", "acid", "amide + amine"),
    _route("sulfonamide", "sulfonyl_chloride", "sulfonamide + amine"),
    _route("urea", "isocyanate", "urea + amine"),
    _route("carbamate", "isocyanate", "carbamate + alcohol"),
    _route("reductive_amination", "aldehyde_or_ketone", "reductive_amination + aliphatic_amine"),
    _route("aromatic_substitution", "snar_halide", "aromatic_substitution + aliphatic_amine"),
    _route("amination", "aryl_bromide", "amination + secondary_amine_or_aniline"),
    _route("suzuki", "aryl_bromide", "suzuki + boronic_acid"),
    _route("ether", "phenol", "ether + alkyl_halide"),
    _route("mitsunobu", "phenol", "mitsunobu + alcohol_without_stereocenter"),
    _route("triazole", "azide", "triazole + alkyne"),
    _route("oxadiazole", "amidoxime", "oxadiazole + acid"),
    _route("benzimidazole", "phenylenediamine", "benzimidazole + acid"),
    _route("thiazole", "bromo_ketone", "thiazole + thioamide"),
    _route("pyrazole", "trifluoro_diketone", "pyrazole + hydrazine"),
    *(
        _route(
            f"{first}+{second}",
            "protected_diamine",
            f"{first} + {what}",
            "deprotection",
            f"{second} + {with_}",
        )
        for first, what, second, with_ in (
            ("amide", "acid", "sulfonamide", "sulfonyl_chloride"),
            ("amide", "acid", "urea", "isocyanate"),
            ("amide", "acid", "reductive_amination", "aldehyde_or_ketone"),
            ("aromatic_substitution", "snar_halide", "amide", "acid"),
            ("aromatic_substitution", "snar_halide", "sulfonamide", "sulfonyl_chloride"),
            ("aromatic_substitution", "snar_halide", "urea", "isocyanate"),
        )
    ),
    _route("amide+suzuki", "bromo_acid", "amide + amine", "suzuki + boronic_acid"),
    _route("sulfonamide+suzuki", "bromo_sulfonyl_chloride", "sulfonamide + amine", "suzuki + boronic_acid"),
    _route("amino_acid_amide", "protected_amino_acid", "amide + amine", "deprotection", "amide + acid"),
    _route(
        "amino_acid_sulfonamide",
        "protected_amino_acid",
        "amide + amine",
        "deprotection",
        "sulfonamide + sulfonyl_chloride",
    ),
    _route("ether+amide", "hydroxy_ester", "ether + alkyl_halide", "saponification", "amide + amine"),
)
"""Every route of the starter set."""
