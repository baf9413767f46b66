"""Servers that are slow, late or broken: a score or a reason, within the time limit."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from molvae.chemistry.molecule import parse
from molvae.errors import UsageError
from molvae.oracles.plugins import load_oracle

MOLECULES = [parse("CCO"), parse("CC")]
BODY = json.dumps({"scores": [1.0, 2.0]}).encode()
HEAD = {
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\n",
    "Connection: close": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY),
}


@contextlib.contextmanager
def server(*answers):
    """A server that answers each request with given bytes and delays."""
    listening = socket.create_server(("127.0.0.1", 0))
    asked = []

    def serve():
        for answer in answers:
            with contextlib.suppress(OSError):
                connection, _ = listening.accept()
                with connection, connection.makefile("rb") as request:
                    lines = list(iter(request.readline, b"\r\n"))
                    length = next(line for line in lines if line.lower().startswith(b"content-length"))
                    request.read(int(length.split()[1]))
                    asked.append(lines[0].decode())
                    for piece in answer:
                        if isinstance(piece, bytes):
                            connection.sendall(piece)
                        else:
                            time.sleep(piece)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}", asked
    finally:
        listening.close()


@pytest.mark.parametrize("head", HEAD)
def test_answers_of_any_framing_are_read(head):
    with server([HEAD[head], BODY[:5], 0.05, BODY[5:]]) as (place, _):
        assert [score.value for score in load_oracle(f"http://{place}/")(MOLECULES)] == [1.0, 2.0]


@pytest.mark.parametrize(
    "answer",
    [
        [HEAD["HTTP/1.0"], 20.0],
        [HEAD["Connection: close"], BODY[:5], 20.0],
        [HEAD["HTTP/1.0"], *[b" ", 0.05] * 400],
        [HEAD["length"], *[b" ", 0.05] * 400],
        [b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n", 0.05] * 400],
        [20.0],
    ],
    ids=["no body", "half a body", "drops until closed", "drops with a length", "endless headers", "nothing"],
)
def test_the_time_limit_is_total_and_time_outs_are_not_retried(answer):
    with server(answer, [HEAD["HTTP/1.0"], BODY]) as (place, asked):
        begun = time.monotonic()
        score = load_oracle(f"http[timeout=0.4,retries=3,pause=0]://{place}/")(MOLECULES[:1])[0]
        assert time.monotonic() - begun < 3.0
        assert (score.status, score.detail, len(asked)) == ("timeout", "no answer within 0.4 s", 1)


@pytest.mark.parametrize(
    ("status", "n_asked", "outcome"),
    [(408, 1, "timeout"), (504, 1, "timeout"), (500, 2, "ok"), (503, 2, "ok"), (404, 1, "failed")],
)
def test_which_statuses_are_retried(status, n_asked, outcome):
    first = [b"HTTP/1.0 %d No\r\n\r\nbusy" % status]
    with server(first, [HEAD["HTTP/1.0"], b'{"scores": [1]}']) as (place, asked):
        score = load_oracle(f"http[pause=0]://{place}/")(MOLECULES[:1])[0]
        assert (score.status, len(asked)) == (outcome, n_asked)


def test_ctrl_c_ends_requests_that_wait():
    with server([HEAD["HTTP/1.0"], 60.0], [HEAD["HTTP/1.0"], 60.0]) as (place, asked):
        code = (
            "from molvae.oracles.plugins import load_oracle; from molvae.chemistry.molecule import parse\n"
            f"load_oracle('http[workers=2,batch=1]://{place}/')([parse('C'), parse('CC')])"
        )
        child = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
        while not asked:
            assert child.poll() is None
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        assert b"KeyboardInterrupt" in child.communicate(timeout=10.0)[1]


@pytest.mark.parametrize(
    "text",
    [
        "http://h/score?api_key=abc",
        "https[workers=2]://h/?x=1&ACCESS_TOKEN=abc",
        "http://h/?subscription-key=abc",
        "clipped[1]:http://h/?sig=abc",
        "http://me:abc@h/",
    ],
)
def test_a_key_in_a_url_is_refused(text):
    with pytest.raises(UsageError, match="would be kept"):
        load_oracle(text)


def test_a_key_from_the_environment_is_sent_only_to_the_server(monkeypatch):
    monkeypatch.setenv("MOLVAE_KEY", "a b&c")
    monkeypatch.setenv("OTHER_KEY", "not for you")
    with server([HEAD["HTTP/1.0"], BODY]) as (place, asked):
        text = f"http://{place}/?keyword=x&key=${{MOLVAE_KEY}}&y=${{OTHER_KEY}}"
        oracle = load_oracle(text)
        assert oracle(MOLECULES)[0].value == 1.0
        assert asked[0].split()[1] == "/?keyword=x&key=a%20b%26c&y=${OTHER_KEY}"
        assert oracle.name == text
    del os.environ["MOLVAE_KEY"]
    with pytest.raises(UsageError, match="MOLVAE_KEY, which is not set"):
        load_oracle(text)
