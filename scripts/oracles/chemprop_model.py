"""Score molecules by a Chemprop 2 model, which is loaded once.

    molvae oracles check 'cmd:python scripts/oracles/chemprop_model.py model.pt'
    molvae optimize CHECKPOINT -o out --maximize 'cmd:python scripts/oracles/chemprop_model.py model.pt'

Needs `pip install chemprop` in the Python that runs it, which may be another than molvae's. Loading a model
runs what is in it: use models whose origin you know.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

INSTALL = "chemprop is not installed in this Python: pip install chemprop"


class Model:
    """A Chemprop model and one of its targets.

    Args:
        path: `.pt` or `.ckpt`.
        target: Which of its outputs, counted from 0.
    """

    def __init__(self, path: Path, target: int) -> None:
        from chemprop import models

        self.network = models.load_model(path)
        self.target = target

    def __call__(self, smiles: list[str]) -> list[float | None]:
        """Return one number for each molecule, or nothing where it has none."""
        from chemprop import data, featurizers
        from lightning import pytorch

        points = [data.MoleculeDatapoint.from_smi(text) for text in smiles]
        dataset = data.MoleculeDataset(points, featurizers.SimpleMoleculeMolGraphFeaturizer())
        loader = data.build_dataloader(dataset, shuffle=False, num_workers=0)
        trainer = pytorch.Trainer(
            logger=False, enable_progress_bar=False, enable_model_summary=False, accelerator="cpu"
        )
        batches: Any = trainer.predict(self.network, loader)
        values = [float(row[self.target]) for batch in batches for row in batch.reshape(len(batch), -1)]
        return [value if math.isfinite(value) else None for value in values]


def main() -> None:
    """Say what is missing, or answer requests until they end."""
    parser = argparse.ArgumentParser(description="Score molecules by a Chemprop model for molvae.")
    parser.add_argument("model", type=Path)
    parser.add_argument("--target", type=int, default=0, help="which output of the model, counted from 0")
    options = parser.parse_args()
    model, wrong = None, ""
    try:
        model = Model(options.model, options.target)
    except ImportError:
        wrong = INSTALL
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        wrong = f"the model {options.model} cannot be loaded: {error}"
    for line in sys.stdin:
        message = json.loads(line)
        if model is None:
            answer: dict[str, Any] = {"error": wrong}
        elif "smiles" in message:
            answer = {"id": message["id"], "scores": model(message["smiles"])}
        else:
            answer = {"version": 1}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
