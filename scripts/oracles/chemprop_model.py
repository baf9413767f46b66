"""Score molecules with a Chemprop 2 model.

    molvae oracles check 'cmd:python scripts/oracles/chemprop_model.py model.pt'
    molvae optimize CHECKPOINT -o out --maximize 'cmd:python scripts/oracles/chemprop_model.py model.pt'

Needs `pip install chemprop` in the Python that runs it, which may differ from molvae's. Loading a model may
execute code in it, so use only models that you trust.
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
        target: Index of the output, from 0.
    """

    def __init__(self, path: Path, target: int) -> None:
        from chemprop import models

        self.network = models.load_model(path)
        self.target = target

    def __call__(self, smiles: list[str]) -> list[float | None]:
        """One number for each molecule; None if it is not finite."""
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
    """Answer requests until stdin closes, with an error if the model cannot be loaded."""
    parser = argparse.ArgumentParser(description="Score molecules by a Chemprop model for molvae.")
    parser.add_argument("model", type=Path)
    parser.add_argument("--target", type=int, default=0, help="index of the model's output, from 0")
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
