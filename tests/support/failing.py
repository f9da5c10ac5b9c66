"""A journal that cannot be written for a while."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from runner.engine.journal import Entry, Journal, Writer
from runner.errors import StoreError


class FailingJournal:
    """Passes on to ``inner``, but for ``times`` tries to write an entry, beginning with the one that ``when`` picks.

    With ``late`` what fails has been written all the same. ``failed`` counts, ``down`` is set at the first failure.
    """

    def __init__(
        self, inner: Journal, when: Callable[[Entry], bool], *, times: int = 1_000_000, late: bool = False
    ) -> None:
        self.inner = inner
        self.failed = 0
        self.down = threading.Event()
        self._when = when
        self._times = times
        self._late = late

    def take(self) -> Writer:
        """Become the driver."""
        return _FailingWriter(self, self.inner.take())

    def read(self) -> tuple[Entry, ...]:
        """Return all entries."""
        return self.inner.read()

    def append(self, writer: Writer, entry: Entry) -> None:
        """Write an entry, or fail."""
        if not self.down.is_set() and self._when(entry):
            self.down.set()
        if not self.down.is_set() or self.failed == self._times:
            writer.append(entry)
            return
        self.failed += 1
        if self._late:
            writer.append(entry)
        raise StoreError("no space left", hint="make room")


@dataclass(frozen=True)
class _FailingWriter:
    journal: FailingJournal
    inner: Writer

    @property
    def epoch(self) -> int:
        return self.inner.epoch

    def append(self, entry: Entry) -> None:
        self.journal.append(self.inner, entry)

    def confirm(self) -> None:
        self.inner.confirm()


def nth(number: int) -> Callable[[Entry], bool]:
    """Return what picks the n-th entry, from 1."""
    left = [number]

    def picks(_: Entry) -> bool:
        left[0] -= 1
        return left[0] == 0

    return picks
