import json

import pytest

from runner.cli.client.answers import error_of, told_error
from runner.errors import (
    ConflictError,
    DaemonUnavailableError,
    Finding,
    InfrastructureError,
    InvalidPipelineError,
    NotFoundError,
    Place,
    RunnerError,
    Severity,
    UsageError,
)
from runner.plan import codec

FINDINGS = (
    Finding(place=Place(file="p.yml", line=3, column=5), message="no image", hint="name one"),
    Finding(place=Place(file="p.yml"), message="odd", severity=Severity.WARNING),
)


def _body(message: str = "it is so", hint: str = "do that", code: int = 2, findings: tuple[Finding, ...] = ()) -> bytes:
    error = {"message": message, "hint": hint, "findings": [codec.encode(each) for each in findings]}
    return json.dumps({"error": error, "exit_code": code}).encode()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, 2, UsageError),
        (401, 2, UsageError),
        (403, 2, UsageError),
        (404, 2, NotFoundError),
        (409, 2, ConflictError),
        (415, 2, UsageError),
        (500, 3, InfrastructureError),
        (503, 3, InfrastructureError),
    ],
)
def test_an_answer_is_the_error_that_the_daemon_met(status: int, code: int, kind: type[RunnerError]) -> None:
    error = error_of(status, _body(code=code), "there")

    assert type(error) is kind
    assert (error.message, error.hint, error.exit_code) == ("it is so", "do that", code)


def test_the_findings_of_a_pipeline_are_those_of_exec() -> None:
    error = error_of(422, _body(findings=FINDINGS), "there")

    assert isinstance(error, InvalidPipelineError)
    assert error.message == InvalidPipelineError(FINDINGS).message
    assert error.exit_code == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Bad gateway</html>",
        b"null",
        b"[]",
        b'{"detail": "Not Found"}',
        b'{"error": "no"}',
        b'{"error": {}}',
        b'{"error": {"message": "m", "findings": [{"line": 1}]}, "exit_code": 2}',
        b"\xff",
    ],
)
def test_what_no_daemon_says_is_told_as_such(body: bytes) -> None:
    error = error_of(502, body, "http://there")

    assert isinstance(error, DaemonUnavailableError)
    assert error.message == "http://there answers with status 502, and not as a daemon does"


def test_an_error_in_the_middle_has_the_kind_of_its_exit_code() -> None:
    usage = told_error({"error": {"message": "no", "hint": ""}, "exit_code": 2})
    trouble = told_error({"error": {"message": "no", "hint": "h"}, "exit_code": 3})

    assert (type(usage), type(trouble), trouble.hint) == (UsageError, InfrastructureError, "h")


def test_an_error_in_the_middle_that_means_nothing_is_one_all_the_same() -> None:
    assert told_error({"error": 7}).message == "the daemon has failed, and tells nothing that means something here"
