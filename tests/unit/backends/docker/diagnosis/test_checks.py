"""All that is asked of an engine, on one that says what the test tells it to."""

import gc
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.backends.docker.client import Engine
from runner.backends.docker.diagnosis import checks
from runner.backends.docker.diagnosis.check import Check, Verdict
from runner.backends.docker.diagnosis.checks import HurriedEngine, Subject, diagnose
from runner.naming import Instance
from runner.settings import DockerSettings
from tests.support.diagnosed import INFO, StoppedClock, answer_well, shown
from tests.support.stub_engine import Behaviour, StubEngine, answer, cut, refuse, silence, stub_engine

ME = Instance(id="0", kind="exec", host="here", owner="1", lock="/state/instances/0.lock")


@pytest.fixture
def stub() -> Iterator[StubEngine]:
    with stub_engine() as engine:
        answer_well(engine)
        yield engine


@pytest.fixture
def unclosed() -> Iterator[None]:
    """Collect the socket that the SDK forgets when a connection is refused, while its warning is ignored."""
    yield
    gc.collect()


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_CALL_SECONDS", 1)


def look(engine: Engine, source: Path, instance: Instance | None = ME) -> list[Check]:
    subject = Subject(engine=engine, settings=DockerSettings(), source=source, instance=instance, clock=StoppedClock())
    return list(diagnose(subject))


def at(stub: StubEngine, source: Path, instance: Instance | None = ME) -> list[Check]:
    engine = HurriedEngine(stub.address)
    try:
        return look(engine, source, instance)
    finally:
        engine.api.close()


def bads(found: list[Check]) -> list[str]:
    return [check.name for check in found if check.verdict is Verdict.BAD]


def test_an_engine_is_looked_at_from_all_sides(stub: StubEngine, tmp_path: Path) -> None:
    found = at(stub, tmp_path)

    assert [check.name for check in found] == [
        "engine",
        "users",
        "clock",
        "restarts",
        "init",
        "limits",
        "log drivers",
        "sandbox image",
        "source",
        "workspaces",
        "engine's disk",
        "reclaimable",
        "subnets",
        "access",
        "walls",
        "rights",
    ]
    assert bads(found) == []
    assert all(bool(check.advice) is (check.verdict is not Verdict.OK) for check in found)


def test_a_diagnosis_makes_nothing_that_it_does_not_remove(stub: StubEngine, tmp_path: Path) -> None:
    at(stub, tmp_path)

    made = [request for request in stub.requests if request.startswith("POST /containers/create")]
    gone = [request for request in stub.requests if request.startswith("DELETE /containers/")]
    assert len(made) == len(gone) > 0
    assert not [request for request in stub.requests if "/start" in request or "/networks/create" in request]


def test_without_an_instance_nothing_is_made(stub: StubEngine, tmp_path: Path) -> None:
    found = at(stub, tmp_path, None)

    assert shown(found)["workspaces"] == "note not tried out"
    assert {request.partition(" ")[0] for request in stub.requests} == {"GET"}


def test_without_the_sandbox_image_nothing_is_tried_out_and_the_rest_is_told(stub: StubEngine, tmp_path: Path) -> None:
    stub.script["/images/runner-sandbox:1/json"] = [refuse(404, "no such image")]

    found = at(stub, tmp_path)

    assert bads(found) == ["sandbox image"]
    assert {"subnets", "walls"} <= shown(found).keys()
    assert "workspaces" not in shown(found)


def test_an_engine_that_can_run_nothing_of_ours_is_asked_no_further(stub: StubEngine, tmp_path: Path) -> None:
    stub.script["/info"] = [answer({**INFO, "OSType": "windows"})]

    found = at(stub, tmp_path)

    assert bads(found) == ["engine"]
    assert [check.name for check in found][-1] == "restarts"


@pytest.mark.parametrize("path", ["/volumes/create", "/networks"])
def test_a_refusal_is_bad_and_the_rest_is_told(path: str, stub: StubEngine, tmp_path: Path) -> None:
    stub.script[path] = [refuse(500, "it is broken")]

    found = at(stub, tmp_path)

    (check,) = [check for check in found if check.verdict is Verdict.BAD]
    assert check.found.endswith("it is broken")
    assert check.advice
    assert found[-1].name == "rights"


@pytest.mark.parametrize(("path", "name"), [("/volumes", "workspaces"), ("/networks", "subnets")])
def test_an_engine_that_falls_silent_is_bad_and_asked_no_further(
    path: str, name: str, stub: StubEngine, tmp_path: Path, hurry: None
) -> None:
    stub.script[path] = [silence]

    found = at(stub, tmp_path)

    assert found[-1].name == name
    assert bads(found) == [name]
    assert "nothing more was asked of it" in found[-1].advice


@pytest.mark.parametrize("behaviour", [refuse(500, "broken"), answer([]), cut], ids=["refuses", "odd", "cut"])
def test_an_engine_that_says_nothing_sensible_of_itself_is_bad(
    behaviour: Behaviour, stub: StubEngine, tmp_path: Path
) -> None:
    stub.script["/info"] = [behaviour]

    found = at(stub, tmp_path)

    assert [check.name for check in found] == bads(found) == ["engine"]
    assert found[0].advice


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_engine_that_does_not_answer_is_bad_within_its_deadline(
    stub: StubEngine, tmp_path: Path, hurry: None, unclosed: None
) -> None:
    stub.script["/version"] = [silence]
    begun = time.monotonic()

    found = look(HurriedEngine(stub.address), tmp_path)

    assert time.monotonic() - begun < 3
    assert bads(found) == ["engine"]
    assert "does not answer" in found[0].advice


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(
    ("address", "advice"),
    [
        ("unix:///nonexistent.sock", "is Docker installed and started"),
        ("tcp://127.0.0.1:1", "firewall"),
        ("nonsense://x", "for example unix:///var/run/docker.sock"),
    ],
)
def test_an_engine_that_is_not_there_has_advice_for_its_address(
    address: str, advice: str, tmp_path: Path, unclosed: None
) -> None:
    (check,) = look(HurriedEngine(address), tmp_path)

    assert check.verdict is Verdict.BAD
    assert advice in check.advice
    assert "runner doctor" not in check.advice


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_who_may_not_use_the_socket_is_told_the_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unclosed: None
) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("socket.socket.connect", forbidden)

    (check,) = look(HurriedEngine(f"unix://{tmp_path}/docker.sock"), tmp_path)

    assert "usermod -aG docker" in check.advice


def test_a_hurried_engine_gives_no_call_more_than_its_time(stub: StubEngine) -> None:
    engine = HurriedEngine(stub.address)
    short = engine.new_client(1)

    assert (engine.api.timeout, short.timeout) == (3, 1)

    engine.api.close()
    short.close()
