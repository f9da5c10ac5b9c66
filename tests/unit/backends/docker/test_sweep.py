"""Which caches are found: by whose they are, and only those that nothing mounts."""

import json
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from runner.backends.docker.client import Engine
from runner.backends.docker.sweep import Remnant, Sweep
from runner.naming import Instance, cache_labels
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


def test_caches_are_asked_for_by_role_and_owner_and_only_unused_ones(stub: StubEngine, engine: Engine) -> None:
    raw = {"Name": "runner-cache-x", "Labels": cache_labels(ME, "go", "/go"), "Options": None}
    stub.script["/volumes"] = [answer({"Volumes": [raw]})]
    found = Sweep(engine).caches(ME)
    filters = json.loads(parse_qs(urlsplit(stub.requests[-1]).query)["filters"][0])

    assert found == (Remnant(kind="volume", name="runner-cache-x", run="", lock="", cache="go at /go"),)
    assert set(filters["label"]) == {
        "io.runner.kind=exec",
        "io.runner.host=h",
        "io.runner.owner=o",
        "io.runner.role=cache",
    }
    assert filters["dangling"] == ["true"]


def test_without_any_cache_there_is_none(stub: StubEngine, engine: Engine) -> None:
    stub.script["/volumes"] = [answer({"Volumes": None})]

    assert Sweep(engine).caches(ME) == ()
