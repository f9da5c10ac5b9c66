"""The one stream of the engine's events: which of our containers was signalled or has ended, and that images changed.

One stream for both: whoever has heard of the end of a step has heard of all that it did to the engine's images.
"""

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from docker.utils import convert_filters

from runner import diagnostics
from runner.backends.docker.attach import Connection, connect, pieces
from runner.backends.docker.client import CALL_SECONDS, Engine, endpoint
from runner.errors import EngineUnavailableError, InfrastructureError
from runner.naming import LABEL_INSTANCE, Instance

_FIRST_DELAY, _LONGEST_DELAY = 0.05, 2.0
_KEPT_BY_ENGINE = 256  # moby, daemon/events: older ones are not sent again
_NANO = 1_000_000_000
_OF_CONTAINERS = ("kill", "die")
# `create`, which containers have too, is the word of engines that keep images with containerd.
_OF_IMAGES = ("tag", "untag", "delete", "import", "load", "pull", "create")


class Listener(Protocol):
    """Who wants to know. Called from the thread of the events; no method blocks."""

    def signalled(self, container: str) -> None:
        """Note that somebody has sent a container a signal: we, another client, or the engine itself."""

    def died(self, container: str, exit_code: int) -> None:
        """Note that a container has ended."""

    def resync(self) -> None:
        """Note that events may have been missed: ask the engine about whatever is waited for."""


class Events:
    """Follows the ends of all containers of one instance. Events are hints; the truth is what the engine inspects.

    ``patience`` is how many seconds one waits for them. The engine is not asked to look at labels: images do not have
    ours.
    """

    def __init__(self, engine: Engine, instance: Instance, patience: float = CALL_SECONDS) -> None:
        self._engine = engine
        self._patience = patience
        self._instance = instance.id
        self._listeners: list[Listener] = []
        self._images: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._connection: Connection | None = None
        self._subscribed = threading.Event()
        self._closing = threading.Event()
        self._trouble = ""
        self._last = 0
        self._seen: deque[tuple[int, str]] = deque(maxlen=_KEPT_BY_ENGINE)

    def add(self, listener: Listener) -> None:
        """Tell this listener, too."""
        self._listeners.append(listener)

    def add_images(self, changed: Callable[[], None]) -> None:
        """Call this, too, when an image of any name may have become another; it does not block."""
        self._images.append(changed)

    @property
    def live(self) -> bool:
        """Whether everything is being heard of."""
        return self._subscribed.is_set()

    def ready(self) -> None:
        """Wait until no end of a container that starts from now on can be missed.

        Raises:
            EngineUnavailableError: the engine gives no events.
        """
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="runner-events", daemon=True)
                self._thread.start()
        if not self._subscribed.wait(self._patience):
            raise EngineUnavailableError(f"the engine gives no events: {self._trouble or 'no answer'}")

    def close(self) -> None:
        """End the thread, at once."""
        self._closing.set()
        with self._lock:
            thread, connection = self._thread, self._connection
        if connection is not None:
            connection.shut()
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        delay = _FIRST_DELAY
        while not self._closing.is_set():
            try:
                self._follow()
            except InfrastructureError as error:
                self._trouble = error.message
            if self._subscribed.is_set():
                self._subscribed.clear()
                delay = _FIRST_DELAY
            self._closing.wait(delay)
            delay = min(delay * 2, _LONGEST_DELAY)

    def _follow(self) -> None:
        """Subscribe, and hand on events until the connection ends."""
        client = self._engine.new_client(CALL_SECONDS)
        wanted = {"type": ["container", "image"], "event": [*_OF_CONTAINERS, *_OF_IMAGES]}
        parameters = {"filters": convert_filters(wanted)}
        again = self._last > 0
        if again:
            parameters["since"] = f"{self._last // _NANO}.{self._last % _NANO:09d}"
        connection = connect(client, "GET", endpoint(client, "/events"), parameters, {"Connection": "close"})
        with self._lock:
            self._connection = connection
        try:
            for changed in self._images:  # before anybody may rely on hearing of it
                _tell(changed)
            self._subscribed.set()
            for listener in self._listeners:
                _tell(listener.resync)
            if not self._closing.is_set():
                self._read(connection)
        finally:
            with self._lock:
                self._connection = None
            connection.close()
            client.close()

    def _read(self, connection: Connection) -> None:
        line = b""
        for piece in pieces(connection, stall=None):
            *whole, line = (line + bytes(piece)).split(b"\n")
            for text in whole:
                if text.strip():
                    self._take(text)

    def _take(self, text: bytes) -> None:
        try:
            event: Mapping[str, Any] = json.loads(text)
            moment, actor = int(event["timeNano"]), str(event["Actor"]["ID"])
            action, attributes = event["Action"], event["Actor"]["Attributes"] or {}
            code = int(attributes["exitCode"]) if action == "die" else 0
        except (ValueError, KeyError, TypeError):
            diagnostics.warn("an event of the engine could not be read", text=text[:200])
            return
        if (moment, actor) in self._seen:
            return
        self._seen.append((moment, actor))
        self._last = max(self._last, moment)
        if event.get("Type") == "image":
            for changed in self._images:
                _tell(changed)
        elif action in _OF_CONTAINERS and attributes.get(LABEL_INSTANCE) == self._instance:
            self._tell_all(actor, action, code)

    def _tell_all(self, container: str, action: str, code: int) -> None:
        for listener in self._listeners:
            died, signalled = partial(listener.died, container, code), partial(listener.signalled, container)
            _tell(died if action == "die" else signalled)


def _tell(call: Callable[[], None]) -> None:
    try:
        call()
    except Exception:  # noqa: BLE001  # whatever it is, the other listeners must hear of their containers
        diagnostics.failed("a listener to the engine's events failed")
