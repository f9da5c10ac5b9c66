"""``--shell-on-failure``: whoever sits at the terminal looks around where a step failed."""

import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

from runner.cli.options import OutputFormat
from runner.cli.raw_terminal import raw
from runner.engine.backend import Backend
from runner.engine.specs import Release, StepSpec
from runner.errors import UsageError


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
        with raw(self._cancelled) as terminal:
            terminal.say(f"{step.address.path} failed: opening a shell like it; `exit` goes on with the run")
            self._backend.shell(step, release, terminal)
            terminal.say("")


def check_terminal(output: OutputFormat) -> None:
    """Raise UsageError unless a person sits there, who reads what is put out."""
    if output is not OutputFormat.TEXT:
        raise UsageError(f"--shell-on-failure and --output {output} do not go together", hint="--output text")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("--shell-on-failure needs a terminal", hint="run it by hand, without a pipe")
