"""Where the daemon is that commands speak to."""

import os
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from runner.errors import UsageError
from runner.records import record
from runner.settings import DaemonSettings

_SCHEMES: Final = ("http", "https")
_HINT: Final = "set RUNNER_TOKEN_FILE to a copy of the file token of the daemon's data directory, or RUNNER_TOKEN"


@record
class Endpoint:
    """A daemon's address: its ``socket``, else ``url`` (``http://host:port``) and the ``token`` that opens it."""

    socket: Path | None = None
    url: str = ""
    token: str = field(default="", repr=False)

    @property
    def local(self) -> bool:
        """Whether the daemon sees the files of this machine."""
        return self.socket is not None

    def __str__(self) -> str:
        return self.url or str(self.socket)

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> "Endpoint":
        """Return what the environment names: RUNNER_URL, else the socket in the data directory.

        Raises:
            UsageError: a variable has a value that means nothing, or there is no token.
        """
        url = environment.get("RUNNER_URL", "").rstrip("/")
        if not url:
            return cls(socket=DaemonSettings.read(environment).socket)
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES or not parts.hostname or not _has_port(url):
            raise UsageError(f"RUNNER_URL={_shown(url)}: not an address", hint="for example http://127.0.0.1:8080")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise UsageError(f"RUNNER_URL={_shown(url)}: only host, port and path can be there", hint=_HINT)
        return cls(url=url, token=_token(environment))


def _has_port(url: str) -> bool:
    """Whether the port of an address is one, if it has any."""
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _shown(url: str) -> str:
    """Return an address without what may be a password in it."""
    return url.rpartition("@")[2]


def _token(environment: Mapping[str, str]) -> str:
    token, file = environment.get("RUNNER_TOKEN", ""), environment.get("RUNNER_TOKEN_FILE", "")
    name = "RUNNER_TOKEN" if token else f"RUNNER_TOKEN_FILE={file}"
    if not token and not file:
        raise UsageError("RUNNER_URL needs a token", hint=_HINT)
    try:
        token = (token or Path(file).read_text(encoding="ascii")).strip()
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: this is not a token", hint=_HINT) from error
    if not (token.isascii() and token.isprintable() and token):
        raise UsageError(f"{name}: this is not a token", hint=_HINT)
    return token
