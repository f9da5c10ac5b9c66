"""What happens in a run, in the words that every face for people uses."""

from typing import Final

from runner.engine.events import Changed, Event, Notice, Pulling
from runner.engine.journal import Entry
from runner.naming import SERVICES, Address
from runner.plan.status import Status

_UNTOLD: Final = (
    Status.NOT_RUN,
    Status.ERROR,
    Status.TIMEOUT,
    Status.CANCELLED,
    Status.STOPPED,
    Status.PAUSED,
)
"""What becomes of stages without that their steps would tell it."""


class Wording:
    """Describes the events of one run, each once and in their order: an ending tells how long it took."""

    def __init__(self) -> None:
        self._begun: dict[Address, float] = {}

    def describe(self, event: Event) -> str:
        """Return an event as a line for people; empty for what needs none. Names and reasons are as they came."""
        match event:
            case Changed(entry) if entry.address.step:
                return self._describe_step(entry)
            case Changed(entry) if entry.address.stage:
                return self._describe_stage(entry)
            case Changed(entry):
                return _describe_run(entry)
            case Notice(text, address):
                return f"note: {address.path + ': ' if address else ''}{text}"
            case Pulling(progress) if progress.total:
                return f"pulling {progress.image}: {progress.current:,} of {progress.total:,} bytes"
            case _:
                return ""

    def _describe_step(self, entry: Entry) -> str:
        address, status = entry.address, entry.status
        begun = self._begun.get(address)
        if status is Status.RUNNING:
            self._begun[address] = entry.at
        if status is Status.PENDING:
            return ""  # made ready before its turn
        if address.stage == SERVICES and status in (Status.RUNNING, Status.CANCELLED):
            return ""  # as expected
        if status is Status.CANCELLED and begun is None:
            return ""  # it never began, and the line of its stage says why
        attempt = f" (attempt {address.attempts})" if (address.round, address.attempt) != (1, 1) else ""
        code = f" (exit code {entry.exit_code})" if status is Status.FAILURE and entry.exit_code is not None else ""
        time = f" in {entry.at - begun:.1f} s" if begun is not None and status.ended else ""
        return f"{address.path}: {status}{attempt}{code}{time}{_because(entry)}"

    def _describe_stage(self, entry: Entry) -> str:
        """Describe what has become of a stage, where its steps do not tell: a fork can fail before it has any."""
        address, status = entry.address, entry.status
        if status is Status.RUNNING:
            self._begun[address] = entry.at
        if entry.branches is not None:
            return f"stage {address.stage}: {entry.branches} branch{'' if entry.branches == 1 else 'es'}"
        untold = status in _UNTOLD or (status is Status.FAILURE and address not in self._begun)
        return f"stage {address.stage}: {status}{_because(entry)}" if untold else ""


def _describe_run(entry: Entry) -> str:
    told = f"run {entry.address.run}: {entry.status} in {entry.at:.1f} s{_because(entry)}"
    return told if entry.status.ended or entry.status is Status.PAUSED else ""


def _because(entry: Entry) -> str:
    return f": {entry.reason}" if entry.reason else ""
