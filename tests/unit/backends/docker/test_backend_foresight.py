"""When a backend asks beforehand for what the next step needs to know."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from runner.backends.docker.backend import DockerBackend
from runner.backends.docker.boxes import Sandbox
from runner.backends.docker.hostconfig import Placement
from runner.backends.docker.images import Image
from runner.backends.docker.runs import Stage
from runner.backends.docker.workspaces import Opened
from runner.engine.backend import Ending, Phase
from runner.engine.specs import Release, RunSpec, StepSpec
from runner.naming import Address, Instance
from runner.settings import DockerSettings
from tests.support.answering import Silent
from tests.support.stub_engine import stub_engine

RUN = RunSpec(id="aa", home="/h", workdir="/w", outputs="/o")
STAGE, ONE, TWO = Address("aa", "s"), Address("aa", "s", "one"), Address("aa", "s", "two")


@dataclass
class Stand:
    """A backend without an engine, which has one open stage; ``asked`` counts what it asks for."""

    backend: DockerBackend
    asked: Counter[str] = field(default_factory=Counter)
    watched: dict[str, Callable[[int], None]] = field(default_factory=dict)
    released: set[Address] = field(default_factory=set)

    def read(self, _: Sandbox) -> Mapping[str, bytes]:
        self.asked["outputs"] += 1
        return {".env": b"%d" % self.asked["outputs"]}

    def describe(self, image: str) -> Image:
        self.asked["image"] += 1
        return Image(id=image)

    def watch(self, container: str, gone: Callable[[int], None]) -> None:
        self.watched[container] = gone

    def prepare(self, _: StepSpec, __: Placement) -> Phase:
        return Phase.READY

    def exit(self, address: Address) -> None:
        """Let a container exit, and wait until all that this makes the backend ask was answered."""
        threads = self.backend._foresight._threads
        threads.submit(lambda: None).result()
        self.watched.pop(str(address))(os.open(os.devnull, os.O_RDONLY))
        for look in self.looks():
            look.answer.exception()

    def looks(self) -> list:  # type: ignore[type-arg]  # of several kinds
        known = self.backend._foresight._stages[STAGE]
        return [look for look in (known.outputs, *known.images.values()) if look is not None]


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    with stub_engine() as stub:
        engine = stub.engine()
        backend = DockerBackend(engine, DockerSettings(), Instance(id="i1", kind="daemon", host="h", owner="o"))
        found = Stand(backend)
        foresight, containers = backend._foresight, backend._containers
        monkeypatch.setattr(backend._outputs, "read", found.read)
        monkeypatch.setattr(foresight, "_ask_image", found.describe)
        monkeypatch.setattr(foresight._exits, "watch", found.watch)
        monkeypatch.setattr(backend._sandboxes, "lives", lambda *_: True)
        monkeypatch.setattr(containers, "prepare", found.prepare)
        monkeypatch.setattr(containers, "release", lambda address, _: found.released.add(address))
        monkeypatch.setattr(containers, "container", str)
        monkeypatch.setattr(containers, "conclude", lambda _: Ending(exit_code=0))
        backend._runs.of("aa").spec = RUN
        sandbox = Sandbox(id="box", answers=Silent())
        backend._runs.keep(STAGE, Stage(workspace=Opened(), sandbox=sandbox, lost=lambda _: None))
        yield found
        backend.close()
        engine.api.close()


def _step(address: Address, alias: str = "") -> StepSpec:
    return StepSpec(address=address, image="busybox", commands=("true",), alias=alias)


def _begin(stand: Stand, address: Address = ONE, alias: str = "") -> None:
    stand.backend.prepare(_step(address, alias))
    stand.backend.release(address, Release())


def test_after_an_exit_neither_the_outputs_nor_the_image_are_asked_for_any_more(stand: Stand) -> None:
    _begin(stand)
    stand.backend.prepare(_step(TWO))
    stand.exit(ONE)
    before = stand.asked.copy()

    stand.backend.conclude(ONE)
    stand.backend.prepare(_step(TWO))
    assert stand.backend.outputs(STAGE) == {".env": b"1"}
    stand.backend.release(TWO, Release())

    assert stand.asked == before == {"outputs": 1, "image": 3}
    assert stand.released == {ONE, TWO}


def test_the_next_step_does_not_find_what_was_read_before_this_one(stand: Stand) -> None:
    _begin(stand)
    stand.exit(ONE)
    _begin(stand, TWO)

    assert stand.backend.outputs(STAGE) == {".env": b"2"}


def test_nobody_looks_for_the_exit_of_what_goes_on_beside_the_steps(stand: Stand) -> None:
    _begin(stand, alias="beside")
    _begin(stand, TWO)
    stand.exit(TWO)

    assert list(stand.watched) == []


def test_what_a_detached_step_has_left_before_it_ended_is_seen(stand: Stand) -> None:
    _begin(stand, ONE, alias="beside")
    _begin(stand, TWO)
    stand.exit(TWO)

    stand.backend.conclude(ONE)

    assert stand.backend.outputs(STAGE) == {".env": b"2"}


def test_a_stage_that_is_closed_has_nothing_foreseen(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand.backend._sandboxes, "give", lambda *_: None)
    _begin(stand)
    stand.exit(ONE)

    stand.backend.close_stage(STAGE, needed=False)

    assert not stand.backend._foresight._stages


def test_the_sandbox_of_the_last_step_is_unplugged_when_that_has_exited(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    unplugged: list[str] = []
    monkeypatch.setattr(stand.backend._sandboxes, "unplug", lambda _, sandbox: unplugged.append(sandbox.id))
    _begin(stand)
    stand.exit(ONE)
    stand.backend.prepare(_step(TWO))
    stand.backend.release(TWO, Release(last=True))
    assert unplugged == []

    stand.exit(TWO)

    assert unplugged == ["box"]


def test_what_goes_on_beside_the_steps_unplugs_nothing(stand: Stand) -> None:
    stand.backend.prepare(_step(ONE, alias="beside"))
    stand.backend.release(ONE, Release(last=True))

    assert list(stand.watched) == []
