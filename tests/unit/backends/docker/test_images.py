"""Images: presence, contents, and one pull for many who ask."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runner.backends.docker.images import Image, Images
from runner.engine.backend import PullProgress
from runner.errors import EngineRefusedError, ImageError, InfrastructureError
from runner.settings import DockerSettings
from tests.support.stub_engine import Behaviour, Handler, StubEngine, answer, header, refuse, stream, stub_engine

CREATE, INSPECT = "/images/create", "/images/app/json"
PULLED = stream({"status": "Downloading", "id": "a", "progressDetail": {"current": 1, "total": 1}})
ABSENT = refuse(404, "No such image: app:latest")
ONE, TWO = answer({"Id": "sha256:1", "Config": {}}), answer({"Id": "sha256:2", "Config": {}})

GO_LINK, GO_DIRECTORY = 1 << 27, 1 << 31


def ignored(_: PullProgress) -> None:
    """Take a report."""


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StubEngine]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with stub_engine() as engine:
        yield engine


@pytest.fixture
def images(stub: StubEngine) -> Images:
    return Images(stub.engine(), DockerSettings(pull_total=20, pull_stall=10))


def held(gate: threading.Event, then: Behaviour) -> Behaviour:
    def behave(handler: Handler) -> None:
        assert gate.wait(10)
        then(handler)

    return behave


def test_a_present_image_is_not_pulled(stub: StubEngine, images: Images) -> None:
    stub.script[INSPECT] = [ONE]

    images.fetch("app", always=False, report=ignored)

    assert stub.pulls() == 0


def test_an_absent_image_is_pulled(stub: StubEngine, images: Images) -> None:
    stub.script |= {INSPECT: [ABSENT, ONE], CREATE: [PULLED]}

    images.fetch("app", always=False, report=ignored)

    assert stub.pulls() == 1
    assert images.describe("app").id == "sha256:1"


def test_always_pulls_what_is_present(stub: StubEngine, images: Images) -> None:
    stub.script |= {INSPECT: [ONE], CREATE: [PULLED]}

    images.fetch("app", always=True, report=ignored)

    assert stub.pulls() == 1


def test_a_pull_that_brings_nothing_is_an_error(stub: StubEngine, images: Images) -> None:
    stub.script |= {INSPECT: [ABSENT], CREATE: [PULLED]}

    with pytest.raises(ImageError, match="does not have it"):
        images.fetch("app", always=False, report=ignored)


@pytest.mark.parametrize("act", ["fetch", "describe"])
def test_a_bad_name_reaches_no_engine(stub: StubEngine, images: Images, act: str) -> None:
    with pytest.raises(ImageError, match="not the name of an image"):
        images.fetch("../info", always=False, report=ignored) if act == "fetch" else images.describe("../info")

    assert stub.requests == []


def test_trouble_of_the_engine_is_not_taken_for_absence(stub: StubEngine, images: Images) -> None:
    stub.script[INSPECT] = [refuse(500, "layer store is corrupt")]

    with pytest.raises(EngineRefusedError, match="layer store is corrupt"):
        images.fetch("app", always=False, report=ignored)

    assert stub.pulls() == 0


def test_an_absent_image_cannot_be_described_and_the_hint_names_the_policy(stub: StubEngine, images: Images) -> None:
    stub.script[INSPECT] = [ABSENT]

    with pytest.raises(ImageError, match="image app is not there") as caught:
        images.describe("app")

    assert "`docker pull app`" in caught.value.hint
    assert "never" in caught.value.hint


def test_an_image_is_described_in_full(stub: StubEngine, images: Images) -> None:
    config = {
        "Entrypoint": ["/bin/tool", "-x"],
        "Cmd": ["run"],
        "User": "1000:1000",
        "Env": ["PATH=/opt/bin:/bin", "EQUALS=a=b", "EMPTY="],
        "Healthcheck": {"Test": ["CMD-SHELL", "true"]},
    }
    stub.script[INSPECT] = [answer({"Id": "sha256:1", "Config": config})]

    assert images.describe("app") == Image(
        id="sha256:1",
        entrypoint=("/bin/tool", "-x"),
        command=("run",),
        user="1000:1000",
        environment={"PATH": "/opt/bin:/bin", "EQUALS": "a=b", "EMPTY": ""},
        has_healthcheck=True,
    )


@pytest.mark.parametrize(
    "config", [None, {}, {"Entrypoint": None, "Cmd": None, "Env": None, "Healthcheck": None}, {"Healthcheck": {}}]
)
def test_an_image_that_sets_nothing_is_described_as_such(stub: StubEngine, images: Images, config: object) -> None:
    stub.script[INSPECT] = [answer({"Id": "sha256:1", "Config": config})]

    assert images.describe("app") == Image(id="sha256:1")


def test_a_health_check_that_is_switched_off_is_none(stub: StubEngine, images: Images) -> None:
    stub.script[INSPECT] = [answer({"Id": "sha256:1", "Config": {"Healthcheck": {"Test": ["NONE"]}}})]

    assert not images.describe("app").has_healthcheck


def test_an_image_that_is_built_anew_is_described_anew(stub: StubEngine, images: Images) -> None:
    stub.script[INSPECT] = [ONE, TWO]

    assert [images.describe("app").id for _ in range(2)] == ["sha256:1", "sha256:2"]


def test_an_absence_is_not_remembered(stub: StubEngine, images: Images) -> None:
    stub.script[INSPECT] = [ABSENT, ONE]
    with pytest.raises(ImageError):
        images.describe("app")

    assert images.describe("app").id == "sha256:1"


def test_threads_that_ask_for_one_image_share_a_pull_and_its_progress(stub: StubEngine, images: Images) -> None:
    gate, seen = threading.Event(), [list[PullProgress]() for _ in range(5)]
    stub.script |= {INSPECT: [ABSENT] * 5 + [ONE], CREATE: [held(gate, PULLED)]}

    with ThreadPoolExecutor(5) as pool:
        for reports in seen:
            pool.submit(images.fetch, "app", always=True, report=reports.append)
        await_listeners(images, 5)
        gate.set()

    assert stub.pulls() == 1
    assert all(reports and reports == seen[0] for reports in seen)


def test_the_same_image_under_two_spellings_is_one_pull(stub: StubEngine, images: Images) -> None:
    gate = threading.Event()
    stub.script |= {INSPECT: [ONE], "/images/docker.io/library/app:latest/json": [ONE], CREATE: [held(gate, PULLED)]}

    with ThreadPoolExecutor(2) as pool:
        for name in ("app", "docker.io/library/app:latest"):
            pool.submit(images.fetch, name, always=True, report=ignored)
        await_listeners(images, 2)
        gate.set()

    assert stub.pulls() == 1


def test_threads_that_share_a_pull_share_its_failure(stub: StubEngine, images: Images) -> None:
    gate = threading.Event()
    stub.script[CREATE] = [held(gate, refuse(404, "manifest unknown"))]

    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(images.fetch, "app", always=True, report=ignored) for _ in range(3)]
        await_listeners(images, 3)
        gate.set()
        failures = [each.exception() for each in waiting]

    assert stub.pulls() == 1
    assert all(isinstance(failure, ImageError) for failure in failures)


def test_a_failed_pull_is_not_remembered(stub: StubEngine, images: Images) -> None:
    stub.script |= {CREATE: [refuse(404, "manifest unknown"), PULLED], INSPECT: [ONE]}
    with pytest.raises(ImageError):
        images.fetch("app", always=True, report=ignored)

    images.fetch("app", always=True, report=ignored)

    assert stub.pulls() == 2


def test_who_waits_for_an_interrupted_pull_is_told(stub: StubEngine, images: Images) -> None:
    gate, interrupted = threading.Event(), threading.Event()
    stub.script |= {CREATE: [held(gate, PULLED)], INSPECT: [ONE]}

    def interrupt(_: PullProgress) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(images.fetch, "app", always=True, report=interrupt)
        await_listeners(images, 1)
        follower = pool.submit(images.fetch, "app", always=True, report=ignored)
        await_listeners(images, 2)
        gate.set()

        assert isinstance(leader.exception(10), KeyboardInterrupt)
        with pytest.raises(InfrastructureError, match="interrupted"):
            follower.result(10)
    assert interrupted.is_set()


def await_listeners(images: Images, count: int) -> None:
    deadline = time.monotonic() + 5
    while sum(len(flight.reports) for flight in images._flights.values()) < count:
        assert time.monotonic() < deadline, "they did not all ask"
        time.sleep(0.01)


def path_stat(mode: int, link_target: str = "") -> Behaviour:
    fields = {"name": "sh", "size": 1, "mode": mode, "mtime": "2026-01-01T00:00:00Z", "linkTarget": link_target}
    return header("X-Docker-Container-Path-Stat", base64.b64encode(json.dumps(fields).encode()).decode())


@pytest.mark.parametrize(
    ("stats", "has"),
    [
        ([path_stat(0o755)], True),
        ([path_stat(0o111)], True),
        ([path_stat(0o644)], False),
        ([path_stat(GO_DIRECTORY | 0o755)], False),
        ([path_stat(GO_LINK | 0o777, "/bin/busybox"), path_stat(0o755)], True),
        ([path_stat(GO_LINK | 0o777, "/bin/busybox"), path_stat(GO_DIRECTORY | 0o755)], False),
        ([path_stat(GO_LINK | 0o777, "/gone"), refuse(404, "no such file")], False),
        ([refuse(404, "no such file")], False),
    ],
    ids=["file", "executable only", "no program", "directory", "link", "link to directory", "dangling link", "nothing"],
)
def test_a_shell_is_a_program_or_a_link_to_one(
    stub: StubEngine, images: Images, stats: list[Behaviour], *, has: bool
) -> None:
    stub.script |= {"/containers/c1/archive": stats, "/containers/c1/json": [answer({"Id": "c1"})]}

    assert images.shell_in("c1", "sha256:1") is has


def test_a_shell_is_looked_for_once_an_image(stub: StubEngine, images: Images) -> None:
    stub.script["/containers/c1/archive"] = [path_stat(0o755)]
    before = images.has_shell("sha256:1")

    assert images.shell_in("c1", "sha256:1")
    assert images.shell_in("c2", "sha256:1")
    assert (before, images.has_shell("sha256:1"), images.has_shell("sha256:2")) == (None, True, None)
    assert sum(request.startswith("HEAD") for request in stub.requests) == 1


def test_a_container_that_is_gone_does_not_make_its_image_one_without_a_shell(stub: StubEngine, images: Images) -> None:
    with pytest.raises(EngineRefusedError) as caught:
        images.shell_in("c1", "sha256:1")

    assert caught.value.status == 404
    assert images.has_shell("sha256:1") is None


def test_trouble_while_looking_for_a_shell_is_an_error(stub: StubEngine, images: Images) -> None:
    stub.script["/containers/c1/archive"] = [refuse(500, "broken")]

    with pytest.raises(EngineRefusedError):
        images.shell_in("c1", "sha256:1")
