"""What is remembered of images, which a step may build anew behind their names."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from runner.backends.docker.images import Images
from runner.errors import ImageError
from runner.settings import DockerSettings
from tests.support.hooked import DEADLINE
from tests.support.stub_engine import Handler, StubEngine, answer, refuse, stub_engine

INSPECT = "/images/app/json"
ONE, TWO = answer({"Id": "sha256:1", "Config": {}}), answer({"Id": "sha256:2", "Config": {}})


@dataclass
class Stand:
    """Images of an engine whose changes are ``watched``, or not."""

    stub: StubEngine
    watched: bool = True
    images: Images = field(init=False)

    def __post_init__(self) -> None:
        self.images = Images(self.stub.engine(), DockerSettings(), lambda: self.watched)

    def ids(self, count: int) -> list[str]:
        """Return what the image is, asked for so often."""
        return [self.images.describe("app").id for _ in range(count)]

    @property
    def looks(self) -> int:
        """How often the engine was asked."""
        return self.stub.requests.count(f"GET {INSPECT}")


@pytest.fixture
def stand() -> Iterator[Stand]:
    with stub_engine() as stub:
        yield Stand(stub)


def test_while_all_changes_are_heard_of_an_image_is_looked_at_once(stand: Stand) -> None:
    stand.stub.script[INSPECT] = [ONE, TWO]

    assert stand.ids(3) == ["sha256:1"] * 3
    assert stand.looks == 1


def test_each_name_is_remembered_by_itself(stand: Stand) -> None:
    stand.stub.script |= {INSPECT: [ONE], "/images/other/json": [TWO]}

    assert [stand.images.describe(name).id for name in ("app", "other", "app")] == ["sha256:1", "sha256:2", "sha256:1"]


def test_a_change_of_any_image_makes_all_be_looked_at_anew(stand: Stand) -> None:
    stand.stub.script[INSPECT] = [ONE, TWO]
    before = stand.ids(1)

    stand.images.forget()

    assert before + stand.ids(2) == ["sha256:1", "sha256:2", "sha256:2"]


def test_a_look_that_was_under_way_when_an_image_changed_is_not_remembered(stand: Stand) -> None:
    asked, gate = threading.Event(), threading.Event()

    def late(handler: Handler) -> None:
        asked.set()
        assert gate.wait(DEADLINE)
        ONE(handler)

    stand.stub.script[INSPECT] = [late, TWO]
    with ThreadPoolExecutor(1) as thread:
        looking = thread.submit(stand.ids, 1)
        assert asked.wait(DEADLINE)
        stand.images.forget()
        gate.set()

        assert looking.result(DEADLINE) == ["sha256:1"]

    assert stand.ids(2) == ["sha256:2", "sha256:2"]


def test_what_is_remembered_is_not_believed_while_changes_may_be_missed(stand: Stand) -> None:
    stand.stub.script[INSPECT] = [ONE, TWO]
    before = stand.ids(1)

    stand.watched = False

    assert before + stand.ids(1) == ["sha256:1", "sha256:2"]


def test_an_image_that_was_removed_is_missed_after_the_news(stand: Stand) -> None:
    stand.stub.script[INSPECT] = [ONE, refuse(404, "No such image: app:latest")]
    stand.ids(2)

    stand.images.forget()

    for _ in range(2):
        with pytest.raises(ImageError, match="is not there"):
            stand.images.describe("app")
