"""The SDK's client for an engine with a socket here, without what requests does for the web with each call.

Proxies, cookies, redirects and the like of a ``requests.Session`` take 0.5 ms of a call, and the answer itself 0.15. A
run makes ten calls a step.
"""

import weakref
from collections.abc import Mapping
from http.client import HTTPException
from io import BytesIO
from typing import Any, Final
from urllib.parse import urlencode

import docker
import requests
from urllib3.util import wait_for_read

from runner.sockets import UnixConnection

_SIMPLE: Final = frozenset({"params", "data", "headers", "timeout", "allow_redirects"})


class DirectClient(docker.APIClient):
    """A client of the engine that listens at ``path``; for one thread. It keeps its connection."""

    def __init__(self, path: str, seconds: int, version: str, **options: Any) -> None:  # noqa: ANN401 - the SDK's
        self._connection = UnixConnection(path, seconds)
        weakref.finalize(self, self._connection.close)  # its thread may end without a word
        super().__init__(version=version, timeout=seconds, **options)  # which may ask for the version

    def request(self, method: str | bytes, url: str | bytes, *rest: Any, **options: Any) -> requests.Response:  # noqa: ANN401 - those of requests
        """Make a call as ``requests.Session.request`` does, which takes on what is more than a short answer.

        Raises:
            OSError, HTTPException: the engine does not answer, or not as one.
        """
        given = {name: value for name, value in options.items() if value is not None and value is not False}
        body = given.get("data", b"")
        late = given.get("timeout", self.timeout) != self.timeout
        if rest or late or given.keys() - _SIMPLE or not isinstance(body, str | bytes):
            return super().request(method, url, *rest, **options)
        path = str(url).removeprefix(self.base_url)
        params = {name: value for name, value in given.get("params", {}).items() if value is not None}
        target = f"{path}?{urlencode(params, doseq=True)}" if params else path
        return self._ask(str(method).upper(), target, body, {**self._lasting(), **given.get("headers", {})})

    def close(self) -> None:
        """Close its connections."""
        self._connection.close()
        super().close()

    def _lasting(self) -> dict[str, str]:
        return {name: str(value) for name, value in self.headers.items() if name != "Accept-Encoding"}

    def _ask(self, method: str, target: str, body: str | bytes, headers: Mapping[str, str]) -> requests.Response:
        connection = self._connection
        if connection.sock is not None and wait_for_read(connection.sock, 0):
            connection.close()  # it is the engine that has closed it, which nobody asked anything
        try:
            connection.request(method, target, body or None, dict(headers))
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, HTTPException):
            connection.close()
            raise
        response = requests.Response()
        response.status_code, response.reason, response.url = answer.status, answer.reason, self.base_url + target
        response.headers.update(answer.getheaders())
        response.raw, response.encoding = BytesIO(content), "utf-8"
        return response
