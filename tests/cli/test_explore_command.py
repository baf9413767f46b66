from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request


def test_explore_serves_until_ctrl_c(tiny_checkpoint, little_csv):
    command = [sys.executable, "-m", "molvae", "explore", tiny_checkpoint, "--no-browser", "--json", "-q"]
    with subprocess.Popen(
        [*command, "--molecules", little_csv, "--map-size", "20"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        url = json.loads(child.stdout.readline())["url"]
        with urllib.request.urlopen(f"{url}model", timeout=60) as reply:  # noqa: S310 - our own server
            assert json.load(reply)["name"] == tiny_checkpoint.parent.name
        os.kill(child.pid, signal.SIGINT)
        assert child.wait(timeout=60) == 0, "Ctrl-C is how it ends"
        assert child.stderr.read() == ""


def test_explore_refuses_what_it_cannot_show(molvae, tiny_checkpoint, tmp_path):
    (tmp_path / "none.csv").write_text("smiles\nX X\n")
    done = molvae("explore", tiny_checkpoint, "--no-browser", "--molecules", tmp_path / "none.csv")
    assert (done.code, "has no molecule for the map" in done.err) == (3, True)
    done = molvae("explore", tmp_path, "--no-browser")
    assert (done.code, "no model directory" in done.err) == (5, True)
