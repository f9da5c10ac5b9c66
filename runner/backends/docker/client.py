"""Calls to the engine: one SDK client a thread, every call with a deadline, foreign errors turned into ours."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from json import JSONDecodeError

import docker
import docker.credentials.errors
import docker.errors
import requests
import urllib3.exceptions
from docker.utils import kwargs_from_env

from runner.backends.docker.address import DEFAULT, local_socket
from runner.backends.docker.direct import DirectClient
from runner.errors import (
    EngineRefusedError,
    EngineTimeoutError,
    EngineUnavailableError,
    InfrastructureError,
)
from runner.sockets import UnixConnection

CALL_SECONDS = 30
GONE, CONFLICT = 404, 409

_UNAVAILABLE_HINT = "is Docker running? `runner doctor` tells more; DOCKER_HOST names another engine"
_SETTINGS_HINT = "look at DOCKER_HOST, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH and Docker's config.json"


class Engine:
    """The engine that the environment names (``DOCKER_HOST`` and so on), for use from any thread.

    The SDK's client is not thread-safe (docker-py#3229), so each thread has its own; the API version is negotiated
    once.

    Raises:
        InfrastructureError: the environment names certificates that are not there.
    """

    def __init__(self, base_url: str | None = None) -> None:
        with translated("finding the engine"):
            self._options = kwargs_from_env()
        if base_url:
            self._options["base_url"] = base_url
        self._version: str | None = None
        self._local = threading.local()

    @property
    def address(self) -> str:
        """Where the engine listens."""
        return str(self._options.get("base_url") or DEFAULT)

    def check(self) -> None:
        """Make sure that an engine answers.

        Raises:
            EngineUnavailableError: none does; the message says where it was looked for.
        """
        with translated(f"reaching the engine at {self.address}"):
            self.api.ping()

    def check_anew(self, seconds: int = CALL_SECONDS) -> None:
        """Make sure that an engine answers, and will: one that is about to stop serves the connections it has, no more.

        Raises:
            EngineUnavailableError: none does.
            EngineTimeoutError: not within so many ``seconds``.
        """
        with translated(f"reaching the engine at {self.address}"):
            if path := local_socket(self.address):
                answer = _ping(path, seconds)  # 1 ms; a client of the SDK takes 4
                if answer.status != HTTPStatus.OK:
                    raise HTTPException(f"status {answer.status}")
            else:
                with closing(self.new_client(seconds)) as client:
                    client.ping()

    @property
    def api(self) -> docker.APIClient:
        """The client of this thread, with a deadline of ``CALL_SECONDS`` for each call."""
        found: docker.APIClient | None = getattr(self._local, "api", None)
        if found is None:
            found = self._local.api = self.new_client(CALL_SECONDS)
        return found

    def new_client(self, seconds: int) -> docker.APIClient:
        """Return a client of its own, whose calls may each take ``seconds``.

        Raises:
            EngineUnavailableError: no engine answers.
            InfrastructureError: its address or Docker's config file makes no sense.
        """
        with translated(f"reaching the engine at {self.address}"):
            try:
                client = self._made(seconds)
            except (ValueError, TypeError, AttributeError, LookupError) as error:
                # What the SDK raises over a port that is no number, or a config.json of another shape; its own errors
                # that are ValueErrors too are in translated's hands.
                if isinstance(error, _FOREIGN):
                    raise
                raise InfrastructureError(
                    f"reaching the engine at {self.address}: {type(error).__name__}: {error}", hint=_SETTINGS_HINT
                ) from error
            self._version = self._version or client.api_version
        if str(client.base_url).startswith("http+"):  # a socket of this machine, of which no proxy setting speaks
            client.trust_env = False
        return client

    def _made(self, seconds: int) -> docker.APIClient:
        if not (path := local_socket(self.address)):
            return docker.APIClient(version=self._version or "auto", timeout=seconds, **self._options)
        # A ping tells it, too; what the SDK asks for has the engine run two programs.
        version = self._version or _ping(path, seconds).getheader("Api-Version") or "auto"
        return DirectClient(path, seconds, version, **self._options)


def _ping(path: str, seconds: int) -> HTTPResponse:
    with closing(UnixConnection(path, seconds)) as connection:
        connection.request("GET", "/_ping")
        return connection.getresponse()


def endpoint(api: docker.APIClient, path: str, *arguments: str) -> str:
    """Return the URL of a call that the SDK does not wrap, its arguments quoted into ``path`` (``{0}`` and so on)."""
    url: str = api._url(path, *arguments)  # type: ignore[attr-defined]  # noqa: SLF001  # the SDK offers no other way
    return url


def accepted(answer: requests.Response) -> requests.Response:
    """Return the answer of such a call, unless it is a refusal, which is raised as the SDK raises those of others."""
    try:
        answer.raise_for_status()
    except requests.HTTPError as error:
        docker.errors.create_api_error_from_http_exception(error)
    return answer


_FOREIGN = (
    docker.errors.DockerException,
    docker.errors.StreamParseError,
    docker.credentials.errors.StoreError,
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    urllib3.exceptions.ProxySchemeUnsupported,
    HTTPException,
    JSONDecodeError,
    OSError,
)
_UNREACHED = (
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    urllib3.exceptions.ProxySchemeUnsupported,
    HTTPException,
    OSError,
)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn what the SDK raises into errors of ours that say what was being done.

    ``tests/unit/backends/docker/test_client.py`` proves that no exception of the SDK's passes through.
    """
    try:
        yield
    except _FOREIGN as error:
        raise _ours(doing, error) from error


def _ours(doing: str, error: Exception) -> InfrastructureError:
    """Return our error for one of theirs."""
    if isinstance(error, docker.errors.APIError):
        return EngineRefusedError(f"{doing}: {error.explanation or error}", status=error.status_code or 0)
    if _timed_out(error):
        return EngineTimeoutError(f"{doing}: the engine did not answer in time", hint="it may be overloaded or hung")
    # The SDK wraps a refused connection into its base class while it negotiates the version.
    negotiating = isinstance(error, docker.errors.DockerException) and "API version" in str(error)
    if isinstance(error, _UNREACHED) or negotiating:
        return EngineUnavailableError(f"{doing}: no engine answers ({_root(error)})", hint=_UNAVAILABLE_HINT)
    hint = _SETTINGS_HINT if isinstance(error, docker.errors.TLSParameterError) else ""
    return InfrastructureError(f"{doing}: {error}", hint=hint)


def _root(error: BaseException) -> str:
    """Return the operating system's word for what is behind an error, if it has one: the SDK wraps it four times."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, OSError) and link.strerror:
            return link.strerror
        link = link.__cause__ or link.__context__
    return str(error)


def _timed_out(error: Exception) -> bool:
    """Whether an answer did not come in time; requests hides that of a streamed body in a ConnectionError."""
    causes = (error, *error.args)
    late = (requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError, TimeoutError)
    return any(isinstance(cause, late) for cause in causes)


@contextmanager
def tolerating(*statuses: int) -> Iterator[None]:
    """Take these answers of the engine as done: a state of the world, not an error."""
    try:
        yield
    except EngineRefusedError as error:
        if error.status not in statuses:
            raise
