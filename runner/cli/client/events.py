"""The events of a run as a daemon sends them, each once, also when the daemon dies in between and comes back."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Final, cast

from runner.cli.client.answers import told_error
from runner.cli.client.connection import Answer
from runner.cli.client.daemon import Daemon
from runner.cli.client.told import Told
from runner.clock import Deadline
from runner.dispatch import wire
from runner.dispatch.feed import Item
from runner.engine.events import Notice
from runner.engine.report import Report
from runner.errors import DaemonUnavailableError, InfrastructureError
from runner.plan.status import Status

PATIENCE: Final = 60.0
"""How many seconds a daemon that has gone is waited for."""

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0
_SLICE: Final = 0.1
_DATA: Final = b"data:"
_KIND: Final = b"event:"
_END: Final = b"end"
_ERROR: Final = b"error"


class Subscription:
    """The events of one run, for one thread; ``stop`` may be called by any, and by a signal handler."""

    def __init__(
        self, daemon: Daemon, run: str, *, patience: float = PATIENCE, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._daemon = daemon
        self.run = run
        self._patience = patience
        self._pause = pause
        self._answer: Answer | None = None
        self._resumed = False
        self._stopped = False  # no Event: a signal handler that sets one can wait for itself
        self.report: Report | None = None
        """What the run has come to, when everything has been given: it has ended, or is paused."""

    @property
    def away(self) -> bool:
        """Whether there is no daemon at the moment."""
        return self._answer is None

    def stop(self) -> None:
        """Let the items end, wherever they are."""
        self._stopped = True
        if (answer := self._answer) is not None:
            answer.shut()

    def items(self) -> Iterator[Item]:
        """Yield all items up to the end of the run, or to a ``stop``; notices of our own say when the daemon is away.

        Raises:
            DaemonUnavailableError: it was not there from the beginning, or has been away for too long.
            RunnerError: what it says instead.
        """
        told = Told()
        yield from self._heard(self._daemon.events(self.run), told)
        while self.report is None and not self._stopped:
            if self._resumed:
                self._resumed = False
                yield from self._heard(self._daemon.events(self.run), told)
                continue
            yield Notice(f"the daemon has gone; it is waited for up to {self._patience:.0f} s")
            answer = self._again()
            if answer is not None:
                yield Notice("the daemon is back")
                yield from self._heard(answer, told)

    def _heard(self, answer: Answer, told: Told) -> Iterator[Item]:
        """Yield what is new of all that there is to hear; it ends where the daemon goes."""
        with answer:
            self._answer = answer
            told.begin()
            try:
                for document in self._documents(answer):
                    yield from told.new(wire.item(document))
            except DaemonUnavailableError:
                return  # at the end of a line it would look like an end
            finally:
                self._answer = None

    def _documents(self, answer: Answer) -> Iterator[dict[str, object]]:
        """Yield the data of server-sent events, each of which is one line, up to the event with the report."""
        kind = b""
        for line in answer.lines():
            if self._stopped:
                return
            if line.startswith(_KIND) or not line.strip():
                kind = line.removeprefix(_KIND).strip()
            if line.startswith(_DATA) and line.endswith(b"\n"):
                document = _read(line.removeprefix(_DATA))
                if kind == _ERROR:
                    raise told_error(document)
                if kind == _END:
                    report = _report(document)
                    # What was paused when it was told may have been resumed since.
                    self._resumed = Status(report["run"]["status"]) in (Status.PENDING, Status.RUNNING)
                    self.report = None if self._resumed else report
                    return
                yield document

    def _again(self) -> Answer | None:
        """Wait until the daemon is back, and begin to hear it all; None for a ``stop``."""
        deadline, pause = Deadline(self._patience), _FIRST_PAUSE
        while True:
            self._rest(pause)
            if self._stopped:
                return None
            try:
                return self._daemon.events(self.run)
            except DaemonUnavailableError:
                if deadline.passed:
                    raise
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _rest(self, seconds: float) -> None:
        deadline = Deadline(seconds)
        while not (deadline.passed or self._stopped):
            self._pause(min(_SLICE, seconds))


def _report(document: dict[str, object]) -> Report:
    if "run" not in document:
        raise InfrastructureError(
            "the daemon has sent an end without a report",
            hint="are its version and that of this command the same?",
        )
    return cast("Report", document)


def _read(data: bytes) -> dict[str, object]:
    try:
        found = json.loads(data)
    except ValueError as error:
        raise InfrastructureError(f"the daemon has sent something that means nothing here: {error}") from error
    if not isinstance(found, dict):
        raise InfrastructureError("the daemon has sent something that means nothing here: it is no object")
    return found
