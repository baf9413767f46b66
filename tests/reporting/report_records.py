"""Small campaigns for reports, with failures and malicious texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molvae.chemistry.descriptors import describe_many
from molvae.oracles.base import Score
from tests.campaign.fake_model import FakeModel
from tests.campaign.play import optimize

if TYPE_CHECKING:
    from pathlib import Path

EVIL = '</script><script>document.title="owned"</script>'
FORMULA = '=HYPERLINK("http://evil.example","x")'


class Grumpy:
    """QED, but it fails for molecules with a nitrile, with malicious texts."""

    name = "qed"

    def __call__(self, molecules):
        values = describe_many(molecules, ["qed"])[:, 0]
        return [Score.failed(EVIL) if "C#N" in m.smiles else Score.ok(v) for m, v in zip(molecules, values)]


def small_campaign(path: Path, *, method: str = "bo", two: bool = False, seed: int = 1) -> Path:
    """A campaign of 30 calls on the fake model."""
    model = FakeModel()
    start = [molecule.smiles for molecule in model.molecules[:: 2 if method == "random" else 9]]
    optimize(
        model,
        maximize=["qed"],
        minimize=["tpsa"] if two else [],
        at_most={"sa": 3.0},
        budget=30,
        q=5,
        seed=seed,
        n_initial=6,
        method=method,
        effort=0.05,
        start=[*start, "not a molecule"],
        output=path,
        oracles={"qed": Grumpy()},
    )
    return path
