"""What goes wrong, as HTTP says it: a status, and one shape of body for all.

``{"error": {"message", "hint", "findings": [...]}, "exit_code": n}``; a finding as ``plan.codec`` writes it.
"""

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runner import diagnostics
from runner.dispatch.hooks import HEADER
from runner.errors import (
    BusyError,
    ConflictError,
    DeniedError,
    EngineTimeoutError,
    EngineUnavailableError,
    ExitCode,
    Finding,
    InvalidPipelineError,
    NotFoundError,
    RunnerError,
    StoreError,
    UsageError,
    WorkspaceError,
)
from runner.plan import codec
from runner.plan.model import Json
from runner.records import record

RETRY_SECONDS: Final = 5

_STATUSES: Final = (
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (ConflictError, HTTPStatus.CONFLICT),
    (DeniedError, HTTPStatus.UNAUTHORIZED),
    (InvalidPipelineError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (UsageError, HTTPStatus.BAD_REQUEST),
    (BusyError, HTTPStatus.SERVICE_UNAVAILABLE),
    (EngineUnavailableError, HTTPStatus.SERVICE_UNAVAILABLE),
    (EngineTimeoutError, HTTPStatus.SERVICE_UNAVAILABLE),
    (StoreError, HTTPStatus.SERVICE_UNAVAILABLE),
    (WorkspaceError, HTTPStatus.BAD_GATEWAY),  # a repository elsewhere that cannot be fetched
)
_SHOWN: Final = 5
"""How many of the faults of a request are told."""

_LONGEST: Final = 200
_WORDS: Final = {
    "unexpected_keyword_argument": "there is no such key",
    "missing_keyword_only_argument": "is missing",
    "missing": "is missing",
}
"""What pydantic says in the words of Python, by its kind."""


class JsonAnswer(JSONResponse):
    """JSON in ASCII: a file's name or an exit of a tool can bring surrogates, which UTF-8 has no bytes for."""

    def render(self, content: object) -> bytes:
        """Return the body."""
        return json.dumps(content, separators=(",", ":")).encode()


@record
class ErrorShown:
    """What is wrong, what would be right, and what is wrong in which line of a pipeline."""

    message: str
    hint: str
    findings: tuple[Finding, ...] = ()


@record
class Failure:
    """The body of every answer that is an error; ``exit_code`` is what a command returns that meets it."""

    error: ErrorShown
    exit_code: int


class Refusal(HTTPException):
    """A request that is not even looked at."""

    def __init__(
        self, status: HTTPStatus, message: str, *, hint: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, message, headers)
        self.hint = hint


def document(error: BaseException) -> Json:
    """Return the body for an error. What a fault of ours says is for the log of the daemon, and not for its clients."""
    match error:
        case RunnerError():
            findings = error.findings if isinstance(error, InvalidPipelineError) else ()
            message, hint = diagnostics.redacted(error.message), diagnostics.redacted(error.hint)
            failure = _failure(message, hint, code=error.exit_code, findings=findings)
        case RequestValidationError():
            failure = _failure(_faults(error), "", code=ExitCode.INVALID)
        case HTTPException():
            hint = (
                error.hint
                if isinstance(error, Refusal)
                else "every request that there is stands in /api/v1/openapi.json"
            )
            failure = _failure(error.detail, hint, code=ExitCode.INVALID)
        case _:
            failure = _failure(
                "the daemon has failed at this request",
                "its log says more; this is a fault of runner",
                code=ExitCode.INFRASTRUCTURE,
            )
    return codec.encode(failure)


def answer(error: BaseException) -> Response:
    """Return the answer to a request that has failed."""
    status, headers = _status(error), None
    if isinstance(error, HTTPException):
        headers = error.headers
    elif isinstance(error, BusyError):
        headers = {"Retry-After": str(RETRY_SECONDS)}
    elif isinstance(error, DeniedError):
        headers = {"WWW-Authenticate": HEADER}
    return JsonAnswer(document(error), status, headers)


def install(app: FastAPI) -> None:
    """Let an app answer so, whatever its endpoints raise."""
    for kind in (RunnerError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _handle)
    app.add_middleware(Fallback)


class Fallback:
    """Answers what nobody expected with 500, and notes it with its traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as error:  # noqa: BLE001 -- the last that could know of it; the next request is another matter
            diagnostics.failed("a request has failed", path=scope.get("path"))
            if not started:  # else the server cuts the connection, as the answer is not complete
                await answer(error)(scope, receive, send)


async def _handle(_request: Request, error: Exception) -> Response:
    return answer(error)


def _failure(message: str, hint: str, *, code: ExitCode, findings: tuple[Finding, ...] = ()) -> Failure:
    return Failure(error=ErrorShown(message=message, hint=hint, findings=findings), exit_code=code)


def _status(error: BaseException) -> int:
    if isinstance(error, HTTPException):
        return error.status_code
    if isinstance(error, RequestValidationError):
        return HTTPStatus.BAD_REQUEST
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)


def _faults(error: RequestValidationError) -> str:
    """Return what is wrong with a request, without the values in it: they may be secret."""
    faults = error.errors()
    told = [_fault(each["loc"], _WORDS.get(each["type"], each["msg"])) for each in faults[:_SHOWN]]
    more = len(faults) - _SHOWN
    return "; ".join(told) + (f"; and {more} more" if more > 0 else "")


def _fault(place: Iterable[object], words: str) -> str:
    name = ".".join(str(part) for part in place)
    return f"{name if len(name) <= _LONGEST else name[:_LONGEST] + '...'}: {words}"
