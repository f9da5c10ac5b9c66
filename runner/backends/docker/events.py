"""The one stream of the engine's events: tells at once which of our containers was signalled or has ended, and how."""

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

    ``patience`` is how many seconds one waits for them.
    """

    def __init__(self, engine: Engine, instance: Instance, patience: float = CALL_SECONDS) -> None:
        self._engine = engine
        self._patience = patience
        self._filters = {"type": "container", "event": ["kill", "die"], "label": f"{LABEL_INSTANCE}={instance.id}"}
        self._listeners: list[Listener] = []
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
        parameters = {"filters": convert_filters(self._filters)}
        again = self._last > 0
        if again:
            parameters["since"] = f"{self._last // _NANO}.{self._last % _NANO:09d}"
        connection = connect(client, "GET", endpoint(client, "/events"), parameters, {"Connection": "close"})
        with self._lock:
            self._connection = connection
        try:
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
            moment, container = int(event["timeNano"]), str(event["Actor"]["ID"])
            action = event["Action"]
            code = int(event["Actor"]["Attributes"]["exitCode"]) if action == "die" else 0
        except (ValueError, KeyError, TypeError):
            diagnostics.warn("an event of the engine could not be read", text=text[:200])
            return
        if action not in ("kill", "die") or (moment, container) in self._seen:
            return
        self._seen.append((moment, container))
        self._last = max(self._last, moment)
        for listener in self._listeners:
            died, signalled = partial(listener.died, container, code), partial(listener.signalled, container)
            _tell(died if action == "die" else signalled)


def _tell(call: Callable[[], None]) -> None:
    try:
        call()
    except Exception:  # noqa: BLE001  # whatever it is, the other listeners must hear of their containers
        diagnostics.failed("a listener to the engine's events failed")
