"""The app as a whole: what it says of itself is what it does."""

from typing import Any, Final

import httpx
import pytest
from fastapi.routing import APIRoute
from jsonschema import Draft202012Validator

from runner import __version__
from runner.api import health, hooks, pipelines, runs, streams
from runner.errors import InfrastructureError
from tests.support.services import HOOK, HOOK_TOKEN, Api, FakeService

Document = dict[str, Any]

V1: Final = "/api/v1"
ONE: Final = f"{V1}/pipelines/{{name}}"
HOOK_PATH: Final = "/hooks/{name}/async-stage"
REQUESTS: Final[dict[tuple[str, str], Document | None]] = {
    ("get", "/healthz"): None,
    ("post", f"{V1}/runs"): {"pipeline": "shop"},
    ("get", f"{V1}/runs"): None,
    ("get", f"{V1}/runs/{{run}}"): None,
    ("get", f"{V1}/runs/{{run}}/summary"): None,
    ("get", f"{V1}/runs/{{run}}/plan"): None,
    ("get", f"{V1}/runs/{{run}}/logs"): None,
    ("get", f"{V1}/runs/{{run}}/events"): None,
    ("post", f"{V1}/runs/{{run}}/cancel"): {},
    ("post", f"{V1}/runs/{{run}}/rerun"): {"failed": True},
    ("post", f"{V1}/runs/{{run}}/resume"): None,
    ("get", f"{V1}/pipelines"): None,
    ("get", ONE): None,
    ("put", ONE): {"repository": "u"},
    ("delete", ONE): None,
    ("put", f"{ONE}/properties/{{key}}"): {"value": "v"},
    ("delete", f"{ONE}/properties/{{key}}"): None,
    ("put", f"{ONE}/secrets/{{key}}"): {"value": "v"},
    ("delete", f"{ONE}/secrets/{{key}}"): None,
    ("get", f"{V1}/hooks"): None,
    ("get", f"{ONE}/hooks"): None,
    ("post", f"{ONE}/hooks/rotate"): {},
    ("put", f"{ONE}/hooks/parameters/{{key}}"): {"value": "v"},
    ("delete", f"{ONE}/hooks/parameters/{{key}}"): None,
    ("post", HOOK_PATH): {"version": 1, "stage": "check"},
}
"""Every request that there is, with a body that will do."""


@pytest.fixture(scope="module")
def described(_served: Api) -> Document:
    with _served.local() as client:
        found: Document = client.get(f"{V1}/openapi.json").json()
    return found


def send(client: httpx.Client, method: str, template: str, body: Document | None) -> httpx.Response:
    name, headers = ("org%2Fshop", {HOOK.header: HOOK_TOKEN}) if template == HOOK_PATH else ("n", {})
    path = template.format(run="r1", name=name, key="k").encode()
    return client.request(method, client.base_url.copy_with(raw_path=path), json=body, headers=headers)


def test_the_description_has_every_request_that_is_promised_and_no_other(described: Document) -> None:
    found = {(method, path) for path, methods in described["paths"].items() for method in methods}

    assert found == set(REQUESTS)
    assert described["info"] == {"title": "runner", "version": __version__}


def test_no_route_is_left_out_of_the_description() -> None:
    parts = (health, runs, streams, pipelines, hooks)
    routes = [route for part in parts for route in part.router.routes if isinstance(route, APIRoute)]

    assert {(method.lower(), route.path) for route in routes for method in route.methods or ()} == set(REQUESTS)


def test_every_request_says_what_it_does_and_how_it_fails(described: Document) -> None:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation["description"].endswith("."), (method, path)
            assert operation["responses"]["default"]["content"]["application/json"]["schema"] == {
                "$ref": "#/components/schemas/Failure"
            }


@pytest.mark.parametrize(("method", "path"), [key for key in REQUESTS if not key[1].endswith("/events")])
def test_answers_are_as_they_are_described(client: httpx.Client, described: Document, method: str, path: str) -> None:
    answer = send(client, method, path, REQUESTS[method, path])

    response = described["paths"][path][method]["responses"][str(answer.status_code)]
    described_as = response.get("content", {}).get("application/json", {}).get("schema")
    assert bool(described_as) == (answer.headers.get("content-type") == "application/json")
    if described_as:
        Draft202012Validator({**described_as, "components": described["components"]}).validate(answer.json())


@pytest.mark.parametrize(("method", "path"), list(REQUESTS))
def test_failures_are_as_they_are_described(
    client: httpx.Client, service: FakeService, described: Document, method: str, path: str
) -> None:
    service.error = InfrastructureError("the machine is on fire", hint="leave")

    answer = send(client, method, path, REQUESTS[method, path])

    schema = {"$ref": "#/components/schemas/Failure", "components": described["components"]}
    assert answer.status_code == 500
    Draft202012Validator(schema).validate(answer.json())
    assert answer.json()["error"]["hint"] == "leave"


@pytest.mark.parametrize(("method", "path"), [key for key in REQUESTS if key[1] not in ("/healthz", HOOK_PATH)])
def test_every_request_over_tcp_needs_the_token(api: Api, method: str, path: str) -> None:
    with api.remote(token="") as stranger:
        answer = send(stranger, method, path, REQUESTS[method, path])

    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert not api.service.calls


def test_the_description_needs_the_token_too(api: Api) -> None:
    with api.remote(token="") as stranger, api.remote() as friend:
        assert stranger.get(f"{V1}/openapi.json").status_code == 401
        assert friend.get(f"{V1}/openapi.json").status_code == 200
