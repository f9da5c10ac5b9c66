"""Who may talk to the daemon: whoever can open its socket; over TCP whoever has the token, and no page of a browser.

A page of another site could send requests with a browser's hand (CSRF), or have its own name lead to this machine (DNS
rebinding). So the host that a request is meant for must be one of ours, and no request may come from another origin;
over the socket, too, since people reach that through tunnels.

Whoever posts to a hook of a pipeline has the token of that, and not the daemon's: the hook itself asks for it.
"""

import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import field
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runner.api.errors import Refusal, answer
from runner.dispatch.hooks import FOLDER as HOOKS
from runner.errors import InfrastructureError, UsageError, quoted
from runner.records import record

HEALTH: Final = "/healthz"
"""What needs no token."""

_BYTES: Final = 32
_LAST_PORT: Final = 65535
_OWN: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST: Final = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[^:/@\[\]\s]+))(?::\d{1,5})?")
_SAME_SITE: Final = frozenset({"same-origin", "none"})
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
"""Logs and names are hostile: no browser may take an answer for a page."""


@record
class Access:
    """Who may. Without a ``token`` nobody may over TCP; ``hosts`` are names of this machine beside its own."""

    token: str = field(default="", repr=False)
    hosts: frozenset[str] = frozenset()

    @classmethod
    def over_tcp(cls, token: str, listen: str, names: Iterable[str] = ()) -> "Access":
        """Return who may where the daemon listens on ``listen``, as ``address_of`` reads it.

        Who listens on all addresses is called by any of them; they cannot be had by rebinding, as names can.

        Raises:
            UsageError: ``listen`` is no address.
        """
        own, _ = address_of(listen)
        return cls(token=token, hosts=frozenset(name.lower().rstrip(".") for name in (own, *names)))

    def knows(self, host: str) -> bool:
        """Whether ``host``, a Host header, means this machine."""
        found = _HOST.fullmatch(host)
        name = (found["six"] or found["name"]).lower().rstrip(".") if found else ""
        return name in _OWN or name in self.hosts or (self._everywhere and _is_address(name))

    def admits(self, authorization: str) -> bool:
        """Whether an Authorization header shows the token; takes as long for a wrong one as for the right one."""
        scheme, _, shown = authorization.partition(" ")
        right = secrets.compare_digest(shown.strip().encode("utf-8", "replace"), self.token.encode())
        return right and scheme.lower() == "bearer" and bool(self.token)

    @property
    def _everywhere(self) -> bool:
        return any(_is_address(host) and ip_address(host).is_unspecified for host in self.hosts)


def address_of(listen: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT`` or ``[IPv6]:PORT``; the port 0 means any that is free.

    Raises:
        UsageError: it is neither.
    """
    host, _, port = listen.rpartition(":")
    if not _HOST.fullmatch(host) or not port.isdecimal() or int(port) > _LAST_PORT:
        raise UsageError(
            f"{quoted(listen)} is no address to listen on", hint="for example 127.0.0.1:8080 or [::1]:8080"
        )
    return host.strip("[]"), int(port)


class Door:
    """Lets in whoever may; tells the app in ``scope["local"]`` whether that is by the socket."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def careful(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        scope["local"] = _is_local(scope)
        refusal = self._refusal(HTTPConnection(scope), local=scope["local"])
        await (answer(refusal) if refusal else self._app)(scope, receive, careful)

    def _refusal(self, request: HTTPConnection, *, local: bool) -> Refusal | None:
        host = request.headers.get("host", "")
        if not self._access.knows(host):
            return Refusal(
                HTTPStatus.FORBIDDEN,
                f"{quoted(host)} is no name of this daemon",
                hint="RUNNER_HOSTS names those that it has beside localhost and the address that it listens on",
            )
        if _from_elsewhere(request.headers, host):
            return Refusal(HTTPStatus.FORBIDDEN, "pages of other sites may not talk to this daemon")
        path = request.scope["path"]
        if local or path == HEALTH or path.startswith(HOOKS):
            return None
        if self._access.admits(request.headers.get("authorization", "")):
            return None
        return Refusal(
            HTTPStatus.UNAUTHORIZED,
            "this needs the token of the daemon",
            hint="send it as Authorization: Bearer TOKEN; it is in the file token of the daemon's data directory",
            headers={"WWW-Authenticate": "Bearer"},
        )


def token_in(file: Path) -> str:
    """Return the token that a file holds; a new one where there is no such file.

    Raises:
        UsageError: others can read it, or it is too short.
        InfrastructureError: it cannot be read or made.
    """
    try:
        if not file.exists():
            _make(file, secrets.token_urlsafe(_BYTES))
        if file.stat().st_mode & 0o077:
            raise UsageError(f"{file}: others than its owner may read or write it", hint=f"chmod 600 {file}")
        token = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise InfrastructureError(f"the token {file}: {error.strerror}") from error
    if len(token) < _BYTES:
        raise UsageError(f"{file}: a token has at least {_BYTES} characters", hint="remove it to have a new one made")
    return token


def _make(file: Path, token: str) -> None:
    """Write it whole or not at all, and never so that others could read it."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as written:
        written.write(f"{token}\n")
        written.flush()
        os.fsync(written.fileno())
    draft.rename(file)


def _is_local(scope: Scope) -> bool:
    """Whether a request came over a Unix socket, whose server has a path and no port."""
    server = scope.get("server")
    return server is not None and server[1] is None


def _from_elsewhere(headers: Headers, host: str) -> bool:
    """Whether a browser says that it sends this for a page of another site, or of another port of this machine."""
    sites, origins = headers.getlist("sec-fetch-site"), headers.getlist("origin")
    return any(site not in _SAME_SITE for site in sites) or any(_netloc(each) != host.lower() for each in origins)


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
