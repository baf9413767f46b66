"""A server as an oracle: `http://...` or `https://...`, asked by POST, JSON in and out."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from molvae.errors import UsageError
from molvae.oracles.base import describe_answer, describe_error
from molvae.oracles.command import external_settings
from molvae.oracles.external import ExternalOracle, Trouble
from molvae.oracles.protocol import VERSION, ProtocolError, read_answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molvae.oracles.base import OracleText, Score
    from molvae.oracles.config import ExternalSettings

_LONGEST_ANSWER = 64 << 20  # bytes
_OK = 200
_BUSY = (408, 425, 429, 500, 502, 503, 504)  # may do better a moment later


class HttpWorker:
    """One connection at a time to a server.

    Args:
        url: Where to post.
        settings: The key of a payload.
    """

    def __init__(self, url: str, settings: ExternalSettings) -> None:
        self._parts = urlsplit(url)
        self._settings = settings
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, smiles: Sequence[str], seconds: float) -> list[Score]:
        """One score for each molecule.

        Raises:
            Trouble: There is none.
        """
        late = threading.Event()
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        connection = self._connection = kind(self._parts.netloc.rpartition("@")[2], timeout=seconds)
        # the time-out of a socket begins anew with every byte: this one does not
        clock = threading.Timer(seconds, self._cut, [late])
        clock.daemon = True
        clock.start()
        begun = time.monotonic()
        try:
            status, text = self._exchange(connection, smiles)
        except (OSError, http.client.HTTPException) as error:
            if late.is_set() or isinstance(error, TimeoutError) or time.monotonic() - begun >= seconds:
                raise self._too_late(seconds) from None
            raise Trouble(f"no answer from {self._host}: {describe_error(error)}", apart=False) from None
        finally:
            clock.cancel()
            connection.close()
            self._connection = None
        if late.is_set():
            raise self._too_late(seconds)
        return self._read(status, text, smiles)

    def close(self) -> None:
        """Nothing is kept between requests."""

    def interrupt(self) -> None:
        """Break the connection while another thread waits for it."""
        self._cut(threading.Event())

    @property
    def _host(self) -> str:
        return self._parts.netloc.rpartition("@")[2]

    def _exchange(self, connection: http.client.HTTPConnection, smiles: Sequence[str]) -> tuple[int, str]:
        path = (self._parts.path or "/") + (f"?{self._parts.query}" if self._parts.query else "")
        body = json.dumps({"version": VERSION, "smiles": list(smiles)})
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "molvae"}
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        data = response.read(_LONGEST_ANSWER + 1)
        if len(data) > _LONGEST_ANSWER:
            raise Trouble(f"an answer of more than {_LONGEST_ANSWER >> 20} MB", again=False)
        if response.length:
            raise Trouble(f"the answer of {self._host} ends {response.length} bytes before it was to")
        return response.status, data.decode(errors="replace")

    def _read(self, status: int, text: str, smiles: Sequence[str]) -> list[Score]:
        if status != _OK:
            said = f": {describe_answer(text)}" if text.strip() else ""
            raise Trouble(f"{self._host} answered with HTTP status {status}{said}", again=status in _BUSY)
        try:
            return read_answer(text, smiles, key=self._settings.key)
        except ProtocolError as error:
            raise Trouble(str(error), again=False) from None

    def _cut(self, late: threading.Event) -> None:
        late.set()
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _too_late(seconds: float) -> Trouble:
        return Trouble(f"no answer within {seconds:g} s", status="timeout", again=False)


def http_oracle(text: OracleText) -> ExternalOracle:
    """`http://HOST/PATH` or `http[timeout=10,workers=4]://HOST/PATH`: a server that is asked by POST.

    Raises:
        ConfigError: An option that is none.
        UsageError: No host, or a user name and password, which have no place in a journal.
    """
    settings = external_settings(text)
    url = f"{text.name}:{text.argument}"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"'{text}' is not a URL: {error}") from None
    if not host:
        raise UsageError(f"'{text}' names no host", hint="Write it whole: http://localhost:8000/score.")
    if parts.username is not None:
        raise UsageError(
            "a user name or password in a URL would be kept in the journal",
            hint="Put them into a small program instead: cmd:python ask_server.py.",
        )
    return ExternalOracle(str(text), partial(HttpWorker, url, settings), settings)
