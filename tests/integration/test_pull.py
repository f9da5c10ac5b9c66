"""Pulling from a real registry, over a line that misbehaves."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from runner.backends.docker import pulls
from runner.backends.docker.client import Engine
from runner.backends.docker.images import Images
from runner.engine.backend import PullProgress
from runner.errors import ImageError
from runner.settings import DockerSettings
from tests.support.proxy import Manner, Mode, Proxy, proxy
from tests.support.registry import Login, Registry, Shelf, free_port, refusing_registry, registry

BIG = 3_000_000
LOGIN = Login(user="me", password="c0rrect-horse")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registry(tmp_path_factory.mktemp("open")) as found:
        yield found


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registry(tmp_path_factory.mktemp("closed"), LOGIN) as found:
        yield found


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One image of one test: pushed to a registry directly, pulled over ``line`` under another name."""

    engine: Engine
    registry: Registry
    line: Proxy
    shelf: Shelf
    path: str

    @property
    def name(self) -> str:
        return f"{self.line.host}/{self.path}"

    def images(self, *, total: float = 60, stall: float = 20) -> Images:
        return Images(self.engine, DockerSettings(pull_total=total, pull_stall=stall))

    def publish(self, *, size: int = 1000, changes: tuple[str, ...] = ()) -> str:
        return self.shelf.publish(self.registry, self.path, size=size, changes=changes)

    def pull(self, images: Images | None = None, *, always: bool = False) -> list[PullProgress]:
        seen: list[PullProgress] = []
        (images or self.images()).fetch(self.name, always=always, report=seen.append)
        return seen


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Docker's config file, empty: the user's own is left alone."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path / "config.json"


def scene_of(engine: Engine, found: Registry, line: Proxy, request: pytest.FixtureRequest) -> Iterator[Scene]:
    test: str = request.node.originalname
    path = f"{test.removeprefix('test_')[:60].strip('_')}:1"
    made = Scene(engine=engine, registry=found, line=line, shelf=Shelf(engine.api), path=path)
    made.shelf.names.add(made.name)
    yield made
    made.shelf.clear()


@pytest.fixture
def scene(engine: Engine, opened: Registry, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """A registry that asks nobody who they are."""
    with proxy(opened.port) as line:
        yield from scene_of(engine, opened, line, request)


@pytest.fixture
def guarded(engine: Engine, closed: Registry, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """A registry that wants a login."""
    with proxy(closed.port) as line:
        yield from scene_of(engine, closed, line, request)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let attempts follow each other quickly."""
    monkeypatch.setattr(pulls, "PAUSES", tuple(pause / 10 for pause in pulls.PAUSES))


def test_an_absent_image_is_pulled_with_progress_to_the_last_byte(scene: Scene) -> None:
    expected = scene.publish(size=BIG, changes=('CMD ["/tool"]', "USER 7", "ENV A=b"))
    images = scene.images()

    seen = scene.pull(images)

    found = images.describe(scene.name)
    assert (found.id, found.command, found.user, found.environment["A"]) == (expected, ("/tool",), "7", "b")
    assert {each.image for each in seen} == {scene.name}
    assert seen[-1].current == seen[-1].total >= BIG
    assert seen[-1].text == f"Downloaded newer image for {scene.name}"


def test_a_present_image_is_used_without_asking_the_registry(scene: Scene) -> None:
    first = scene.publish()
    images = scene.images()
    scene.pull(images)
    scene.publish()
    asked = scene.line.connections

    scene.pull(images)

    assert scene.line.connections == asked
    assert images.describe(scene.name).id == first


def test_always_sees_a_new_image_behind_the_same_tag(scene: Scene) -> None:
    first = scene.publish()
    images = scene.images()
    scene.pull(images, always=True)
    before = images.describe(scene.name).id
    second = scene.publish()

    scene.pull(images, always=True)

    assert (before, images.describe(scene.name).id) == (first, second)
    assert first != second


def test_always_does_not_fall_back_on_what_is_there(scene: Scene, hurried: None) -> None:
    scene.publish()
    scene.pull(always=True)
    scene.line.mode = Mode(manner=Manner.CUT)

    with pytest.raises(ImageError, match="3 attempts"):
        scene.pull(always=True)


def test_an_image_is_pulled_by_digest(scene: Scene) -> None:
    expected = scene.publish()
    scene.pull()
    pinned = next(name for name in digests(scene.engine) if name.startswith(scene.name.removesuffix(":1")))
    scene.shelf.remove(scene.name)
    images = scene.images()

    images.fetch(pinned, always=False, report=lambda _: None)

    assert images.describe(pinned).id == expected


def digests(engine: Engine) -> list[str]:
    return [digest for image in engine.api.images() for digest in image["RepoDigests"] or ()]


def test_never_leaves_an_absent_image_absent_and_says_what_to_do(scene: Scene) -> None:
    scene.publish()

    with pytest.raises(ImageError, match="is not there") as caught:
        scene.images().describe(scene.name)

    assert f"docker pull {scene.name}" in caught.value.hint
    assert scene.line.connections == 0


@pytest.mark.parametrize("missing", ["{line}/nothing/app:1", "{image}0"], ids=["repository", "tag"])
def test_what_the_registry_does_not_have_fails_at_once_in_its_words(scene: Scene, missing: str) -> None:
    scene.publish()
    begun = time.monotonic()

    with pytest.raises(ImageError, match="manifest unknown") as caught:
        scene.images().fetch(
            missing.format(line=scene.line.host, image=scene.name), always=False, report=lambda _: None
        )

    assert time.monotonic() - begun < 3
    assert "check the name and the tag" in caught.value.hint


def test_credentials_of_dockers_config_open_a_registry(guarded: Scene, config: Path) -> None:
    expected = guarded.publish()
    config.write_text(logged_in(guarded, LOGIN))
    images = guarded.images()

    guarded.pull(images)

    assert images.describe(guarded.name).id == expected


def test_a_credential_helper_opens_a_registry(guarded: Scene, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = guarded.publish()
    answer = json.dumps({"Username": LOGIN.user, "Secret": LOGIN.password})
    helper = config.parent / "docker-credential-test"
    helper.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", str(config.parent), prepend=":")
    config.write_text(json.dumps({"credHelpers": {guarded.line.host: "test"}}))
    images = guarded.images()

    guarded.pull(images)

    assert images.describe(guarded.name).id == expected


@pytest.mark.parametrize("login", [None, replace(LOGIN, password="wr0ng-horse")], ids=["none", "wrong"])
def test_a_registry_that_refuses_fails_at_once_with_the_way_to_log_in(
    guarded: Scene, config: Path, login: Login | None
) -> None:
    guarded.publish()
    config.write_text(logged_in(guarded, login))
    begun = time.monotonic()

    with pytest.raises(ImageError, match="auth") as caught:
        guarded.pull()

    assert time.monotonic() - begun < 3
    assert f"`docker login {guarded.line.host}`" in caught.value.hint
    assert ("was refused" if login else "there are no credentials") in caught.value.hint
    assert "horse" not in caught.value.message + caught.value.hint


def logged_in(scene: Scene, login: Login | None) -> str:
    if login is None:
        return "{}"
    pair = base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
    return json.dumps({"auths": {scene.line.host: {"auth": pair}}})


def test_a_stalled_download_ends_at_the_no_progress_limit_and_does_not_block_the_next(scene: Scene) -> None:
    expected = scene.publish(size=BIG)
    scene.line.mode = Mode(manner=Manner.STALL, after=1_000_000)
    seen: list[PullProgress] = []
    begun = time.monotonic()

    with pytest.raises(ImageError, match="no progress for 2 s"):
        scene.images(stall=2).fetch(scene.name, always=False, report=seen.append)

    assert 2 <= time.monotonic() - begun < 5
    assert 0 < seen[-1].current < BIG
    scene.line.mode = Mode()
    scene.pull(scene.images(total=10))
    assert scene.images().describe(scene.name).id == expected


def test_a_registry_that_says_nothing_at_all_ends_at_the_no_progress_limit(scene: Scene) -> None:
    scene.line.mode = Mode(manner=Manner.STALL)
    begun = time.monotonic()

    with pytest.raises(ImageError, match="no progress for 1 s"):
        scene.pull(scene.images(stall=1))

    assert 1 <= time.monotonic() - begun < 4


def test_a_slow_download_ends_at_the_total_limit_and_the_engine_stops_it(scene: Scene) -> None:
    scene.publish(size=BIG)
    scene.line.mode = Mode(manner=Manner.DRIP, after=10_000, seconds=0.05)
    begun = time.monotonic()

    with pytest.raises(ImageError, match="did not arrive within 2 s"):
        scene.pull(scene.images(total=2))

    assert 2 <= time.monotonic() - begun < 5
    until(lambda: scene.line.active == 0)


def test_a_slow_line_is_only_slow(scene: Scene) -> None:
    scene.publish(size=BIG)
    scene.line.mode = Mode(manner=Manner.DELAY, seconds=0.05)

    seen = scene.pull(scene.images(stall=1.5))

    assert seen[-1].current >= BIG
    assert len({each.current for each in seen}) > 3


def test_a_download_cut_in_the_middle_is_finished_when_the_line_heals(scene: Scene) -> None:
    expected = scene.publish(size=BIG)
    scene.line.mode = Mode(manner=Manner.CUT, after=1_000_000)
    images = scene.images()

    images.fetch(scene.name, always=False, report=healer(scene, "Retrying"))

    assert images.describe(scene.name).id == expected


def test_a_registry_that_comes_back_between_two_attempts_is_enough(scene: Scene, hurried: None) -> None:
    expected = scene.publish()
    scene.line.mode = Mode(manner=Manner.CUT)
    images = scene.images()

    images.fetch(scene.name, always=False, report=healer(scene, "attempt 2 of 3"))

    assert images.describe(scene.name).id == expected


def healer(scene: Scene, sign: str) -> Callable[[PullProgress], None]:
    """Make the line whole once the progress says something."""

    def heal(progress: PullProgress) -> None:
        if sign in progress.text:
            scene.line.mode = Mode()

    return heal


def test_a_download_that_is_cut_again_and_again_is_an_error_within_the_limits(scene: Scene) -> None:
    scene.publish(size=BIG)
    scene.line.mode = Mode(manner=Manner.CUT, after=20_000)
    begun = time.monotonic()

    with pytest.raises(ImageError, match="no progress for 3 s"):
        scene.pull(scene.images(stall=3))

    assert time.monotonic() - begun < 8


def test_a_registry_that_is_down_is_tried_three_times(scene: Scene) -> None:
    begun = time.monotonic()

    with pytest.raises(ImageError, match=r"connection refused \(3 attempts\)") as caught:
        scene.images().fetch(f"127.0.0.1:{free_port()}/app:1", always=False, report=lambda _: None)

    assert 2 <= time.monotonic() - begun < 10
    assert "reachable" in caught.value.hint


def test_a_rate_limit_is_named_and_tried_again(scene: Scene, hurried: None) -> None:
    seen: list[str] = []

    with (
        refusing_registry(429, "TOOMANYREQUESTS", "come back later") as limited,
        pytest.raises(ImageError, match=r"come back later.*\(3 attempts\)") as caught,
    ):
        scene.images().fetch(f"{limited.host}/app:1", always=False, report=lambda progress: seen.append(progress.text))

    assert "raise the limit" in caught.value.hint
    assert "rate limit: attempt 2 of 3 follows" in seen


def test_threads_that_want_one_image_see_one_pull(scene: Scene) -> None:
    scene.publish(size=BIG)
    scene.line.mode = Mode(manner=Manner.DELAY, seconds=0.02)
    images, together = scene.images(), threading.Barrier(4)

    def fetch() -> list[PullProgress]:
        together.wait()
        return scene.pull(images)

    with ThreadPoolExecutor(4) as pool:
        reports = [each.result() for each in [pool.submit(fetch) for _ in range(4)]]

    assert all(seen and seen[-1] == reports[0][-1] for seen in reports)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
