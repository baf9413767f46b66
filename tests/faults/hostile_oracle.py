"""An oracle that misbehaves on one molecule, as a program or as a function: `hostile_oracle.py MODE`.

It misbehaves on ammonia, N; the score of other molecules is the length of their SMILES.
"""

import json
import os
import subprocess
import sys
import time

TRIGGER = "N"
NUMBERS = {
    "nan": float("nan"),
    "infinite": float("inf"),
    "text": "high",
    "none": None,
    "huge": 10**400,
    "bool": True,
}


def misbehave(mode, smiles):  # noqa: C901 - a list of misdeeds
    """Misbehave, and return the answer if there is one."""
    if mode == "raise":
        raise RuntimeError("lost its license")
    if mode == "exit":
        os._exit(3)
    if mode == "segfault":
        os.kill(os.getpid(), 11)
    if mode in {"hang", "leaves_children"}:
        for extra in ({}, {"start_new_session": True}) if mode == "leaves_children" else ():
            quiet = {"stdin": -3, "stdout": None, "stderr": -3}
            code = "import sys, time; time.sleep(600)"
            subprocess.Popen([sys.executable, "-I", "-S", "-c", code, *sys.argv[1:]], **quiet, **extra)
        time.sleep(600)
    if mode == "deaf":
        import signal

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        time.sleep(600)
    if mode == "flood":
        while True:
            os.write(2, b"warning: " * 5000 + b"\n")
    if mode == "long_line":
        while True:
            os.write(1, b"9" * 65536)
    if mode == "wrong_length":
        return [1.0] * (len(smiles) + 1)
    value = NUMBERS.get(mode, 1.0)
    return [value if text == TRIGGER else float(len(text)) for text in smiles]


def score(mode, smiles):
    return misbehave(mode, smiles) if TRIGGER in smiles else [float(len(text)) for text in smiles]


def answer(mode, message):
    """The line in answer to a message."""
    if "smiles" not in message:
        return json.dumps({"version": 1})
    smiles = message["smiles"]
    good = json.dumps({"id": message.get("id"), "scores": score(mode, smiles)})
    if TRIGGER not in smiles:
        return good
    bad = {
        "garbage": "Segmentation fault (core dumped)",
        "truncated": good[: len(good) // 2],
        "not_an_object": "[1, 2, 3]",
        "other_id": json.dumps({"id": -1, "scores": [1.0] * len(smiles)}),
        "reordered": json.dumps({"id": message.get("id"), "smiles": ["C"], "scores": [1.0] * len(smiles)}),
        "no_scores": json.dumps({"id": message.get("id")}),
        "twice": f"{good}\n{good}",
        "nested": "[" * 100_000,
    }
    return bad.get(mode, good)


def main():
    if sys.argv[1] == "reinvent":
        smiles = [line.strip() for line in sys.stdin]
        sys.stdout.write(json.dumps({"version": 1, "payload": {"predictions": score(sys.argv[2], smiles)}}))
        return
    for line in sys.stdin:
        sys.stdout.write(answer(sys.argv[1], json.loads(line)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
