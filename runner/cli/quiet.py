"""The face of a run that is not looked at unless something fails."""

from contextlib import AbstractContextManager, suppress

from runner.cli.plain import PlainFace
from runner.cli.wording import Wording
from runner.engine.events import Changed, Event, Printing
from runner.logs.files import LogBook
from runner.logs.follow import Block, read
from runner.naming import Address
from runner.plan.status import Status

_BAD = (Status.FAILURE, Status.ERROR, Status.TIMEOUT, Status.LOST, Status.NOT_RUN, Status.STOPPED, Status.PAUSED)


class QuietFace:
    """Writes all that an attempt printed once it has failed, then what became of it; at the end, how the run ended."""

    def __init__(self, plain: PlainFace, logs: LogBook) -> None:
        self._plain = plain
        self._logs = logs
        self._wording = Wording()
        self._names: dict[Address, str] = {}

    def lines(self, address: Address, block: Block) -> None:
        """Write nothing: it is not known yet whether anybody needs it, and then it is in the log."""

    def event(self, event: Event) -> None:
        """Write what failed, and the end of the run."""
        words = self._wording.describe(event)
        match event:
            case Printing(address, log):
                self._names[address] = log
            case Changed(entry) if entry.status in _BAD or (not entry.address.stage and entry.status.ended):
                self._replay(entry.address)
                self._plain.tell(words, event)
            case _:
                pass

    def flush(self) -> None:
        """Let everything be seen."""
        self._plain.flush()

    def suspended(self) -> AbstractContextManager[None]:
        """Do nothing: lines that stand are in nobody's way."""
        return self._plain.suspended()

    def _replay(self, address: Address) -> None:
        name = self._names.pop(address, None)
        if name is not None:
            with suppress(FileNotFoundError):  # it printed nothing
                for block in read(self._logs.path(name), name):
                    self._plain.lines(address, block)
