"""``--shell-on-failure``: whoever sits at the terminal looks around where a step failed."""

import os
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

from runner.cli.options import OutputFormat
from runner.engine.backend import Backend, Release, StepSpec
from runner.errors import InfrastructureError, UsageError
from runner.logs.lines import safe

_UNKNOWN = (0, 0)


class FailureShell:
    """Opens a shell for each step that fails, one after the other, while the display is ``suspended``.

    ``cancelled`` says that the run is to end.
    """

    def __init__(
        self, backend: Backend, suspended: Callable[[], AbstractContextManager[None]], cancelled: Callable[[], bool]
    ) -> None:
        self._backend = backend
        self._suspended = suspended
        self._cancelled = cancelled
        self._one = threading.Lock()

    def __call__(self, step: StepSpec, release: Release) -> None:
        """Open a shell where a step failed, and return when it ends; at once when the run is to end.

        Raises:
            InfrastructureError: there is no shell there, or it cannot be started.
        """
        with self._one, self._suspended():
            if not self._cancelled():
                self._open(step, release)

    def _open(self, step: StepSpec, release: Release) -> None:
        with _raw(self._cancelled) as terminal:
            terminal.say(f"{step.address.path} failed: opening a shell like it; `exit` goes on with the run")
            self._backend.shell(step, release, terminal)
            terminal.say("")


def check_terminal(output: OutputFormat) -> None:
    """Raise UsageError unless a person sits there, who reads what is put out."""
    if output is not OutputFormat.TEXT:
        raise UsageError(f"--shell-on-failure and --output {output} do not go together", hint="--output text")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("--shell-on-failure needs a terminal", hint="run it by hand, without a pipe")


class _Terminal:
    """The terminal of this process, in raw mode."""

    def __init__(self, cancelled: Callable[[], bool]) -> None:
        self._cancelled = cancelled
        self._gone = False

    def say(self, text: str) -> None:
        """Show a line of ours."""
        self.write(f"{safe(text)}\r\n".encode("utf-8", "replace"))

    def fileno(self) -> int:
        """Return the descriptor to read keys from."""
        return sys.stdin.fileno()

    def write(self, data: bytes) -> None:
        """Show bytes; a terminal that does not take them has gone."""
        try:
            while data:
                data = data[os.write(sys.stdout.fileno(), data) :]
        except OSError:
            self._gone = True

    def size(self) -> tuple[int, int]:
        """Return rows and columns as they are now; zeros when they are not known."""
        try:
            columns, rows = os.get_terminal_size(sys.stdout.fileno())
        except OSError:
            return _UNKNOWN
        return rows, columns

    def closed(self) -> bool:
        """Whether nobody wants it any more."""
        return self._gone or self._cancelled()


@contextmanager
def _raw(cancelled: Callable[[], bool]) -> Iterator[_Terminal]:
    keys = sys.stdin.fileno()
    try:
        before = termios.tcgetattr(keys)
        tty.setraw(keys)
    except termios.error as error:
        raise InfrastructureError(f"the terminal cannot be used: {error.args[-1]}") from error
    try:
        yield _Terminal(cancelled)
    finally:
        with suppress(termios.error):  # a terminal that has gone has no modes to restore
            termios.tcsetattr(keys, termios.TCSADRAIN, before)
