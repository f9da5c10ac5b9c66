"""What a run shows, made by hand."""

from datetime import UTC, datetime

from runner.engine.backend import PullProgress
from runner.engine.events import Changed, Notice, Pulling
from runner.engine.journal import Entry
from runner.logs.follow import Block
from runner.logs.index import Stream
from runner.naming import SERVICES, Address
from runner.plan.status import Status

RUN = "0badcafe"


def address(path: str = "", *, attempts: tuple[int, int] = (1, 1)) -> Address:
    """Return the address of ``stage/step``, of a stage, or of the run."""
    stage, _, step = path.partition("/")
    return Address(RUN, stage, step, *attempts)


def service(name: str) -> Address:
    """Return the address of a service."""
    return Address(RUN, SERVICES, name)


def changed(  # noqa: PLR0913 - the fields of an entry, by name
    where: Address,
    status: Status,
    *,
    at: float = 1.0,
    exit_code: int | None = None,
    reason: str = "",
    branches: int | None = None,
) -> Changed:
    """Return the event that something has entered a status."""
    entry = Entry(address=where, status=status, at=at, exit_code=exit_code, reason=reason, branches=branches)
    return Changed(entry)


def block(data: bytes, stream: Stream = Stream.STDOUT, log: str = "log") -> Block:
    """Return complete lines."""
    return Block(log=log, stream=stream, time=datetime(2026, 1, 1, tzinfo=UTC), data=data)


def pulling(current: int = 0, total: int = 0) -> Pulling:
    """Return the event that an image is on its way."""
    return Pulling(PullProgress(image="golang:1.24", text="Downloading", current=current, total=total))


STORY = (
    changed(address(), Status.RUNNING, at=0.0),
    pulling(),
    pulling(1_048_576, 73_400_320),
    changed(service("db"), Status.RUNNING),
    changed(address("build"), Status.RUNNING),
    changed(address("build/test"), Status.RUNNING, at=0.2512),
    changed(address("build/test"), Status.FAILURE, at=2.0, exit_code=3),
    changed(address("build/test", attempts=(1, 2)), Status.RUNNING, at=2.1),
    changed(address("build/test", attempts=(1, 2)), Status.FAILURE, at=2.2, exit_code=137, reason="it was too big"),
    changed(address("build/later"), Status.SKIPPED, at=2.3, reason="status is failure"),
    changed(address("build"), Status.FAILURE, at=2.4, reason="step test: it was too big"),
    Notice("something is odd"),
    Notice("could not remove the container", address("build/test")),
    changed(service("db"), Status.CANCELLED, at=2.5, reason="it ended with the run"),
    changed(service("cache"), Status.FAILURE, at=2.5, exit_code=1),
    changed(address(), Status.FAILURE, at=2.61, reason="stage build: step test: it was too big"),
)
"""Events of a run, in their order."""
