"""A minimal oracle: a program that implements molvae's protocol and needs only Python.

    molvae oracles check 'cmd:python scripts/oracles/toy.py'
    molvae optimize CHECKPOINT --maximize 'cmd:python scripts/oracles/toy.py' -o out

The score of a molecule is the number of different letters in its SMILES; molecules with iodine fail.
"""

from __future__ import annotations

import json
import sys


def score(smiles: str) -> float | None:
    """A number, or None if the molecule fails."""
    return None if "I" in smiles else float(len(set(smiles.lower()) & set("abcdefghijklmnopqrstuvwxyz")))


def main() -> None:
    """Answer the greeting and every request with one line."""
    for line in sys.stdin:
        message = json.loads(line)
        if "smiles" in message:
            answer = {"id": message["id"], "scores": [score(smiles) for smiles in message["smiles"]]}
        else:
            answer = {"version": 1}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
