"""The SDK's client for an engine with a socket here, without what requests does for the web with each call.

Proxies, cookies, redirects and the like of a ``requests.Session`` take 0.4 ms of processor time, and what is left of a
call 0.2. A step needs six.
"""

import weakref
from contextlib import suppress
from io import BytesIO
from typing import Any, Final
from urllib.parse import urlencode

import docker
import requests
from requests.structures import CaseInsensitiveDict
from urllib3.util import wait_for_read

from runner.sockets import UnixConnection

_SIMPLE: Final = frozenset({"params", "data", "headers", "timeout", "allow_redirects"})


class DirectClient(docker.APIClient):
    """A client of the engine that listens at ``path``; for one thread. It keeps its connection."""

    def __init__(self, path: str, seconds: int, version: str, **options: Any) -> None:  # noqa: ANN401 - the SDK's
        self._connection = UnixConnection(path, seconds)
        weakref.finalize(self, _let_go, self._connection)  # its thread may end without a word
        super().__init__(version=version, timeout=seconds, **options)  # which may ask for the version

    def request(self, method: str | bytes, url: str | bytes, *rest: Any, **options: Any) -> requests.Response:  # noqa: ANN401 - those of requests
        """Make a call whose answer is short; what is more is left to ``requests.Session.request``.

        No redirects are followed.

        Raises:
            OSError, HTTPException: the engine does not answer, or not as one.
        """
        given = {name: value for name, value in options.items() if value is not None and value is not False}
        body = given.get("data", b"")
        headers = CaseInsensitiveDict({**self.headers, "Accept-Encoding": "identity"})
        headers.update(given.get("headers", {}))
        plain = isinstance(body, str | bytes) and all(_is_plain(value) for value in headers.values())
        if rest or given.keys() - _SIMPLE or not plain or options.get("timeout", self.timeout) != self.timeout:
            return super().request(method, url, *rest, **options)
        path = str(url).removeprefix(self.base_url)
        params = {name: value for name, value in given.get("params", {}).items() if value is not None}
        target = f"{path}?{urlencode(params, doseq=True)}" if params else path
        sent = body.encode() if isinstance(body, str) else body
        return self._ask(str(method).upper(), target, sent, {name: str(value) for name, value in headers.items()})

    def close(self) -> None:
        """Close its connections."""
        self._connection.close()
        super().close()

    def _ask(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> requests.Response:
        connection = self._connection
        if connection.sock is not None and wait_for_read(connection.sock, 0):
            connection.close()  # it is the engine that has closed it, which nobody asked anything
        try:
            with suppress(BrokenPipeError):  # who refuses a large body may do so before it has read all of it
                connection.request(method, target, body or None, headers)
            answer = connection.getresponse()
            content = answer.read()
        except BaseException:  # also Ctrl-C: the next call would get the answer to this one
            connection.close()
            raise
        response = requests.Response()
        response.status_code, response.reason, response.url = answer.status, answer.reason, self.base_url + target
        response.headers.update(answer.getheaders())
        response.raw, response.encoding = BytesIO(content), "utf-8"
        return response


def _let_go(connection: UnixConnection) -> None:
    """Close a connection without waiting for an answer that somebody may be reading, as ``close`` does."""
    if connection.sock is not None:
        connection.sock.close()


def _is_plain(value: object) -> bool:
    """Whether a header can be sent as it is; Docker's config file may ask for others, of which requests complains."""
    return isinstance(value, str) and value.isascii() and value.isprintable()
