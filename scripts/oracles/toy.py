"""The smallest oracle there is: a program that speaks molvae's protocol and needs nothing but Python.

    molvae oracles check 'cmd:python scripts/oracles/toy.py'
    molvae optimize CHECKPOINT --maximize 'cmd:python scripts/oracles/toy.py' -o out

It scores a molecule by how many different letters its SMILES has, and has no score for one with iodine.
"""

from __future__ import annotations

import json
import sys


def score(smiles: str) -> float | None:
    """Return a number, or nothing where there is none."""
    return None if "I" in smiles else float(len(set(smiles.lower()) & set("abcdefghijklmnopqrstuvwxyz")))


def main() -> None:
    """Answer the greeting and every request by one line each."""
    for line in sys.stdin:
        message = json.loads(line)
        if "smiles" in message:
            answer = {"id": message["id"], "scores": [score(smiles) for smiles in message["smiles"]]}
        else:
            answer = {"version": 1}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
