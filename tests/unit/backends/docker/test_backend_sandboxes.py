"""Attempts whose sandbox has died with its engine, of which nothing has told yet when they are made."""

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from runner.backends.docker.answers import Answers
from runner.backends.docker.attempt import Attempt
from runner.backends.docker.backend import DockerBackend
from runner.backends.docker.boxes import Left, Sandbox
from runner.backends.docker.hostconfig import Joined, Placement
from runner.backends.docker.runs import Stage
from runner.backends.docker.workspaces import Opened
from runner.engine.backend import Phase
from runner.engine.specs import Release, RunSpec, StepSpec
from runner.errors import EngineRefusedError
from runner.naming import Address, Instance
from runner.settings import DockerSettings
from tests.support.connections import connection_pair
from tests.support.stub_engine import StubEngine, answer, refuse, stub_engine

INSTANCE = Instance(id="i1", kind="daemon", host="h", owner="o")
RUN = RunSpec(id="aa", home="/h", workdir="/w", begun=False)
STAGE, STEP = Address("aa", "s"), Address("aa", "s", "t")
GATED = StepSpec(address=STEP, image="busybox", commands=("true",))
WITHOUT_GATE = StepSpec(address=STEP, image="busybox", entrypoint=("sleep", "1"))
LEFT = ("box-1", "box-2", "box-3")
NEW = "box-4"


@dataclass
class Stand:
    """A backend with one open stage, in a run that has three sandboxes; a fourth is made if somebody needs it.

    ``joined`` are the containers whose networks attempts were to stand in, in that order.
    """

    backend: DockerBackend
    stub: StubEngine
    joined: list[str] = field(default_factory=list)
    ends: list[socket.socket] = field(default_factory=list)

    def sandbox(self, container: str) -> Sandbox:
        connection, end = connection_pair()
        self.ends.append(end)
        return Sandbox(id=container, answers=Answers(container, connection))

    def open(self) -> None:
        self.backend._runs.of("aa").spec = RUN
        self.backend._sandboxes.warm(RUN)
        taken = self.backend._sandboxes.take(STAGE, lambda _: None)
        self.backend._runs.keep(STAGE, Stage(workspace=Opened(), sandbox=taken, lost=lambda _: None))

    def lose(self, *containers: str) -> None:
        """Let sandboxes die, and no event tell of it."""
        for container in containers:
            self.stub.script[f"/containers/{container}/json"] = [answer({"State": {"Running": False, "ExitCode": 255}})]

    def bring_up(self, attempt: Attempt, _: StepSpec, placement: Placement, shown: Mapping[str, str]) -> None:
        network = placement.network
        assert isinstance(network, Joined)
        assert placement.ready.__self__.id == network.container  # type: ignore[attr-defined]  # it waits for that one
        self.joined.append(network.container)
        if self.dead(network.container):
            raise EngineRefusedError(f"cannot join network of a non running container: {network.container}", status=500)
        attempt.container, attempt.shown = "c", shown

    def dead(self, container: str) -> bool:
        state = self.backend._engine.api.inspect_container(container)["State"]
        return not state["Running"]


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    with stub_engine() as stub:
        engine = stub.engine()
        found = Stand(DockerBackend(engine, DockerSettings(), INSTANCE), stub)
        stub.script["/containers/json"] = [answer([])]
        stub.script["/images/busybox/json"] = [answer({"Id": "sha256:i", "Config": {}})]
        for container in (*LEFT, NEW):
            stub.script[f"/containers/{container}/json"] = [answer({"State": {"Running": True, "ExitCode": 0}})]
        boxes, containers = found.backend._sandboxes._boxes, found.backend._containers
        left = Left(sandboxes=tuple(map(found.sandbox, LEFT)), joined={}, numbers=frozenset())
        monkeypatch.setattr(boxes, "left", lambda _: left)
        monkeypatch.setattr(boxes, "make", lambda *_: found.sandbox(NEW))
        monkeypatch.setattr(boxes, "fill", lambda _run, sandbox, _failed: sandbox)
        monkeypatch.setattr(found.backend._networks, "open", lambda _: "net")
        monkeypatch.setattr(containers._events, "ready", lambda: None)
        monkeypatch.setattr(containers._creation, "bring_up", found.bring_up)
        found.open()
        yield found
        found.backend.close()
        for end in found.ends:
            end.close()
        engine.api.close()


def test_an_attempt_is_made_in_a_sandbox_that_lives_when_all_others_have_died_unnoticed(stand: Stand) -> None:
    stand.lose(*LEFT)

    assert stand.backend.prepare(GATED) is Phase.READY

    assert stand.joined == [LEFT[-1], NEW]


def test_what_is_made_at_its_release_joins_another_sandbox_if_its_own_has_died_since(stand: Stand) -> None:
    assert stand.backend.prepare(WITHOUT_GATE) is Phase.READY
    assert stand.joined == []
    stand.lose(*LEFT)

    stand.backend.release(STEP, Release())

    assert stand.joined == [LEFT[-1], NEW]
    stand.backend.release(STEP, Release())
    assert stand.joined == [LEFT[-1], NEW], "it is released once"


def test_what_is_refused_in_a_sandbox_that_lives_is_refused_at_once(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand, "dead", lambda _: True)

    with pytest.raises(EngineRefusedError, match="cannot join"):
        stand.backend.prepare(GATED)
    assert stand.backend.prepare(WITHOUT_GATE) is Phase.READY
    with pytest.raises(EngineRefusedError, match="cannot join"):
        stand.backend.release(STEP, Release())

    assert stand.joined == [LEFT[-1]] * 2


def test_a_sandbox_that_the_engine_does_not_know_any_more_has_died(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    for container in LEFT:
        stand.stub.script[f"/containers/{container}/json"] = [refuse(404, f"No such container: {container}")]
    monkeypatch.setattr(stand, "dead", lambda container: container != NEW)

    assert stand.backend.prepare(GATED) is Phase.READY

    assert stand.joined == [LEFT[-1], NEW]
