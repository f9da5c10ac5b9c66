"""Every error of the project, who is at fault, and the exit code that it means.

::

    RunnerError
    ├── UsageError            the command line is wrong                           exit 2
    │   ├── NotFoundError            what it names is not there
    │   ├── ConflictError            what it asks for does not go with how things stand
    │   └── DeniedError              whoever asks may not
    ├── InvalidPipelineError  a file is wrong, with all its findings               exit 2
    ├── InfrastructureError   the machine, the engine, the network                 exit 3
    │   ├── EngineUnavailableError   no engine answers
    │   ├── EngineTimeoutError       a call to the engine took too long
    │   ├── EngineRefusedError       the engine said no to a call
    │   ├── ImageError               an image cannot be had
    │   ├── WorkspaceError           a workspace cannot be made, read or exported
    │   ├── StoreError               the store cannot be opened, read or written
    │   ├── TransitionError          a journal was given what cannot happen: a fault of ours
    │   ├── OrderError               what a stored run was to do cannot be read
    │   ├── DaemonRunningError       another daemon works in a data directory
    │   └── DaemonUnavailableError   no daemon answers
    └── AbandonedError        a driver goes on no longer, and leaves all as it is  exit 3
        ├── SupersededError          another driver has taken over the run
        └── JournalError             what the run does cannot be written down

A step that ends badly is not an error: it is a status (``plan.status``).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import ClassVar, Final

_SHOWN: Final = 60


class ExitCode(IntEnum):
    """What the ``runner`` command returns."""

    SUCCESS = 0
    FAILURE = 1
    INVALID = 2
    INFRASTRUCTURE = 3
    PAUSED = 4
    TIMEOUT = 5
    INTERRUPTED = 130
    PIPE_CLOSED = 141
    TERMINATED = 143


def quoted(text: str) -> str:
    """Return a user's text as messages show it: in quotes, on one line, without control characters, not endless."""
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, order=True, kw_only=True)
class Place:
    """Where in which file; lines and columns count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, order=True, kw_only=True)
class Finding:
    """One thing that is wrong in a file, and what would be right."""

    place: Place
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        label = "" if self.severity is Severity.ERROR else "warning: "
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.place}: {label}{self.message}{hint}"


class RunnerError(Exception):
    """An error that ends a command with a message, a next action and an exit code of its own."""

    exit_code: ClassVar[ExitCode] = ExitCode.INFRASTRUCTURE

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def explained(self) -> str:
        """The message with the next action, in one line."""
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(RunnerError):
    """The command line is wrong; nothing was started."""

    exit_code = ExitCode.INVALID


class NotFoundError(UsageError):
    """What was named is not there."""


class ConflictError(UsageError):
    """What was asked for does not go with how things stand; nothing was changed."""


class DeniedError(UsageError):
    """Whoever asks has not shown that they may; why not is not told."""


class InvalidPipelineError(RunnerError):
    """A file is not a pipeline that can run; nothing was started."""

    exit_code = ExitCode.INVALID

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(sorted(findings))
        super().__init__("\n".join(str(finding) for finding in self.findings))


class InfrastructureError(RunnerError):
    """The machine's trouble, not the pipeline's."""


class EngineUnavailableError(InfrastructureError):
    """No container engine answers."""


class EngineTimeoutError(InfrastructureError):
    """A call to the engine took longer than its deadline."""


class EngineRefusedError(InfrastructureError):
    """The engine answered a call with an error.

    ``status`` is the HTTP status of the answer: 404 and 409 are states of the world that callers handle.
    """

    def __init__(self, message: str, *, status: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status


class ImageError(InfrastructureError):
    """An image cannot be had."""


class WorkspaceError(InfrastructureError):
    """A workspace cannot be made, read or exported."""


class StoreError(InfrastructureError):
    """The store of the daemon cannot be opened, read or written."""


class TransitionError(InfrastructureError):
    """A journal was given an entry that cannot follow on the last one of its address; that is a fault of ours."""


class DaemonRunningError(InfrastructureError):
    """A daemon lives that works in this data directory."""


class DaemonUnavailableError(InfrastructureError):
    """No daemon answers a client, or it has gone in the middle of an answer."""


class OrderError(InfrastructureError):
    """What a stored run was to do cannot be read any more: trying again will not help."""


class BusyError(InfrastructureError):
    """There is too much to do already; later it may be taken."""


class UnwantedError(InfrastructureError):
    """What was under way was left undone, because whoever asked for it does not want it any more."""


class AbandonedError(RunnerError):
    """A driver goes on with its run no longer. It ends and removes nothing, so that another one may take it up."""


class SupersededError(AbandonedError):
    """Another driver has taken over the run; this one writes nothing more."""


class JournalError(AbandonedError):
    """What a run does cannot be written down, and that has lasted; whoever drives it later finds all as it is."""
