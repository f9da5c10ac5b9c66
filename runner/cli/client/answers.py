"""What a daemon says when it does not do what it is asked: the errors that ``exec`` has, with the same exit codes."""

import json
from http import HTTPStatus
from typing import Any, Final

from runner.errors import (
    ConflictError,
    DaemonUnavailableError,
    ExitCode,
    Finding,
    InfrastructureError,
    InvalidPipelineError,
    NotFoundError,
    RunnerError,
    UsageError,
)
from runner.plan import codec

_KINDS: Final[dict[int, type[RunnerError]]] = {
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.CONFLICT: ConflictError,
}


def error_of(status: int, body: bytes, where: str) -> RunnerError:
    """Return the error that an answer tells of: a status, and the body ``{"error": {...}, "exit_code": n}``."""
    try:
        return _read(json.loads(body), status)
    except (ValueError, LookupError, TypeError, InfrastructureError):
        return DaemonUnavailableError(
            f"{where} answers with status {status}, and not as a daemon does",
            hint="does something else listen there?",
        )


def told_error(document: object) -> RunnerError:
    """Return the error of a document ``{"error": {...}, "exit_code": n}`` that came without a status."""
    try:
        return _read(document, 0)
    except (LookupError, TypeError, InfrastructureError):
        return InfrastructureError("the daemon has failed, and tells nothing that means something here")


def _read(document: Any, status: int) -> RunnerError:  # noqa: ANN401 - of a daemon of any version
    """Return the error of a document; raises LookupError, TypeError or InfrastructureError if it tells of none."""
    error = document["error"]
    message, hint = str(error["message"]), str(error.get("hint") or "")
    if findings := error.get("findings"):
        return InvalidPipelineError(codec.decode(Finding, finding) for finding in findings)
    usage = document.get("exit_code") == ExitCode.INVALID
    kind = _KINDS.get(status, UsageError if usage else InfrastructureError)
    return kind(message, hint=hint)
