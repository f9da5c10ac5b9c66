"""One thread that reads every attached stream: one that is not read wedges its container, and calls to the engine.

It waits for other descriptors beside.
"""

import contextlib
import os
import selectors
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

from runner import diagnostics
from runner.backends.docker.attach import Connection
from runner.backends.docker.frames import Frames
from runner.errors import InfrastructureError

_READ_BYTES = 1 << 20


class Sink(Protocol):
    """Who takes a stream. Called from the reader's thread; no method blocks."""

    def write(self, stream: int, data: bytes) -> None:
        """Take a piece."""

    def ended(self, error: Exception | None) -> None:
        """Note that nothing more comes, and what broke the stream if it did not end by itself."""


class _Entry:
    """One registered stream."""

    def __init__(self, connection: Connection, sink: Sink) -> None:
        self.connection = connection
        self.sink = sink
        self.frames = Frames()
        self.lock = threading.Lock()  # held while the sink is called
        self.wanted = True
        self.broken_sink = False


class Reader:
    """Reads registered connections until their end, and closes them.

    After registering, a connection belongs to the reader: others may ``send`` on it and ``shut`` it, no more. A sink
    that raises loses its stream's further bytes, which are read nevertheless.
    """

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._requests: deque[Callable[[], None]] = deque()
        self._entries: dict[Connection, _Entry] = {}
        self._buffer = memoryview(bytearray(_READ_BYTES))
        self._wake_read, self._wake_write = os.pipe()
        for end in (self._wake_read, self._wake_write):
            os.set_blocking(end, False)
        self._selector.register(self._wake_read, selectors.EVENT_READ, self._woken)
        self._closing = False
        self._asking = threading.Lock()
        self._watched: set[int] = set()
        self._thread = threading.Thread(target=self._run, name="runner-reader", daemon=True)
        self._thread.start()

    def register(self, connection: Connection, sink: Sink) -> None:
        """Read this connection from now on into ``sink``; a second time changes nothing."""
        if connection in self._entries:
            return
        entry = self._entries[connection] = _Entry(connection, sink)
        self._ask(lambda: self._begin(entry))

    def unregister(self, connection: Connection) -> None:
        """Cut and forget a connection; when this returns, its sink is called no more.

        One that was never registered, or has ended, is just closed.
        """
        entry = self._entries.get(connection)
        if entry is None:
            connection.close()
            return
        with entry.lock:
            entry.wanted = False
        connection.shut()

    def watch(self, descriptor: int, ready: Callable[[int], None]) -> None:
        """Call ``ready``, which must not block, when something can be read from a descriptor, and hand it over to it.

        Until then it belongs to the reader. Closing the reader closes it, also if that has come before. Where the
        system does not let us wait for it, ``ready`` is never called.
        """
        with self._asking:
            if self._closing:
                os.close(descriptor)
                return
            self._watched.add(descriptor)
            self._ask(lambda: self._await(descriptor, ready))

    def close(self) -> None:
        """Cut every connection and end the thread; sinks are not called any more."""
        for connection in list(self._entries):
            self.unregister(connection)
        with self._asking:
            self._closing = True
            self._ask(lambda: None)
        self._thread.join()
        for descriptor in self._watched:
            os.close(descriptor)
        os.close(self._wake_read)
        os.close(self._wake_write)
        self._selector.close()

    def _ask(self, request: Callable[[], None]) -> None:
        self._requests.append(request)
        with contextlib.suppress(BlockingIOError):  # a full pipe wakes as well
            os.write(self._wake_write, b"\0")

    def _run(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select():
                key.data()
            while self._requests:
                self._requests.popleft()()
        for entry in list(self._entries.values()):
            self._end(entry, None)

    def _woken(self) -> None:
        os.read(self._wake_read, 4096)

    def _await(self, descriptor: int, ready: Callable[[int], None]) -> None:
        try:
            self._selector.register(descriptor, selectors.EVENT_READ, partial(self._told, descriptor, ready))
        except (OSError, ValueError):  # this system has no more of them, or cannot wait for one like this
            self._watched.discard(descriptor)
            os.close(descriptor)

    def _told(self, descriptor: int, ready: Callable[[int], None]) -> None:
        self._selector.unregister(descriptor)
        self._watched.discard(descriptor)
        try:
            ready(descriptor)
        except Exception:  # noqa: BLE001  # whatever it is, the streams of this thread must go on
            diagnostics.failed("what waited for a descriptor failed when it was told")

    def _begin(self, entry: _Entry) -> None:
        try:
            self._selector.register(entry.connection, selectors.EVENT_READ, partial(self._read, entry))
        except (OSError, ValueError) as error:  # it was closed meanwhile
            self._end(entry, error)
            return
        if entry.connection.pending:
            self._read(entry)

    def _read(self, entry: _Entry) -> None:
        connection = entry.connection
        try:
            data = connection.receive(self._buffer)
            while data:
                for body in connection.body(data):
                    for stream, piece in entry.frames.feed(body):
                        self._hand_over(entry, stream, piece)
                if not connection.pending:
                    break
                data = connection.receive(self._buffer)
        except (OSError, InfrastructureError) as error:
            self._end(entry, error)
            return
        if connection.complete or (data is not None and not data):
            self._end(entry, None)

    def _hand_over(self, entry: _Entry, stream: int, piece: bytes) -> None:
        if not entry.broken_sink:
            entry.broken_sink = not self._tell(entry, partial(entry.sink.write, stream, piece))

    def _end(self, entry: _Entry, error: Exception | None) -> None:
        with contextlib.suppress(KeyError, ValueError):  # not yet selected on
            self._selector.unregister(entry.connection)
        del self._entries[entry.connection]
        entry.connection.close()
        self._tell(entry, partial(entry.sink.ended, error))

    def _tell(self, entry: _Entry, call: Callable[[], None]) -> bool:
        """Call a sink that is still wanted; False when it failed."""
        with entry.lock:
            if entry.wanted:
                try:
                    call()
                except Exception:  # noqa: BLE001  # whatever it is, the other streams of this thread must go on
                    diagnostics.failed("a sink of a container's output failed; it gets nothing more")
                    return False
        return True
