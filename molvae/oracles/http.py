"""A server as an oracle: `http://...` or `https://...`, called by POST, JSON in and out."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import socket
import threading
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlsplit

from molvae.errors import UsageError
from molvae.oracles.base import describe_answer, describe_error
from molvae.oracles.command import external_settings
from molvae.oracles.external import ExternalOracle, Trouble
from molvae.oracles.protocol import VERSION, ProtocolError, read_answer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from urllib.parse import SplitResult

    from molvae.oracles.base import OracleText, Score
    from molvae.oracles.config import ExternalSettings

_LONGEST_ANSWER = 64 << 20  # bytes
_OK = 200
_BUSY = (425, 429, 500, 502, 503)  # may succeed on a retry
_LATE = (408, 504)  # time-out of a proxy or of the server
_VARIABLE = re.compile(r"\$\{(MOLVAE_\w+)\}")
_URL = re.compile(r"https?(?:\[[^\]]*\])?://\S+")
_SECRET = re.compile(
    r"(?:^|[-_.]|api|access)key$|token|secret|passw|pwd|auth(?!or)|signature|credential|^sig$|^code$",
    re.IGNORECASE,
)


class HttpWorker:
    """Requests to a server, one at a time, each on its own connection.

    The request runs in a thread, so that the time-out is a total one: socket time-outs restart with every
    byte and address, and name resolution has none. In the URL, `${MOLVAE_NAME}` is replaced by the
    environment variable.
    """

    def __init__(self, url: str, settings: ExternalSettings) -> None:
        self._parts = urlsplit(url)
        self._settings = settings
        self._over: threading.Event | None = None

    def ask(self, smiles: Sequence[str], seconds: float) -> list[Score]:
        """One score for each molecule.

        Raises:
            Trouble: The request failed.
        """
        over = self._over = threading.Event()
        exchange = _Exchange(self._parts, json.dumps({"version": VERSION, "smiles": list(smiles)}), over)
        threading.Thread(target=exchange.run, args=(seconds,), daemon=True).start()
        try:
            late = not over.wait(seconds)
        finally:
            exchange.cut()
        if late or isinstance(exchange.error, TimeoutError):
            raise Trouble(f"no answer within {seconds:g} s", status="timeout", again=False)
        if isinstance(exchange.error, http.client.IncompleteRead):  # one molecule may be the cause
            raise Trouble(f"the answer of {exchange.host} ends {exchange.error.expected} bytes too early")
        if isinstance(exchange.error, ProtocolError):
            raise Trouble(str(exchange.error), again=False)
        if exchange.error is not None:
            detail = f"no answer from {exchange.host}: {describe_error(exchange.error)}"
            raise Trouble(detail, apart=False) from None
        if exchange.answer is None:
            raise Trouble(f"the request to {exchange.host} was aborted", again=False, apart=False)
        return self._read(*exchange.answer, exchange.host, smiles)

    def close(self) -> None:
        """Nothing to do."""

    def interrupt(self) -> None:
        """Abort the request while another thread waits for it."""
        if self._over is not None:
            self._over.set()

    def _read(self, status: int, text: str, host: str, smiles: Sequence[str]) -> list[Score]:
        if status != _OK:
            said = f": {describe_answer(text)}" if text.strip() else ""
            detail = f"{host} answered with HTTP status {status}{said}"
            late = status in _LATE
            raise Trouble(detail, status="timeout" if late else "failed", again=status in _BUSY)
        try:
            return read_answer(text, smiles, key=self._settings.key)
        except ProtocolError as error:
            raise Trouble(str(error), again=False) from None


class _Exchange:
    """One request and its answer, in a thread.

    Attributes:
        answer: HTTP status and text.
        error: Error of the connection or of the answer.
    """

    def __init__(self, parts: SplitResult, body: str, over: threading.Event) -> None:
        self.host = parts.netloc.rpartition("@")[2]
        self.answer: tuple[int, str] | None = None
        self.error: Exception | None = None
        self._parts, self._body, self._over = parts, body, over
        self._socket: socket.socket | None = None
        self._cut = False

    def run(self, seconds: float) -> None:
        """Post the request and read the answer; sets `over` at the end in any case."""
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        try:
            connection = kind(self.host, timeout=seconds)
            try:
                connection.connect()
                self._socket = connection.sock  # the connection forgets it if the server will close it
                if not self._cut:
                    self.answer = self._exchanged(connection)
            finally:
                connection.close()
        except Exception as error:  # noqa: BLE001 - raised in the calling thread
            self.error = error
        finally:
            self._over.set()

    def cut(self) -> None:
        """Abort the request."""
        self._cut = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _exchanged(self, connection: http.client.HTTPConnection) -> tuple[int, str]:
        path = (self._parts.path or "/") + (f"?{self._parts.query}" if self._parts.query else "")
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "molvae"}
        connection.request("POST", with_secrets(path), self._body, headers)
        response = connection.getresponse()
        data = response.read(_LONGEST_ANSWER + 1)
        if len(data) > _LONGEST_ANSWER:
            raise ProtocolError(f"an answer of more than {_LONGEST_ANSWER >> 20} MB")
        if response.length:
            raise http.client.IncompleteRead(data[:0], response.length)
        return response.status, data.decode(errors="replace")


def http_oracle(text: OracleText) -> ExternalOracle:
    """`http://HOST/PATH` or `http[timeout=10,workers=4]://HOST/PATH`: a server that is called by POST.

    Raises:
        ConfigError: An unknown option.
        UsageError: There is no host, or a user name and password.
    """
    settings = external_settings(text)
    url = f"{text.name}:{text.argument}"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"'{text}' is not a URL: {error}") from None
    if not host:
        raise UsageError(f"'{text}' names no host", hint="Write the whole URL: http://localhost:8000/score.")
    refuse_secrets(url)
    with_secrets(url)  # raises early if a variable is missing
    return ExternalOracle(str(text), partial(HttpWorker, url, settings), settings)


def with_secrets(url: str) -> str:
    """A URL with the values of the environment for each `${MOLVAE_NAME}`.

    Other variables are not read, so that an untrusted URL cannot leak them.

    Raises:
        UsageError: There is no such variable.
    """

    def value(found: re.Match[str]) -> str:
        if found[1] not in os.environ:
            raise UsageError(f"a URL names the environment variable {found[1]}, which is not set")
        return quote(os.environ[found[1]], safe="")

    return _VARIABLE.sub(value, url)


def refuse_secrets(text: str) -> None:
    """Refuse a password or a key in a URL: the text of an oracle is kept in journals, tables and reports.

    Raises:
        UsageError: There is one; the hint says how to avoid it.
    """
    for url in _URL.findall(text):
        if "@" in url.partition("://")[2].partition("/")[0]:
            raise UsageError(
                "a user name or password in a URL would be kept in the journal",
                hint="Put them into a small program instead: cmd:python ask_server.py.",
            )
        for name, given in parse_qsl(urlsplit(url).query):
            if _SECRET.search(name) and not _VARIABLE.fullmatch(given):
                raise UsageError(
                    f"the value of '{name}' in a URL would be kept in journals, tables and reports",
                    hint=f"Put it into the environment, and write {name}=${{MOLVAE_KEY}} (any name that "
                    "begins with MOLVAE_), in single quotes.",
                )
