"""What is found of what lives between runs: by whose it is, and only what nothing mounts."""

import json
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from runner.backends.docker.client import Engine
from runner.backends.docker.sweep import Remnant, Sweep
from runner.naming import Instance, cache_labels, shim_labels
from tests.support.stub_engine import StubEngine, answer, stub_engine

ME = Instance(id="i1", kind="exec", host="h", owner="o", lock="/instances/1.lock")


@pytest.fixture
def stub() -> Iterator[StubEngine]:
    with stub_engine() as found:
        yield found


@pytest.fixture
def engine(stub: StubEngine) -> Iterator[Engine]:
    found = stub.engine()
    yield found
    found.api.close()


def test_what_lasts_is_asked_for_by_role_and_owner_and_only_what_is_unused(stub: StubEngine, engine: Engine) -> None:
    cache = {"Name": "runner-cache-x", "Labels": cache_labels(ME, "go", "/go"), "Options": None}
    shim = {"Name": "runner-shim-x", "Labels": shim_labels(ME, "0123"), "Options": None}
    stub.script["/volumes"] = [answer({"Volumes": [cache]}), answer({"Volumes": [shim]})]
    found = Sweep(engine).lasting(ME)
    asked = [json.loads(parse_qs(urlsplit(request).query)["filters"][0]) for request in stub.requests[-2:]]

    assert found == (
        Remnant(kind="volume", name="runner-cache-x", run="", lock="", cache="go at /go"),
        Remnant(kind="volume", name="runner-shim-x", run="", lock="", shim="0123"),
    )
    owner = {"io.runner.kind=exec", "io.runner.host=h", "io.runner.owner=o"}
    assert [set(filters["label"]) - owner for filters in asked] == [{"io.runner.role=cache"}, {"io.runner.role=shim"}]
    assert all(owner < set(filters["label"]) and filters["dangling"] == ["true"] for filters in asked)


def test_where_nothing_lasts_there_is_nothing(stub: StubEngine, engine: Engine) -> None:
    stub.script["/volumes"] = [answer({"Volumes": None})]

    assert Sweep(engine).lasting(ME) == ()
