"""Keys and passwords of servers: in the environment, never in the text of an oracle."""

from __future__ import annotations

import os
import re
from urllib.parse import parse_qsl, quote, urlsplit

from molvae.errors import UsageError

_VARIABLE = re.compile(r"\$\{(MOLVAE_\w+)\}")
_URL = re.compile(r"https?(?:\[[^\]]*\])?://\S+")
_SECRET = re.compile(
    r"(?:^|[-_.]|api|access)key$|token|secret|passw|pwd|auth(?!or)|signature|credential|^sig$|^code$",
    re.IGNORECASE,
)


def with_secrets(url: str) -> str:
    """A URL with the values of the environment in place of `${MOLVAE_NAME}`.

    Only names that begin so are looked up: a URL that somebody else wrote cannot ask for other secrets.

    Raises:
        UsageError: There is no such variable.
    """

    def value(found: re.Match[str]) -> str:
        if found[1] not in os.environ:
            raise UsageError(f"the environment has no variable {found[1]}, which a URL names")
        return quote(os.environ[found[1]], safe="")

    return _VARIABLE.sub(value, url)


def refuse_secrets(text: str) -> None:
    """Refuse an oracle's text with a password or a key in a URL: it is kept in journals, tables and reports.

    Raises:
        UsageError: With how to keep it out.
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
