"""A run's first sandbox, made by plain HTTP over the engine's socket, while the SDK is still being imported.

That import takes 100 ms, and the start of a sandbox 250: in a short run nothing takes longer than these two.
"""

import json
import os
import threading
from collections.abc import Mapping
from contextlib import closing, suppress
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from typing import Final

from runner import naming
from runner.backends.docker import recipe
from runner.backends.docker.address import DEFAULT, local_socket
from runner.errors import EngineRefusedError, EngineTimeoutError, EngineUnavailableError, InfrastructureError
from runner.naming import Instance
from runner.settings import DockerSettings
from runner.sockets import UnixConnection

_CALL_SECONDS: Final = 30.0
_DOING: Final = "making a sandbox"
_STREAMS: Final = "stream=1&stdin=1&stdout=1&stderr=1"
_JSON: Final[Mapping[str, str]] = {"Content-Type": "application/json"}
_UPGRADE: Final[Mapping[str, str]] = {"Connection": "Upgrade", "Upgrade": "tcp"}


class HeadStart:
    """The creation and start of the first sandbox of the run ``run``, in a thread of its own."""

    def __init__(self, path: str, settings: DockerSettings, instance: Instance, run: str) -> None:
        self.run = run
        self._path = path
        self._body = recipe.sandbox(settings.sandbox_image, instance, run, recipe.BRIDGE)
        self._made = threading.Event()
        self._over = threading.Event()
        self._attached = _Connection(path)
        self._found: tuple[str, HTTPResponse] | None = None
        self._error: InfrastructureError | None = None
        threading.Thread(name="runner-head-start", target=self._run, daemon=True).start()

    def made(self) -> tuple[str, HTTPResponse] | None:
        """Return the id of its container and the answer of the attachment to that; None if there is no container."""
        self._made.wait()
        return self._found

    def started(self) -> None:
        """Wait until the container has been started.

        Raises:
            InfrastructureError: it could not be.
        """
        self._over.wait()
        if self._error is not None:
            raise self._error

    def abandon(self) -> None:
        """Remove what has been made, as nobody will take it; its volumes are left for the next run to sweep.

        Raises:
            InfrastructureError: it cannot be removed.
        """
        self._over.wait()
        if self._found is not None:
            self._attached.close()
            self._call("DELETE", f"/containers/{self._found[0]}?force=1")

    def _run(self) -> None:
        try:
            self._found = container, _ = self._make()
            self._made.set()
            self._call("POST", f"/containers/{container}/start")
        except InfrastructureError as error:
            self._error = error
        except (OSError, HTTPException, ValueError, LookupError, TypeError) as error:
            self._error = EngineUnavailableError(f"what listens at {self._path} does not answer as an engine: {error}")
        finally:
            self._made.set()
            self._over.set()

    def _make(self) -> tuple[str, HTTPResponse]:
        name = naming.sandbox(self.run, 1)
        container = json.loads(self._call("POST", f"/containers/create?name={name}", self._body))["Id"]
        try:
            return container, self._attach(container)  # before the start, or it is not heard if it ends
        except InfrastructureError:
            self._call("DELETE", f"/containers/{container}?force=1")  # whoever makes it anew needs its name
            raise

    def _attach(self, container: str) -> HTTPResponse:
        try:
            return self._attached.ask("POST", f"/containers/{container}/attach?{_STREAMS}", None, _UPGRADE)
        except InfrastructureError:
            self._attached.close()
            raise

    def _call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> bytes:
        with closing(_Connection(self._path)) as connection:
            return connection.ask(method, path, body, _JSON).read()


class _Connection(UnixConnection):
    """One connection to the engine."""

    def __init__(self, path: str) -> None:
        super().__init__(path, _CALL_SECONDS)

    def ask(
        self, method: str, path: str, body: Mapping[str, object] | None, headers: Mapping[str, str]
    ) -> HTTPResponse:
        """Return the answer to a request.

        Raises:
            EngineRefusedError: the engine does not want to.
            EngineTimeoutError, EngineUnavailableError: it does not answer.
        """
        try:
            self.request(method, path, None if body is None else json.dumps(body), dict(headers))
            answer = self.getresponse()
            if answer.status < HTTPStatus.BAD_REQUEST:
                return answer
            said = answer.read().decode(errors="replace").strip()
        except TimeoutError as error:
            raise EngineTimeoutError(f"{_DOING}: the engine did not answer in time") from error
        except (OSError, HTTPException) as error:
            raise EngineUnavailableError(f"{_DOING}: no engine answers ({error})") from error
        with suppress(ValueError, LookupError, TypeError):
            said = json.loads(said)["message"]
        raise EngineRefusedError(f"{_DOING}: {said}", status=answer.status)


def begin(settings: DockerSettings, instance: Instance, run: str) -> HeadStart | None:
    """Begin to make the first sandbox of a run, if the engine that the environment names has a socket here.

    It stands in the engine's default bridge, where runs of ``exec`` stand that reach nothing by name.
    """
    path = local_socket(os.environ.get("DOCKER_HOST") or DEFAULT)
    return HeadStart(path, settings, instance, run) if path and not settings.confined else None
