"""Registered pipelines over HTTP."""

import httpx
import pytest

from runner.dispatch.requests import Definition, Facts
from runner.errors import NotFoundError
from runner.plan import codec
from tests.support.services import PIPELINE, FakeService

PIPELINES = "/api/v1/pipelines"
SHOP = f"{PIPELINES}/org%2Fshop"


def at(path: str) -> httpx.URL:
    """Return an address with a path that is sent as it stands."""
    return httpx.URL("http://localhost").copy_with(raw_path=path.encode())


def test_pipelines_are_listed(client: httpx.Client, service: FakeService) -> None:
    assert client.get(PIPELINES).json() == {"pipelines": [codec.encode(PIPELINE)]}
    assert service.calls == [("pipelines",)]


def test_a_pipeline_is_shown_with_the_names_of_its_secrets_alone(client: httpx.Client, service: FakeService) -> None:
    shown = client.get(SHOP).json()

    assert (shown["properties"], shown["secrets"]) == ({"a": "b"}, ["TOKEN"])
    assert service.calls == [("pipeline", "org/shop")]


def test_a_pipeline_is_registered_as_it_is_defined(client: httpx.Client, service: FakeService) -> None:
    definition = Definition(repository="https://h/r", file="a.yml", facts=Facts(branch="main"), queue="deploy")

    answer = client.put(SHOP, json=codec.encode(definition))

    assert (answer.status_code, answer.json()) == (200, codec.encode(PIPELINE))
    assert service.calls == [("register", "org/shop", definition)]


def test_a_definition_without_a_repository_is_refused(client: httpx.Client, service: FakeService) -> None:
    answer = client.put(SHOP, json={"file": "a.yml"})

    assert answer.status_code == 400
    assert "body.repository" in answer.json()["error"]["message"]
    assert not service.calls


@pytest.mark.parametrize(
    ("path", "value", "call"),
    [
        ("/properties/a%2Fb%20c", "1\n2", ("set_property", "org/shop", "a/b c", "1\n2")),
        ("/secrets/T%C3%B6KEN", "", ("set_secret", "org/shop", "TöKEN", "")),
    ],
)
def test_properties_and_secrets_are_set(
    client: httpx.Client, service: FakeService, path: str, value: str, call: tuple[str, ...]
) -> None:
    answer = client.put(at(f"{SHOP}{path}"), json={"value": value})

    assert (answer.status_code, answer.content) == (204, b"")
    assert service.calls == [call]


@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("", ("forget", "org/shop")),
        ("/properties/a%2Fb", ("remove_property", "org/shop", "a/b")),
        ("/secrets/TOKEN", ("remove_secret", "org/shop", "TOKEN")),
    ],
)
def test_what_is_there_can_be_taken_away(
    client: httpx.Client, service: FakeService, path: str, call: tuple[str, ...]
) -> None:
    answer = client.delete(at(f"{SHOP}{path}"))

    assert (answer.status_code, answer.content) == (204, b"")
    assert service.calls == [call]


@pytest.mark.parametrize("name", ["a/properties/b", "a/secrets/b", "properties", "a//b", "/", "..", "%2F"])
def test_no_name_can_be_taken_for_another_route(client: httpx.Client, service: FakeService, name: str) -> None:
    sent = "".join(f"%{byte:02X}" for byte in name.encode())

    client.delete(at(f"{PIPELINES}/{sent}"))

    assert service.calls == [("forget", name)]


@pytest.mark.parametrize("body", [{}, {"value": None}, {"value": 1}, {"value": "a", "secret": True}])
def test_a_value_is_a_text_and_nothing_else(client: httpx.Client, service: FakeService, body: object) -> None:
    assert client.put(f"{SHOP}/secrets/A", json=body).status_code == 400
    assert not service.calls


def test_a_pipeline_that_is_not_there_is_a_404(client: httpx.Client, service: FakeService) -> None:
    service.error = NotFoundError("there is no pipeline org/shop")

    assert client.delete(SHOP).status_code == 404
