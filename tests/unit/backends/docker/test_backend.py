"""What a backend knows of several runs at once, on an engine that hangs and refuses on request."""

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from runner import naming
from runner.backends.docker.backend import _REMOVALS, DockerBackend
from runner.clock import Deadline
from runner.engine.specs import RunSpec, StepSpec
from runner.errors import InfrastructureError
from runner.naming import Address, Instance
from runner.settings import DockerSettings
from tests.support.hooked import DEADLINE
from tests.support.stub_engine import Behaviour, Handler, StubEngine, answer, refuse, stub_engine

INSTANCE = Instance(id="i1", kind="daemon", host="h", owner="o")
MINE, OTHER = Address("aa", "s", "t"), Address("bb", "s", "t")
LISTS: dict[str, object] = {"/containers/json": [], "/networks": [], "/volumes": {"Volumes": []}}
FEW_SECONDS = 0.2
"""Enough for what should not happen to happen."""


@dataclass
class Stuck:
    """Removals that hang until they are let go; ``begun`` counts them."""

    gate: threading.Event = field(default_factory=threading.Event)
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __call__(self, handler: Handler) -> None:
        self.begun.release()
        self.gate.wait(DEADLINE)
        answer({})(handler)

    def wait(self, number: int = 1) -> None:
        for _ in range(number):
            assert self.begun.acquire(timeout=DEADLINE)


@pytest.fixture
def stub() -> Iterator[StubEngine]:
    with stub_engine() as found:
        for path, listed in LISTS.items():
            found.script[path] = [answer(listed)]
        yield found


@pytest.fixture
def backend(stub: StubEngine) -> Iterator[DockerBackend]:
    engine = stub.engine()
    found = DockerBackend(engine, DockerSettings(), INSTANCE)
    yield found
    found.close()
    engine.api.close()


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    found = Stuck()
    yield found
    found.gate.set()


@pytest.fixture
def beside(stuck: Stuck) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads
        stuck.gate.set()


def _spec(run: str) -> RunSpec:
    return RunSpec(id=run, home="/h", workdir="/w")


def _step(address: Address) -> StepSpec:
    return StepSpec(address=address, image="busybox")


def _removal(address: Address) -> str:
    return f"/containers/{naming.container(address)}"


def _asked(stub: StubEngine, start: str) -> list[str]:
    return [request for request in stub.requests if request.startswith(start)]


def _stays(condition: Callable[[], bool]) -> bool:
    deadline = Deadline(FEW_SECONDS)
    while condition() and not deadline.passed:
        threading.Event().wait(0.01)
    return condition()


def test_a_run_is_closed_while_the_removals_of_another_one_hang(
    stub: StubEngine, backend: DockerBackend, stuck: Stuck, beside: ThreadPoolExecutor
) -> None:
    """All threads hang, so that its own removal never begins: what that would remove is found by its label."""
    for number in range(_REMOVALS):
        stub.script[_removal(address := Address("bb", "s", f"t{number}"))] = [stuck]
        backend.discard(address)
    stuck.wait(_REMOVALS)
    backend.discard(MINE)
    left = {"Id": "c1", "Names": ["/c1"], "Labels": {naming.LABEL_RUN: "aa"}}
    stub.script["/containers/json"] = [answer([left]), answer([])]
    stub.script["/containers/c1"] = [answer({})]

    beside.submit(backend.close_run, _spec("aa"), keep=False).result(DEADLINE)

    assert _asked(stub, "DELETE /containers/c1?")
    stuck.gate.set()
    backend._removals.shutdown()
    assert not _asked(stub, f"DELETE {_removal(MINE)}")


def test_a_removal_that_hangs_holds_up_no_other(stub: StubEngine, backend: DockerBackend, stuck: Stuck) -> None:
    done = threading.Event()
    stub.script[_removal(OTHER)] = [stuck]
    stub.script[_removal(MINE)] = [_telling(done)]
    backend.discard(OTHER)
    stuck.wait()

    backend.discard(MINE)

    assert done.wait(DEADLINE)


def _telling(done: threading.Event) -> Behaviour:
    def behave(handler: Handler) -> None:
        answer({})(handler)
        done.set()

    return behave


def test_a_run_is_closed_when_its_own_removals_have_ended(
    stub: StubEngine, backend: DockerBackend, stuck: Stuck, beside: ThreadPoolExecutor
) -> None:
    stub.script[_removal(MINE)] = [stuck]
    backend.discard(MINE)
    stuck.wait()

    closing = beside.submit(backend.close_run, _spec("aa"), keep=False)

    assert _stays(lambda: not _asked(stub, "GET /containers/json"))
    stuck.gate.set()
    closing.result(DEADLINE)


def test_an_attempt_is_made_again_when_it_is_removed_whatever_run_is_closed_meanwhile(
    stub: StubEngine, backend: DockerBackend, stuck: Stuck, beside: ThreadPoolExecutor
) -> None:
    stub.script[_removal(OTHER)] = [stuck]
    backend.discard(OTHER)
    stuck.wait()
    backend.close_run(_spec("aa"), keep=False)

    again: Future[object] = beside.submit(backend.prepare, _step(OTHER))

    assert _stays(lambda: not _asked(stub, "GET /images/"))
    stuck.gate.set()
    with pytest.raises(InfrastructureError):
        again.result(DEADLINE)
    assert _asked(stub, "GET /images/")


def test_an_attempt_that_is_discarded_twice_is_removed_once_at_a_time(
    stub: StubEngine, backend: DockerBackend, stuck: Stuck
) -> None:
    stub.script[_removal(MINE)] = [stuck]
    backend.discard(MINE)
    stuck.wait()

    backend.discard(MINE)

    assert not stuck.begun.acquire(timeout=FEW_SECONDS)


def test_a_removal_that_has_failed_can_be_asked_for_again(
    stub: StubEngine, backend: DockerBackend, stuck: Stuck
) -> None:
    stub.script[_removal(MINE)] = [refuse(400, "not now"), stuck]
    backend.discard(MINE)
    while not _asked(stub, "DELETE") or not all(each.done() for each in backend._runs.of("aa").removing.values()):
        threading.Event().wait(0.01)

    backend.discard(MINE)

    stuck.wait()


def test_what_was_made_ready_with_an_older_image_is_still_known_when_another_run_is_closed(
    stub: StubEngine, backend: DockerBackend
) -> None:
    stub.script["/images/busybox/json"] = [answer(_image("old")), answer(_image("new"))]
    stub.script[_removal(OTHER)] = [answer({})]
    with pytest.raises(InfrastructureError, match="run bb is not open"):
        backend.prepare(_step(OTHER))

    backend.close_run(_spec("aa"), keep=False)

    with pytest.raises(InfrastructureError, match="run bb is not open"):
        backend.prepare(_step(OTHER))
    assert len(_asked(stub, f"DELETE {_removal(OTHER)}")) == 1


def _image(name: str) -> dict[str, object]:
    return {"Id": f"sha256:{name}", "Config": {}, "RepoTags": [], "RepoDigests": []}


@pytest.mark.parametrize("engine", ["works", "refuses", "keeps"])
def test_nothing_of_a_closed_run_is_remembered_whatever_is_left_of_it(
    stub: StubEngine, backend: DockerBackend, engine: str
) -> None:
    stub.script["/events"] = [refuse(500, "not now")]
    backend._events._patience = 0.0
    spec = RunSpec(id="aa", home="/h", workdir="/w", values={"token": b"hunter2"})
    known = weakref.ref(spec)
    with pytest.raises(InfrastructureError):
        backend.open_run(spec)
    if engine == "refuses":
        stub.script["/containers/json"] = [refuse(400, "no")]
    if engine == "keeps":
        stub.script["/networks/" + naming.network("aa")] = [refuse(403, "something is attached to it")]

    with suppress(InfrastructureError):
        backend.close_run(spec, keep=False)

    del spec
    gc.collect()
    assert known() is None
