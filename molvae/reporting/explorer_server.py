"""The local server of `molvae explore`: on the loopback interface, with a secret address."""

from __future__ import annotations

import hmac
import json
import math
import secrets
import socketserver
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from molvae.errors import MolvaeError, StorageError, UsageError
from molvae.text import jsonable

if TYPE_CHECKING:
    from collections.abc import Callable

    from molvae.reporting.explorer import Explorer

    Answer = Callable[[Explorer, dict[str, str]], dict[str, Any]]

LOOPBACK = "127.0.0.1"
_PAGES = {
    "": ("explore.html", "text/html; charset=utf-8"),
    "report.css": ("report.css", "text/css; charset=utf-8"),
    "explore.css": ("explore.css", "text/css; charset=utf-8"),
    "explore.js": ("explore.js", "text/javascript; charset=utf-8"),
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_LONGEST_ADDRESS = 4_000  # characters


class ExplorerServer(ThreadingHTTPServer):
    """Serves the page and its answers at `url`, until `shutdown`.

    It listens on 127.0.0.1 and refuses requests without its random token or for another host (DNS rebinding).

    Requests to the explorer are handled one at a time. Port 0 is any free port.

    Raises:
        StorageError: The port is taken.
    """

    daemon_threads = True

    def __init__(self, explorer: Explorer, port: int = 0) -> None:
        self.explorer = explorer
        self.token = secrets.token_urlsafe(18)
        self.model_lock = threading.Lock()
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except OSError as error:
            raise StorageError(
                f"cannot listen on port {port}: {error.strerror or error}", hint="Choose another with --port."
            ) from error

    def server_bind(self) -> None:
        """As in the standard library, without its host name lookup, which may be slow."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore browsers that disconnect during an answer."""

    @property
    def url(self) -> str:
        """URL of the page."""
        return f"http://{LOOPBACK}:{self.server_port}/{self.token}/"


class _Handler(BaseHTTPRequestHandler):
    """Handles one request."""

    server: ExplorerServer
    server_version = "molvae"
    sys_version = ""
    timeout = 30  # seconds an idle connection is kept
    answers: ClassVar[dict[str, Answer]] = {
        "model": lambda explorer, _: explorer.facts(),
        "map": lambda explorer, _: explorer.map(),
        "molecule": lambda explorer, given: explorer.molecule(_text(given, "smiles")),
        "drawing": lambda explorer, given: explorer.drawing(_text(given, "smiles")),
        "neighbors": lambda explorer, given: explorer.neighbors(
            _text(given, "smiles"),
            radius=_number(given, "radius", 0.0, 10.0),
            n_draws=round(_number(given, "draws", 1, 1000, 60)),
            seed=round(_number(given, "seed", 0, 2**31, 0)),
        ),
        "path": lambda explorer, given: explorer.path(
            _text(given, "start"),
            _text(given, "end"),
            n_steps=round(_number(given, "steps", 2, 101, 21)),
            seed=round(_number(given, "seed", 0, 2**31, 0)),
        ),
        "place": lambda explorer, given: explorer.place(
            _text(given, "smiles"), x=_number(given, "x", -1e3, 1e3), y=_number(given, "y", -1e3, 1e3)
        ),
    }

    def do_GET(self) -> None:
        """Send a page, or an answer as JSON."""
        if not self._is_ours():
            self._send(HTTPStatus.FORBIDDEN, "text/plain; charset=utf-8", b"incomplete address\n")
            return
        address = urlsplit(self.path)
        name = address.path.split("/", 2)[2]
        if name in _PAGES:
            file, kind = _PAGES[name]
            page = files("molvae.reporting").joinpath("templates", file).read_bytes()
            self._send(HTTPStatus.OK, kind, page)
        elif name in self.answers:
            given = {key: values[0] for key, values in parse_qs(address.query).items()}
            self._send_json(*self._answer(self.answers[name], given))
        else:
            self._send_json(HTTPStatus.NOT_FOUND, {"error": f"there is no '{name}'", "hint": None})

    def log_message(self, *_: Any) -> None:
        """Log nothing: the address contains the token."""

    def _is_ours(self) -> bool:
        port = self.server.server_port
        if self.headers.get("Host") not in {f"{LOOPBACK}:{port}", f"localhost:{port}"}:
            return False
        if len(self.path) > _LONGEST_ADDRESS or self.path.count("/") < 2:  # noqa: PLR2004 - around the token
            return False
        return hmac.compare_digest(self.path.split("/", 2)[1].encode(), self.server.token.encode())

    def _answer(self, answer: Answer, given: dict[str, str]) -> tuple[HTTPStatus, dict[str, Any]]:
        try:
            with self.server.model_lock:
                return HTTPStatus.OK, answer(self.server.explorer, given)
        except MolvaeError as error:
            return HTTPStatus.BAD_REQUEST, {"error": error.message, "hint": error.hint}
        except Exception as error:  # noqa: BLE001 - shown in the page; the server continues
            return HTTPStatus.INTERNAL_SERVER_ERROR, {
                "error": f"{type(error).__name__}: {error}",
                "hint": None,
            }

    def _send_json(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        text = json.dumps(jsonable(content), allow_nan=False)
        self._send(status, "application/json; charset=utf-8", text.encode())

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        for name, value in {**_HEADERS, "Content-Type": kind, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def serve(server: ExplorerServer) -> None:
    """Serve until interrupted, then release the port."""
    try:
        server.serve_forever(poll_interval=0.2)
    finally:
        server.server_close()


def _text(given: dict[str, str], name: str) -> str:
    text = given.get(name, "").strip()
    if not text:
        raise UsageError(f"'{name}' is missing: a SMILES is expected")
    return text


def _number(given: dict[str, str], name: str, low: float, high: float, default: float | None = None) -> float:
    text = given.get(name, "" if default is None else str(default))
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise UsageError(f"'{name}' must be a number from {low:g} to {high:g}, got '{text}'")
    return value
