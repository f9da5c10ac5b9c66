"""Sandboxes that are being started: spare ones, those of which nothing comes, and who waits for them."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from runner import naming
from runner.backends.docker import boxes, sandbox, script
from runner.backends.docker.answers import NoAnswerError
from runner.backends.docker.attach import Connection
from runner.backends.docker.boxes import Sandbox
from runner.backends.docker.network import Networks
from runner.backends.docker.sandbox import Sandboxes
from runner.engine.specs import RunSpec
from runner.errors import InfrastructureError
from runner.naming import Address, Instance
from runner.settings import DockerSettings
from tests.support.attempts import wait_for
from tests.support.connections import connection_pair
from tests.support.hooked import DEADLINE
from tests.support.stub_engine import Behaviour, Handler, StubEngine, answer, refuse, stub_engine

INSTANCE = Instance(id="i1", kind="daemon", host="h", owner="o")
COMMON, OWN = "common", "own"
PLAIN = RunSpec(id="aa", home="/h", workdir="/w", named=False, begun=False)
NAMED = RunSpec(id="aa", home="/h", workdir="/w", named=True, begun=False)
STAGE = Address("aa", "s")


FULL = refuse(500, "no space left on device")


@dataclass
class Stand:
    """Sandboxes on an engine that calls them box-1, box-2 and so on.

    ``filled`` are those whose volumes were filled, and for which run; ``troubles`` are in the way of that.
    """

    stub: StubEngine
    sandboxes: Sandboxes
    common: str | None = COMMON
    made: list[dict[str, Any]] = field(default_factory=list)
    ends: list[socket.socket] = field(default_factory=list)
    filled: list[tuple[str, RunSpec]] = field(default_factory=list)
    troubles: list[InfrastructureError] = field(default_factory=list)

    def create(self, handler: Handler) -> None:
        self.made.append(json.loads(handler.body))
        box = f"box-{len(self.made)}"
        self.stub.script.setdefault(f"/containers/{box}/start", [answer({})])
        self.stub.script[f"/containers/{box}"] = [answer({})]
        answer({"Id": box, "Warnings": []})(handler)

    def attach(self, *_: object, **__: object) -> Connection:
        connection, end = connection_pair()
        self.ends.append(end)
        return connection

    def open(self, run: RunSpec, container: str, *_: object) -> None:
        if self.troubles:
            raise self.troubles.pop(0)
        self.filled.append((container, run))

    @property
    def networks(self) -> list[str]:
        """What the containers were made to join."""
        return [str(body["HostConfig"]["NetworkMode"]) for body in self.made]

    @property
    def removed(self) -> list[str]:
        """Which containers somebody has removed."""
        deleted = (request.split("?")[0] for request in self.stub.requests if request.startswith("DELETE"))
        return [request.rpartition("/")[2] for request in deleted]

    def hold(self, box: str, outcome: Behaviour | None = None) -> threading.Event:
        """Let the start of a container take until the event is set; return that."""
        gate = threading.Event()

        def start(handler: Handler) -> None:
            assert gate.wait(DEADLINE)
            (outcome or answer({}))(handler)

        self.stub.script[f"/containers/{box}/start"] = [start]
        return gate

    def fail(self, box: str) -> None:
        """Let the start of a container fail."""
        self.stub.script[f"/containers/{box}/start"] = [FULL]

    def reserve(self) -> None:
        """Reserve a sandbox, and wait until it is known what has come of it."""
        self.sandboxes.reserve("aa")
        for spare in self.sandboxes._spares.values():
            assert spare.starting is not None
            spare.starting.wait()

    def take(self) -> Sandbox:
        """Take a sandbox for a stage, and wait until it is known what has come of it."""
        taken = self.sandboxes.take(STAGE, lambda _: None)
        if taken.starting is not None:
            taken.starting.wait()
        return taken


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    with stub_engine() as stub:
        engine = stub.engine()
        networks = Networks(engine, DockerSettings(), INSTANCE)
        found = Stand(stub, Sandboxes(engine, DockerSettings(), INSTANCE, networks))
        stub.script |= {"/containers/create": [found.create], "/containers/json": [answer([])]}
        monkeypatch.setattr(networks, "common", lambda: found.common)
        monkeypatch.setattr(networks, "open", lambda run: OWN if run.named else found.common or OWN)
        monkeypatch.setattr(found.sandboxes._boxes, "_open", found.open)
        monkeypatch.setattr(boxes, "attach", found.attach)
        yield found
        found.sandboxes.close()
        for end in found.ends:
            end.close()
        engine.api.close()


def until(holds: Callable[[], bool]) -> None:
    """Wait for something that another thread does."""
    deadline = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_spare_sandbox_is_made_for_an_id_in_the_common_network(stand: Stand) -> None:
    stand.reserve()

    [body] = stand.made
    assert stand.networks == [COMMON]
    assert body["Labels"] == naming.labels(INSTANCE, Address("aa"), script.SANDBOX)
    assert stand.filled == []


def test_a_run_in_which_nothing_is_reached_by_name_takes_its_spare_sandbox_which_is_filled_for_it(stand: Stand) -> None:
    stand.reserve()

    stand.sandboxes.warm(PLAIN)

    assert stand.take().id == "box-1"
    assert stand.filled == [("box-1", PLAIN)]
    assert (len(stand.made), stand.removed) == (1, [])


def test_a_spare_sandbox_is_taken_while_it_starts_still(stand: Stand) -> None:
    gate = stand.hold("box-1")
    stand.sandboxes.reserve("aa")

    stand.sandboxes.warm(PLAIN)
    taken = stand.sandboxes.take(STAGE, lambda _: None)

    assert (taken.id, stand.filled) == ("box-1", [])
    gate.set()
    taken.ready()
    assert stand.filled == [("box-1", PLAIN)]


def test_a_spare_sandbox_serves_one_run_and_a_second_one_of_it_has_another_number(stand: Stand) -> None:
    stand.reserve()
    stand.sandboxes.warm(PLAIN)
    stand.sandboxes.warm(PLAIN)
    first = stand.take()

    second = stand.take()

    assert (first.id, second.id) == ("box-1", "box-2")
    names = [request for request in stand.stub.requests if request.startswith("POST /containers/create")]
    assert [naming.sandbox("aa", number) in name for number, name in enumerate(names, 1)] == [True, True]


def test_a_run_in_which_something_is_reached_by_name_drops_its_spare_sandbox_and_has_its_own_network(
    stand: Stand,
) -> None:
    stand.reserve()

    stand.sandboxes.warm(NAMED)

    taken = stand.take()
    taken.ready()

    assert taken.id == "box-2"
    assert (stand.networks, stand.removed) == ([COMMON, OWN], ["box-1"])
    assert stand.filled == [("box-2", NAMED)]


def test_a_spare_sandbox_that_could_not_be_started_is_removed_and_another_one_made(stand: Stand) -> None:
    stand.fail("box-1")
    stand.reserve()

    stand.sandboxes.warm(PLAIN)

    assert stand.take().id == "box-2"
    assert stand.removed == ["box-1"]


def test_without_a_common_network_nothing_is_reserved(stand: Stand) -> None:
    stand.common = None
    stand.reserve()
    assert stand.made == []

    stand.sandboxes.warm(PLAIN)

    assert stand.take().id == "box-1"
    assert stand.networks == [OWN]


def test_the_spare_sandbox_of_another_run_is_left_alone(stand: Stand) -> None:
    stand.reserve()

    stand.sandboxes.warm(RunSpec(id="bb", home="/h", workdir="/w", named=False, begun=False))

    assert len(stand.made) == 2
    assert stand.sandboxes.forget("aa") == ("box-1",)


def test_a_spare_sandbox_that_nobody_has_used_is_returned_once_by_forget_and_asked_nothing_more(stand: Stand) -> None:
    stand.reserve()
    spare = stand.sandboxes._spares["aa"]

    assert stand.sandboxes.forget("aa") == ("box-1",)

    assert not spare.answers.usable
    assert stand.sandboxes.forget("aa") == ()


def test_forget_returns_the_sandboxes_that_live_in_use_or_not_and_closes_all(stand: Stand) -> None:
    stand.sandboxes.warm(PLAIN)
    taken = [stand.take() for _ in range(3)]
    stand.sandboxes.give("aa", taken[1])
    stand.sandboxes.died("box-3", 137)

    assert set(stand.sandboxes.forget("aa")) == {"box-1", "box-2"}
    assert [sandbox.answers.usable for sandbox in taken] == [False] * 3


def test_forget_waits_for_a_sandbox_that_is_being_started_since_it_could_not_be_removed_before(stand: Stand) -> None:
    gate = stand.hold("box-1")
    stand.sandboxes.warm(PLAIN)
    found: list[str] = []
    forgetting = threading.Thread(target=lambda: found.extend(stand.sandboxes.forget("aa")))
    forgetting.start()

    forgetting.join(0.1)
    assert forgetting.is_alive()
    gate.set()
    forgetting.join(DEADLINE)

    assert found == ["box-1"]


def test_a_sandbox_that_is_to_end_is_removed_when_it_has_ended_by_itself(stand: Stand) -> None:
    stand.sandboxes.warm(PLAIN)
    stand.take()
    assert stand.sandboxes.forget("aa", end=True) == ("box-1",)
    assert b"\nleave " in stand.ends[0].recv(1 << 16)
    removing = threading.Thread(target=lambda: stand.sandboxes.remove("box-1"))
    removing.start()

    removing.join(0.1)
    assert stand.removed == []
    stand.sandboxes.died("box-1", 0)
    removing.join(DEADLINE)

    assert stand.removed == ["box-1"]


def test_a_sandbox_that_does_not_end_by_itself_is_removed_all_the_same(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "_LEAVING_SECONDS", 0.05)
    stand.sandboxes.warm(PLAIN)
    stand.take()

    for box in stand.sandboxes.forget("aa", end=True):
        stand.sandboxes.remove(box)

    assert stand.removed == ["box-1"]


@pytest.mark.parametrize("trouble", ["died", "unstarted"])
def test_a_sandbox_that_cannot_be_told_to_end_is_removed_at_once(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    monkeypatch.setattr(sandbox, "_LEAVING_SECONDS", DEADLINE)
    if trouble == "unstarted":
        stand.fail("box-1")
    stand.reserve()
    if trouble == "died":
        stand.sandboxes._spares["aa"].answers.cut()
    began = time.monotonic()

    for box in stand.sandboxes.forget("aa", end=True):
        stand.sandboxes.remove(box)

    assert (stand.removed, stand.sandboxes._leaving) == (["box-1"], {})
    assert time.monotonic() - began < DEADLINE / 2


def test_sandboxes_that_are_only_let_go_of_are_not_told_to_end(stand: Stand) -> None:
    stand.sandboxes.warm(PLAIN)
    stand.take()

    stand.sandboxes.forget("aa")

    assert stand.ends[0].recv(1 << 16) == b""


def test_closing_lets_go_of_spare_sandboxes_and_of_those_of_runs_and_removes_none(stand: Stand) -> None:
    stand.reserve()
    stand.sandboxes.warm(RunSpec(id="bb", home="/h", workdir="/w", named=False, begun=False))
    spare = stand.sandboxes._spares["aa"]

    stand.sandboxes.close()

    assert (spare.answers.usable, stand.removed) == (False, [])


def test_a_sandbox_whose_start_fails_tells_whoever_needs_it_and_is_not_handed_out_again(stand: Stand) -> None:
    gate = stand.hold("box-1", FULL)
    stand.sandboxes.warm(PLAIN)
    taken = stand.sandboxes.take(STAGE, lambda _: None)
    gate.set()

    with pytest.raises(InfrastructureError, match="no space left on device"):
        taken.ready()

    assert taken.failed
    assert not stand.sandboxes.lives("aa", taken)
    stand.sandboxes.give("aa", taken)
    assert stand.take().id == "box-2"


def test_a_sandbox_that_nobody_has_taken_when_its_start_fails_is_handed_out_to_nobody(stand: Stand) -> None:
    stand.fail("box-1")
    stand.sandboxes.warm(PLAIN)
    until(lambda: stand.sandboxes.live("aa") == () and not stand.sandboxes._pools["aa"].idle)

    assert stand.take().id == "box-2"


def test_a_sandbox_that_ends_before_its_volumes_are_filled_says_so(stand: Stand) -> None:
    stand.troubles = [NoAnswerError("its stream has ended")]
    gate = stand.hold("box-1")
    stand.sandboxes.warm(PLAIN)
    taken = stand.sandboxes.take(STAGE, lambda _: None)
    gate.set()

    with pytest.raises(InfrastructureError, match="ended before it was ready: its stream has ended") as caught:
        taken.ready()

    assert not isinstance(caught.value, NoAnswerError)
    assert stand.take().id == "box-2"


def test_the_live_sandboxes_of_a_run_are_told_when_those_that_start_run(stand: Stand) -> None:
    gate = stand.hold("box-1")
    stand.sandboxes.warm(PLAIN)
    found: list[tuple[str, ...]] = []
    looking = threading.Thread(target=lambda: found.append(tuple(box.id for box in stand.sandboxes.live("aa"))))
    looking.start()

    looking.join(0.1)
    assert looking.is_alive()
    gate.set()
    looking.join(DEADLINE)

    assert found == [("box-1",)]


def test_a_sandbox_that_fails_while_somebody_waits_for_it_is_none_of_those_that_live(stand: Stand) -> None:
    stand.sandboxes.warm(PLAIN)
    stand.take()
    gate = stand.hold("box-2", FULL)
    stand.sandboxes.take(STAGE, lambda _: None)
    gate.set()

    assert [box.id for box in stand.sandboxes.live("aa")] == ["box-1"]


def test_a_spare_sandbox_that_has_died_by_now_is_not_used(stand: Stand) -> None:
    stand.reserve()
    stand.sandboxes.died("box-1", 137)

    stand.sandboxes.warm(PLAIN)

    assert stand.take().id == "box-2"


def test_a_spare_sandbox_that_died_with_the_engine_is_noticed_when_events_are_back(stand: Stand) -> None:
    stand.reserve()
    stand.stub.script["/containers/box-1/json"] = [answer({"State": {"Running": False, "ExitCode": 255}})]
    stand.stub.script["/containers/box-2/json"] = [answer({"State": {"Running": True, "ExitCode": 0}})]

    stand.sandboxes.resync()
    wait_for(lambda: not stand.sandboxes._spares["aa"].answers.usable)
    stand.sandboxes.warm(PLAIN)

    assert stand.take().id == "box-2"
