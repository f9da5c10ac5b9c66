"""Images: making them present, and knowing what is in them."""

import json
import stat
import threading
from base64 import b64decode
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests
from docker.errors import create_api_error_from_http_exception

from runner.backends.docker.client import GONE, Engine, endpoint, translated
from runner.backends.docker.gate import SHELL
from runner.backends.docker.memory import Memory
from runner.backends.docker.references import Reference
from runner.engine.backend import PullProgress
from runner.errors import EngineRefusedError, ImageError, InfrastructureError, RunnerError
from runner.records import record
from runner.settings import DockerSettings

if TYPE_CHECKING:
    from runner.backends.docker.pulls import Puller

# Go's os.FileMode, which the archive call answers with: type bits on top, permissions below.
_GO_SYMLINK = 1 << 27
_GO_TYPE = 0x8F28_0000


@record
class Image:
    """What an image says of the containers made from it; ``environment`` has its PATH, if it sets one."""

    id: str
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    has_healthcheck: bool = False


@dataclass(kw_only=True)
class _Flight:
    """A pull under way, and everybody who asked for it."""

    reports: list[Callable[[PullProgress], None]]
    landed: Future[None] = field(default_factory=Future)

    def report(self, progress: PullProgress) -> None:
        for report in tuple(self.reports):
            report(progress)


class Images:
    """The engine's images, for use from any thread.

    Nothing is kept of a name but what its image is like at the moment: a step may build an image anew behind a tag, and
    not every engine tells of that.
    """

    def __init__(self, engine: Engine, settings: DockerSettings, memory: Memory | None = None) -> None:
        self._engine = engine
        self._memory = memory or Memory()
        # A limit of 0 is none.
        self._settings = settings
        self._lock = threading.Lock()
        self._flights: dict[Reference, _Flight] = {}
        self._shells: dict[str, bool] = {}

    def fetch(self, image: str, *, always: bool, report: Callable[[PullProgress], None]) -> None:
        """Make an image present: pull it when it is absent, or in any case when ``always``.

        Threads that ask for the same image at the same time share one pull, its progress and its failure. At most ten
        reports come a second, from the thread that pulls; the last one is never left out.

        Raises:
            ImageError: the registry does not have it or does not give it, or it does not arrive in time.
            InfrastructureError: the engine does not answer.
        """
        reference = Reference.parse(image)
        if not always and self._look(image) is not None:
            return
        self._pull(reference, report)
        if self._look(image) is None:
            raise ImageError(f"image {image}: the engine says it has pulled it, but does not have it")

    def describe(self, image: str) -> Image:
        """Return what an image that is present says of itself.

        Raises:
            ImageError: it is not there, or it is no name of an image.
        """
        Reference.parse(image)
        known = self._look(image)
        if known is None:
            hint = f"`docker pull {image}` fetches it; the pull policy `never` leaves that to you"
            raise ImageError(f"image {image} is not there", hint=hint)
        return known

    def has_shell(self, image_id: str) -> bool | None:
        """Whether an image has a shell, or None while ``shell_in`` has not looked."""
        return self._shells.get(image_id)

    def shell_in(self, container_id: str, image_id: str) -> bool:
        """Whether a container of an image has ``/bin/sh``; it need not run, and each image is looked at once.

        Raises:
            EngineRefusedError: the container is not there.
        """
        found, fact = self._shells.get(image_id), f"image {image_id} has {SHELL}"
        if found is None and self._memory.knows(fact):
            found = self._shells[image_id] = True
        if found is None:
            found = self._is_program(container_id, SHELL)
            if not found:
                # A container that is gone has no shell either, and HEAD does not tell which.
                with translated(f"looking for {SHELL} in container {container_id}"):
                    self._engine.api.inspect_container(container_id)
            else:
                self._memory.learn(fact)
            self._shells[image_id] = found
        return found

    def _look(self, image: str) -> Image | None:
        """Ask the engine for an image; 1.2 ms."""
        try:
            with translated(f"inspecting image {image}"):
                raw = self._engine.api.inspect_image(image)  # type: ignore[no-untyped-call]  # the stubs lack it
        except EngineRefusedError as error:
            if error.status != GONE:
                raise
            return None
        return _image(raw)

    def _pull(self, reference: Reference, report: Callable[[PullProgress], None]) -> None:
        with self._lock:
            flight = self._flights.get(reference)
            leads = flight is None
            if flight is None:
                flight = self._flights[reference] = _Flight(reports=[])
            flight.reports.append(report)
        if leads:
            self._lead(reference, flight)
        flight.landed.result()

    def _lead(self, reference: Reference, flight: _Flight) -> None:
        """Pull for everybody; how it went is in ``flight.landed``."""
        # Whoever waits is told in any case, also when this thread is interrupted.
        outcome: RunnerError | None = InfrastructureError(f"the pull of {reference} was interrupted")
        try:
            self._puller().pull(reference, flight.report)
            outcome = None
        except RunnerError as error:
            outcome = error
        finally:
            with self._lock:
                del self._flights[reference]
            if outcome is None:
                flight.landed.set_result(None)
            else:
                flight.landed.set_exception(outcome)

    def _puller(self) -> "Puller":
        from runner.backends.docker.pulls import Puller  # noqa: PLC0415 - most images are there already

        settings = self._settings
        return Puller(engine=self._engine, total=settings.pull_total or None, stall=settings.pull_stall or None)

    def _is_program(self, container_id: str, path: str) -> bool:
        """Whether there is a program at a path, or at the end of a link there (``/bin/sh`` to ``/bin/busybox``)."""
        found = self._stat(container_id, path)
        if found is not None and found.link_target:
            found = self._stat(container_id, found.link_target)
        return found is not None and found.is_program

    def _stat(self, container_id: str, path: str) -> "_Stat | None":
        with translated(f"looking for {path} in container {container_id}"):
            api = self._engine.api
            answer = api.head(endpoint(api, "/containers/{0}/archive", container_id), params={"path": path})
            return None if answer.status_code == GONE else _Stat.read(answer)


@record
class _Stat:
    """What the archive call says of a path. A link's target is resolved in full, and absolute."""

    mode: int
    link_target: str = ""

    @property
    def is_program(self) -> bool:
        return self.mode & _GO_TYPE == 0 and self.mode & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH) != 0

    @classmethod
    def read(cls, answer: requests.Response) -> "_Stat":
        try:
            answer.raise_for_status()
        except requests.HTTPError as error:
            create_api_error_from_http_exception(error)
        fields = json.loads(b64decode(answer.headers["X-Docker-Container-Path-Stat"]))
        mode = int(fields["mode"])
        return cls(mode=mode, link_target=str(fields.get("linkTarget", "")) if mode & _GO_SYMLINK else "")


def _image(raw: Mapping[str, Any]) -> Image:
    """Read the engine's JSON form; what an image does not set may be absent or null."""
    config: Mapping[str, Any] = raw.get("Config") or {}
    test = (config.get("Healthcheck") or {}).get("Test") or ["NONE"]
    pairs = (entry.partition("=") for entry in config.get("Env") or ())
    return Image(
        id=raw["Id"],
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        user=config.get("User") or "",
        environment={name: value for name, _, value in pairs},
        has_healthcheck=test[0] != "NONE",
    )
