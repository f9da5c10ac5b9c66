"""What Ctrl-C, SIGTERM and a hang-up mean for whoever watches a run of a daemon."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Final

from runner.cli.client.daemon import Daemon
from runner.cli.client.events import Subscription
from runner.cli.interrupts import interrupts
from runner.engine.events import Notice, Observer
from runner.engine.job import Task
from runner.errors import ConflictError, DaemonUnavailableError, ExitCode, RunnerError

Arrived = Callable[[], ExitCode | None]
"""Returns the exit code that the signals mean which have arrived; None for none."""

LEAVING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends the showing of a run that goes on."""

_AGAIN_SECONDS: Final = 1.0


@contextmanager
def leaving(stop: Callable[[], None], *numbers: signal.Signals) -> Iterator[Arrived]:
    """Have these signals call ``stop`` until the end of the block; a hang-up that is ignored stays ignored."""
    first: list[int] = []

    def arrived(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - what Python calls handlers with
        first.append(number)
        stop()

    def code() -> ExitCode | None:
        if not first:
            return None
        return ExitCode.INTERRUPTED if first[0] == signal.SIGINT else ExitCode.TERMINATED

    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    wanted = [number for number in numbers if not (ignored and number == signal.SIGHUP)]
    before = {number: signal.signal(number, arrived) for number in wanted}
    try:
        yield code
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def cancelling(
    daemon: Daemon, subscription: Subscription, observer: Observer, say: Callable[[str], None] | None
) -> Iterator[Arrived]:
    """Have Ctrl-C and SIGTERM cancel a run until the end of the block, as ``exec`` does; a hang-up leaves it alone.

    The second one means now: where no daemon is to hear it, the run is left alone, too. ``say`` as in ``interrupts``.
    """
    canceller = Canceller(daemon, subscription.run, observer)

    def cancel(force: bool) -> None:  # noqa: FBT001 - as `interrupts` calls it
        canceller.ask(force=force)
        if force and subscription.away:
            subscription.stop()

    try:
        with interrupts(cancel, say) as taken, leaving(subscription.stop, signal.SIGHUP) as left:
            yield lambda: taken.exit_code or left()
    finally:
        canceller.close()


class Canceller:
    """Asks a daemon to end a run until it has heard it, in a thread of its own: a signal handler must not wait."""

    def __init__(self, daemon: Daemon, run: str, observer: Observer, *, again: float = _AGAIN_SECONDS) -> None:
        self._daemon = daemon
        self._run = run
        self._observer = observer
        self._again = again
        self._wishes: SimpleQueue[bool | None] = SimpleQueue()
        self._task = Task("cancel", self._work)

    def ask(self, *, force: bool) -> None:
        """Ask; returns at once."""
        self._wishes.put(force)

    def close(self) -> None:
        """Ask no more."""
        self._wishes.put(None)
        self._task.finish()

    def _work(self) -> None:
        wish = self._wishes.get()
        while wish is not None:
            heard = self._heard(force=wish)
            try:
                wish = self._wishes.get(timeout=None if heard else self._again)
            except Empty:
                continue

    def _heard(self, *, force: bool) -> bool:
        """Ask once; return whether it was heard, whatever came of it."""
        try:
            self._daemon.cancel(self._run, force=force)
        except DaemonUnavailableError:
            return False
        except ConflictError:
            return True  # it has ended
        except RunnerError as error:
            self._observer(Notice(f"the run cannot be cancelled: {error.explained}"))
        return True
