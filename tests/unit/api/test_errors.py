"""Errors over HTTP: every one of the project has a status, and all have one shape."""

import inspect

import httpx
import pytest
from structlog.typing import EventDict

from runner import diagnostics, errors
from runner.api.errors import answer, document
from runner.errors import (
    BusyError,
    ConflictError,
    Finding,
    InfrastructureError,
    InvalidPipelineError,
    NotFoundError,
    Place,
    RunnerError,
    StoreError,
    UsageError,
)
from runner.plan import codec
from tests.support.services import FakeService

RUN = "/api/v1/runs/r1"
STATUSES = {
    "UsageError": 400,
    "NotFoundError": 404,
    "ConflictError": 409,
    "DeniedError": 401,
    "InvalidPipelineError": 422,
    "BusyError": 503,
    "StoreError": 503,
    "WorkspaceError": 502,
    "EngineUnavailableError": 503,
    "EngineTimeoutError": 503,
}
KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, RunnerError)]


def made(kind: type[RunnerError]) -> RunnerError:
    if kind is InvalidPipelineError:
        return InvalidPipelineError([])
    return kind("m", status=404) if kind is errors.EngineRefusedError else kind("m", hint="h")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_of_the_project_has_a_status_and_keeps_its_exit_code(kind: type[RunnerError]) -> None:
    error = made(kind)

    usage = issubclass(kind, UsageError)
    assert answer(error).status_code == STATUSES.get(kind.__name__, 400 if usage else 500)
    assert codec.encode(int(kind.exit_code)) == document(error)["exit_code"]  # type: ignore[index,call-overload] # an object


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UsageError("u"), 400),
        (NotFoundError("n"), 404),
        (ConflictError("c"), 409),
        (BusyError("b"), 503),
        (StoreError("s"), 503),
        (InfrastructureError("i"), 500),
    ],
)
def test_what_an_endpoint_raises_arrives_with_its_message(
    client: httpx.Client, service: FakeService, error: RunnerError, status: int
) -> None:
    service.error = error

    got = client.get(RUN)

    assert got.status_code == status
    assert got.json()["error"] == {"message": error.message, "hint": "", "findings": []}


def test_findings_arrive_with_their_places(client: httpx.Client, service: FakeService) -> None:
    finding = Finding(place=Place(file="a.yml", line=3, column=5), message="no such key", hint="use needs")
    service.error = InvalidPipelineError([finding])

    got = client.post("/api/v1/runs", json={"pipeline": "x"})

    assert (got.status_code, got.json()["exit_code"]) == (422, 2)
    assert [codec.decode(Finding, each) for each in got.json()["error"]["findings"]] == [finding]


def test_a_fault_of_ours_is_a_500_that_says_nothing_and_a_note_with_its_traceback(
    client: httpx.Client, service: FakeService, noted: list[EventDict]
) -> None:
    service.error = LookupError("the inside of the daemon")

    got = client.get(RUN)

    assert (got.status_code, got.json()["exit_code"]) == (500, 3)
    assert "inside" not in got.text
    assert "Traceback" not in got.text
    assert noted == [{"event": "a request has failed", "path": RUN, "exc_info": True, "log_level": "error"}]
    assert client.get(RUN).status_code == 200


def test_what_clients_do_wrong_is_not_noted(client: httpx.Client, service: FakeService, noted: list[EventDict]) -> None:
    service.error = NotFoundError("n")

    assert [client.get(RUN).status_code, client.post(RUN).status_code, client.get("/x").status_code] == [404, 405, 404]
    assert noted == []


def test_secrets_are_taken_out_of_messages(client: httpx.Client, service: FakeService) -> None:
    service.error = InfrastructureError("cannot fetch https://me:s3cret@h", hint="is s3cret right?")

    with diagnostics.redact_by(lambda text: text.replace("s3cret", "***")):
        got = client.get(RUN)

    assert got.json()["error"]["message"] == "cannot fetch https://me:***@h"
    assert got.json()["error"]["hint"] == "is *** right?"


def test_a_message_with_a_name_that_is_no_utf_8_arrives(client: httpx.Client, service: FakeService) -> None:
    service.error = UsageError("no file " + b"\xff".decode("utf-8", "surrogateescape"))

    got = client.get(RUN)

    assert got.status_code == 400
    assert got.json()["error"]["message"] == "no file \udcff"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/v1/runs/", 404),
        ("GET", "/docs", 404),
        ("GET", "/%68ealthz", 404),
        ("DELETE", RUN, 405),
        ("PATCH", "/api/v1/pipelines/x", 405),
        ("OPTIONS", "/api/v1/runs", 405),
    ],
)
def test_what_is_no_route_is_told_in_the_same_shape(client: httpx.Client, method: str, path: str, status: int) -> None:
    got = client.request(method, httpx.URL("http://localhost").copy_with(raw_path=path.encode()))

    assert got.status_code == status
    assert got.json()["error"]["hint"].endswith("/api/v1/openapi.json")
    assert got.json()["exit_code"] == 2


def test_no_answer_allows_pages_of_others_to_read_it_or_may_be_taken_for_a_page(client: httpx.Client) -> None:
    for path in ("/healthz", RUN, "/nothing", f"{RUN}/logs"):
        headers = client.get(path, headers={"Accept": "text/html"}).headers

        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["cache-control"] == "no-store"
        assert not any(name.startswith("access-control") for name in headers)
