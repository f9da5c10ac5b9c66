"""A run that goes on elsewhere, as if it went on here: its events are passed on, and its logs are written down."""

from datetime import UTC, datetime
from pathlib import Path

from runner.clock import SystemClock
from runner.dispatch.feed import Item, Lines
from runner.engine.events import Changed, Observer
from runner.errors import InfrastructureError
from runner.logs.files import LogBook, StepLog
from runner.logs.follow import Block
from runner.logs.mask import Mask
from runner.naming import Address


class _Then(SystemClock):
    """The time at which lines arrived at the daemon."""

    def __init__(self) -> None:
        self.time = datetime.now(UTC)

    def now(self) -> datetime:
        """Return it."""
        return self.time


class Mirror:
    """Takes the items of a run. Its ``logs`` are below ``directory``; the daemon has masked them already."""

    def __init__(self, directory: Path) -> None:
        self._clock = _Then()
        self._directory = directory
        self.logs = LogBook(directory, Mask(), clock=self._clock)
        self._open: dict[Address, StepLog] = {}

    def take(self, item: Item, observer: Observer) -> None:
        """Write down lines, and give anything else to ``observer``, which knows of whom lines are before they come.

        Raises:
            InfrastructureError: the disk does not take the lines.
        """
        if isinstance(item, Lines):
            self._write(item.address, item.block)
            return
        observer(item)
        if isinstance(item, Changed) and item.entry.status.ended:
            log = self._open.pop(item.entry.address, None)
            if log is not None:
                log.close()  # of the many steps of a run only some print at a time

    def _write(self, address: Address, block: Block) -> None:
        self._clock.time = block.time
        log = self._open.get(address)
        if log is None:
            log = self._open[address] = self.logs.open(block.log)
        log.write(block.stream, block.data)
        if log.problem is not None:
            raise InfrastructureError(
                f"{self._directory}: {log.problem}", hint="TMPDIR names another directory; the run itself goes on"
            )

    def close(self) -> None:
        """End all logs."""
        self.logs.close()
