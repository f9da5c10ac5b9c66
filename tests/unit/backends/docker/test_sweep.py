"""What is found of what lives between runs: by whose it is, and only what nothing mounts."""

import json
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from runner.backends.docker.client import Engine
from runner.backends.docker.sweep import Remnant, Sweep
from runner.errors import EngineRefusedError
from runner.naming import Instance, cache_labels, common_labels, shim_labels
from tests.support.stub_engine import StubEngine, answer, refuse, stub_engine

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
    common = {"Name": "runner-common-x", "Labels": common_labels(ME)}
    stub.script["/networks"] = [answer([common])]
    stub.script["/volumes"] = [answer({"Volumes": [cache]}), answer({"Volumes": [shim]})]
    found = Sweep(engine).lasting(ME)
    asked = [json.loads(parse_qs(urlsplit(request).query)["filters"][0]) for request in stub.requests[-3:]]

    assert found == (
        Remnant(kind="network", name="runner-common-x", run="", lock=""),
        Remnant(kind="volume", name="runner-cache-x", run="", lock="", cache="go at /go"),
        Remnant(kind="volume", name="runner-shim-x", run="", lock="", shim="0123"),
    )
    owner = {"io.runner.kind=exec", "io.runner.host=h", "io.runner.owner=o"}
    roles = [{"io.runner.role=common network"}, {"io.runner.role=cache"}, {"io.runner.role=shim"}]
    assert [set(filters["label"]) - owner for filters in asked] == roles
    assert all(owner < set(filters["label"]) and filters["dangling"] == ["true"] for filters in asked)


def test_where_nothing_lasts_there_is_nothing(stub: StubEngine, engine: Engine) -> None:
    stub.script |= {"/networks": [answer([])], "/volumes": [answer({"Volumes": None})]}

    assert Sweep(engine).lasting(ME) == ()


def test_the_objects_of_an_instance_are_asked_for_by_its_id_alone(stub: StubEngine, engine: Engine) -> None:
    stub.script |= {
        "/containers/json": [answer([])],
        "/networks": [answer([])],
        "/volumes": [answer({"Volumes": None})],
    }

    assert Sweep(engine).of_instance("d1") == ()
    asked = [json.loads(parse_qs(urlsplit(request).query)["filters"][0]) for request in stub.requests[-3:]]
    assert [filters["label"] for filters in asked] == [["io.runner.instance=d1"]] * 3


def test_sizes_are_summed_by_run_and_what_is_mounted_from_elsewhere_does_not_count(
    stub: StubEngine, engine: Engine
) -> None:
    def volume(run: str, size: int, instance: str = "d1", options: object = None) -> dict[str, object]:
        labels = {"io.runner.instance": instance, "io.runner.run": run}
        return {"Name": "v", "Labels": labels, "Options": options, "UsageData": {"Size": size}}

    overlay = {"type": "overlay", "o": "lowerdir=/a"}
    found = [volume("a", 5), volume("a", 7), volume("b", -1), volume("c", 9, "d2"), volume("a", 100, options=overlay)]
    stub.script["/system/df"] = [answer({"Volumes": [*found, {"Name": "x", "Labels": None, "Options": None}]})]

    assert Sweep(engine).volumes_of("d1") == {"a": 12, "b": 0}


def test_an_engine_that_cannot_tell_sizes_says_so(stub: StubEngine, engine: Engine) -> None:
    stub.script["/system/df"] = [refuse(500, "a disk usage operation is already running")]

    with pytest.raises(EngineRefusedError, match="already running"):
        Sweep(engine).volumes_of("d1")
