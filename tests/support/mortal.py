"""A real daemon that dies at its n-th effect: ``python -m tests.support.mortal NOTES [N before|after]``.

An effect is a transaction of the store that may write, a call to the engine that changes something, and each half of
a script that is written into a container: there, half of it may have arrived. They are counted over all threads,
and noted one a line in the file NOTES, before they take place. SIGUSR1 begins the count anew, with the point that NOTES
then holds; once that counts, NOTES says ``armed``.
"""

import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import docker
import requests
from sqlalchemy import Connection as Transaction

from runner.backends.docker.attach import Connection
from runner.daemon import serve
from runner.settings import DaemonSettings, Settings
from runner.store.sql.database import Database
from tests.support.crash import Point

DEATH = 137
ARMED = "armed"
_CHANGING = ("POST", "PUT", "DELETE")
_WAIT = re.compile(r"/containers/[^/]+/wait$")


class Effects:
    """Counts effects, and ends the process at one of them by ``end``."""

    def __init__(self, notes: Path, point: Point | None = None, end: Callable[[int], object] = os._exit) -> None:
        self.count = 0
        self._notes = notes
        self._point = point
        self._end = end
        # A signal handler may come in between.
        self._lock = threading.RLock()

    def arm(self) -> None:
        """Begin to count anew, with the point that is noted."""
        with self._lock:
            self._point = read_point(*self._notes.read_text().split())
            self.count = 0
            self._notes.write_text(f"{ARMED}\n")

    @contextmanager
    def around(self, what: str) -> Iterator[None]:
        """Have the block be an effect; one that fails may have taken place all the same."""
        number = self.before(what)
        try:
            yield
        finally:
            self.after(number)

    def before(self, what: str) -> int:
        """Note that an effect is about to take place; return its number."""
        with self._lock:
            self.count += 1
            with self._notes.open("a") as file:
                file.write(f"{self.count} {what}\n")
            self._die_at(self.count, after=False)
            return self.count

    def after(self, number: int) -> None:
        """Note that it has taken place."""
        self._die_at(number, after=True)

    def _die_at(self, number: int, *, after: bool) -> None:
        if self._point == Point(number, after):
            self._end(DEATH)


def read_point(*words: str) -> Point | None:
    """Return a point as ``written``; without words none."""
    return Point(int(words[0]), words[1] == "after") if words else None


def written(point: Point | None) -> str:
    """Return a point in words."""
    return "" if point is None else f"{point.number} {'after' if point.after else 'before'}"


def count_store(effects: Effects) -> None:
    """Have every transaction that may write be an effect, which takes place when it is committed."""
    inner = Database.writing

    @contextmanager
    def writing(database: Database) -> Iterator[Transaction]:
        with inner(database) as transaction:
            yield transaction
            number = effects.before("commit")
        effects.after(number)

    patch.object(Database, "writing", writing).start()


def count_calls(effects: Effects) -> None:
    """Have every request that changes something at the engine be an effect."""
    inner = docker.APIClient.send

    def send(
        client: docker.APIClient,
        request: requests.PreparedRequest,
        **options: Any,  # noqa: ANN401 - as they are handed on
    ) -> requests.Response:
        path = urlsplit(request.url or "").path
        if request.method not in _CHANGING or _WAIT.search(path):
            return inner(client, request, **options)
        with effects.around(f"{request.method} {request.path_url}"):
            return inner(client, request, **options)

    patch.object(docker.APIClient, "send", send).start()


def count_input(effects: Effects) -> None:
    """Have each half of what is written into a container be an effect."""
    inner = Connection.send

    def send(connection: Connection, data: bytes, seconds: float, over: threading.Event) -> None:
        if b"\n" not in data.strip():  # a question to a sandbox, which changes nothing
            inner(connection, data, seconds, over)
            return
        for half in (data[: len(data) // 2], data[len(data) // 2 :]):
            with effects.around(f"send {len(half)} bytes"):
                inner(connection, half, seconds, over)

    patch.object(Connection, "send", send).start()


def main(arguments: list[str]) -> int:
    """Be the daemon of the data directory that the environment names."""
    effects = Effects(Path(arguments[0]), read_point(*arguments[1:]))
    for count in (count_store, count_calls, count_input):
        count(effects)
    signal.signal(signal.SIGUSR1, lambda *_: effects.arm())
    return serve(Settings.read(), DaemonSettings.read(), listen=None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
