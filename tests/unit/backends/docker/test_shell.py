"""A shell where an attempt ran: what is asked of the engine, and how keys and output pass."""

import json
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any, cast

import pytest
from docker.types import Mount

from runner.backends.docker.attempt import Attempt, Tap
from runner.backends.docker.creation import Creation
from runner.backends.docker.hostconfig import Own, Placement
from runner.backends.docker.shell import Shells
from runner.engine.specs import Release, StepSpec
from runner.errors import EngineRefusedError, EngineUnavailableError, InfrastructureError
from runner.pipelinectl.layout import CONFIG, SECRETS, STATE
from tests.support.engine import at
from tests.support.hooked import DEADLINE
from tests.support.stub_engine import Behaviour, Handler, StubEngine, answer, refuse, stub_engine

UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
PLACEMENT = Placement(
    image="app:1",
    network=Own(network="n"),
    role="step",
    workdir="/w",
    marks="/m",
    mounts=(),
    has_shell=lambda _: True,
)
SPEC = StepSpec(address=at("build/test", attempt=2), image="app:1", commands=("false",), environment={"A": "1"})


class _Creation:
    """Makes containers that are not there."""

    def __init__(self) -> None:
        self.made: list[tuple[StepSpec, Mapping[str, str]]] = []
        self.mounts: tuple[Mount, ...] = ()
        self.taken_down = 0

    def new(self, spec: StepSpec, placement: Placement) -> Attempt:
        return Attempt(address=spec.address, tap=Tap(keeps_log=False), spec=spec, placement=placement)

    def bring_up(self, attempt: Attempt, spec: StepSpec, placement: Placement, shown: Mapping[str, str]) -> None:
        assert placement.has_shell("c")
        attempt.container = "c"
        self.made.append((spec, shown))
        self.mounts = placement.mounts

    def take_down(self, attempt: Attempt) -> None:
        assert attempt.container == "c"
        self.taken_down += 1


@dataclass
class _Terminal:
    """A terminal whose keys come from a pipe."""

    keys: int
    typist: int
    shown: bytearray = field(default_factory=bytearray)
    rows_and_columns: tuple[int, int] = (24, 80)
    gone: threading.Event = field(default_factory=threading.Event)

    def fileno(self) -> int:
        return self.keys

    def write(self, data: bytes) -> None:
        self.shown += data

    def size(self) -> tuple[int, int]:
        return self.rows_and_columns

    def closed(self) -> bool:
        return self.gone.is_set()

    def type(self, keys: bytes) -> None:
        os.write(self.typist, keys)

    def hang_up(self) -> None:
        os.close(self.typist)
        self.typist = -1


@dataclass
class _Stand:
    """Shells on an engine that is not there."""

    stub: StubEngine
    terminal: _Terminal
    creation: _Creation = field(default_factory=_Creation)
    asked: dict[str, Any] = field(default_factory=dict)

    def shell(self, behaviour: Callable[[socket.socket], None]) -> None:
        """Let a shell do this."""
        self.stub.script["/exec/e/start"] = [_upgraded(behaviour)]

    def open(
        self,
        environment: Mapping[str, str] | None = None,
        spec: StepSpec = SPEC,
        placement: Placement = PLACEMENT,
        config: Mapping[PurePosixPath, bytes] | None = None,
    ) -> None:
        engine = self.stub.engine()
        try:
            shells = Shells(engine, cast("Creation", self.creation))
            release = Release(environment=environment or {}, config=config or {})
            shells.open(spec, placement, release, self.terminal)
        finally:
            engine.api.close()

    @property
    def sizes(self) -> list[str]:
        return [request for request in self.stub.requests if "/resize" in request]

    def note(self, handler: Handler) -> None:
        self.asked.update(json.loads(handler.body))
        answer({"Id": "e"})(handler)


def _upgraded(behaviour: Callable[[socket.socket], None]) -> Behaviour:
    def behave(handler: Handler) -> None:
        handler.wfile.write(UPGRADED)
        handler.wfile.flush()
        handler.connection.settimeout(DEADLINE)
        behaviour(handler.connection)
        handler.close_connection = True

    return behave


def nothing(_: socket.socket) -> None:
    """End at once."""


@pytest.fixture
def stand() -> Iterator[_Stand]:
    keys, typist = os.pipe()
    terminal = _Terminal(keys, typist)
    with stub_engine() as stub:
        found = _Stand(stub, terminal)
        stub.script["/containers/c/exec"] = [found.note]
        stub.script["/exec/e/resize"] = [answer({})]
        stub.script["/exec/e/json"] = [answer({"Running": True})]
        found.shell(nothing)
        yield found
    os.close(keys)
    if terminal.typist >= 0:
        os.close(typist)


def test_a_container_stands_behind_a_gate_and_shows_no_variable(stand: _Stand) -> None:
    stand.open({"TOKEN": "hunter2"})
    [(spec, shown)] = stand.creation.made

    assert spec.commands
    assert spec.address == at("build/test", attempt=0)
    assert (spec.image, shown) == ("app:1", {})
    assert stand.creation.taken_down == 1


def test_secrets_can_be_read_and_not_set_since_nobody_masks_what_a_shell_prints(stand: _Stand) -> None:
    own = (Mount(SECRETS, "k", type="volume"), Mount(STATE, "v", type="volume"))

    stand.open(placement=replace(PLACEMENT, mounts=own))

    assert [mount["ReadOnly"] for mount in stand.creation.mounts] == [True, False]
    assert not own[0]["ReadOnly"], "the mounts of the attempt stay as they are"


def test_an_image_only_step_gets_a_gate_as_well(stand: _Stand) -> None:
    stand.open(spec=StepSpec(address=at("a/b"), image="app:1", entrypoint=("/app",)))
    [(spec, _)] = stand.creation.made

    assert spec.commands


def test_a_person_looks_around_in_place_of_a_script_and_sees_its_configuration(stand: _Stand) -> None:
    written: list[str] = []

    def take(handler: Handler) -> None:
        written.append(handler.path)
        answer({})(handler)

    stand.stub.script["/containers/c/archive"] = [take]
    spec = StepSpec(address=at("a/b"), image="app:1", script="#!/bin/sh\nfalse\n", own_config=True)
    stand.open(
        spec=spec,
        placement=replace(PLACEMENT, mounts=(Mount(CONFIG, "p", type="volume"),)),
        config={PurePosixPath("mode"): b"fast"},
    )
    [(made, _)] = stand.creation.made

    assert (made.script, bool(made.commands)) == ("", True)
    assert [path.rpartition("path=")[2] for path in written] == ["%2Fconfig"]


def test_the_shell_is_an_exec_at_a_terminal_with_the_variables_of_the_release(stand: _Stand) -> None:
    stand.open({"A": "2", "TOKEN": "hunter2=\nx", "PARAMETER_DRY-RUN": "yes"})
    environment = stand.asked["Env"]

    assert (stand.asked["Tty"], stand.asked["AttachStdin"]) == (True, True)
    path = "PATH=/opt/runner/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert environment[1:] == ["A=2", "TOKEN=hunter2=\nx", "PARAMETER_DRY-RUN=yes", path]
    assert environment[0] == "TINI_KILL_PROCESS_GROUP"  # a name alone unsets it


def test_no_key_that_shells_know_waits_for_the_next_one(stand: _Stand) -> None:
    stand.open()

    assert stand.asked["detachKeys"].split(",")[0] == "ctrl-@"


@pytest.mark.parametrize(("shell", "liked"), [("", "bash"), ("/bin/zsh", "/bin/zsh")])
def test_the_shell_is_the_steps_own_or_bash_where_there_is_one(stand: _Stand, shell: str, liked: str) -> None:
    stand.open(spec=StepSpec(address=at("a/b"), image="app:1", shell=shell))
    program, _, script, *arguments = stand.asked["Cmd"]

    assert program == "/bin/sh"
    assert script.endswith("exec /bin/sh")
    assert arguments == ["sh", liked]


def test_an_image_without_a_shell_is_named(stand: _Stand) -> None:
    bare = replace(PLACEMENT, has_shell=lambda _: False)

    with pytest.raises(InfrastructureError, match=r"image app:1 has no /bin/sh"):
        stand.open(placement=bare)


def test_a_variable_that_no_process_can_have_is_refused_before_a_container_is_made(stand: _Stand) -> None:
    with pytest.raises(InfrastructureError, match="variable BAD"):
        stand.open({"BAD": "\0"})
    assert stand.creation.made == []


@pytest.mark.parametrize("path", ["/containers/c/exec", "/exec/e/start"])
def test_a_shell_that_does_not_start_leaves_no_container(stand: _Stand, path: str) -> None:
    stand.stub.script[path] = [refuse(409, "container c is not running")]

    with pytest.raises(EngineRefusedError, match="container c is not running"):
        stand.open()
    assert stand.creation.taken_down == 1


def test_keys_reach_the_shell_and_its_output_the_terminal_as_they_are(stand: _Stand) -> None:
    def echo(connection: socket.socket) -> None:
        connection.sendall(b"$ ")
        connection.sendall(b"<" + connection.recv(100) + b">\r\n")

    stand.shell(echo)
    stand.terminal.type(b"\x03\x10\r\xff")
    stand.open()

    assert stand.terminal.shown == b"$ <\x03\x10\r\xff>\r\n"


def test_a_shell_that_ends_needs_no_key_more(stand: _Stand) -> None:
    began = time.monotonic()
    stand.open()

    assert time.monotonic() - began < 2


def test_the_shell_ends_when_the_run_does(stand: _Stand) -> None:
    def wait(connection: socket.socket) -> None:
        stand.terminal.gone.set()
        assert connection.recv(1) == b""

    stand.shell(wait)
    stand.open()

    assert stand.creation.taken_down == 1


def test_the_shell_ends_when_its_terminal_has_gone(stand: _Stand) -> None:
    def wait(connection: socket.socket) -> None:
        stand.terminal.hang_up()
        assert connection.recv(1) == b""

    stand.shell(wait)
    stand.open()

    assert stand.creation.taken_down == 1


def test_output_passes_while_keys_wait_for_a_shell_that_does_not_take_them(stand: _Stand) -> None:
    typed = b"y" * 2_000_000
    typist = threading.Thread(target=lambda: _write_all(stand.terminal.typist, typed))
    taken: list[int] = []

    def busy(connection: socket.socket) -> None:
        for _ in range(40):
            connection.sendall(b"x" * 100_000)
            time.sleep(0.005)
        while sum(taken) < len(typed):
            taken.append(len(connection.recv(1 << 16)))

    stand.shell(busy)
    typist.start()
    stand.open()
    typist.join(DEADLINE)

    assert len(stand.terminal.shown) == 4_000_000
    assert sum(taken) == len(typed)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def test_the_size_is_told_at_the_start_and_whenever_it_changes(stand: _Stand) -> None:
    def wait(_: socket.socket) -> None:
        _until(lambda: len(stand.sizes) == 1)
        stand.terminal.rows_and_columns = (31, 97)
        _until(lambda: len(stand.sizes) == 2)
        time.sleep(0.5)

    stand.shell(wait)
    stand.open()

    assert stand.sizes == ["POST /exec/e/resize?h=24&w=80", "POST /exec/e/resize?h=31&w=97"]


def test_a_size_that_is_not_known_is_not_told(stand: _Stand) -> None:
    stand.terminal.rows_and_columns = (0, 0)
    stand.shell(lambda _: time.sleep(0.3))
    stand.open()

    assert stand.sizes == []


def test_a_size_that_was_not_taken_is_told_again(stand: _Stand) -> None:
    stand.stub.script["/exec/e/resize"] = [refuse(500, "not yet"), answer({})]
    stand.shell(lambda _: _until(lambda: len(stand.sizes) == 2))
    stand.open()

    assert len(stand.sizes) == 2


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _reset(connection: socket.socket) -> None:
    """Break the connection when a key has come."""
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())


def test_a_connection_that_breaks_under_a_shell_is_an_error(stand: _Stand) -> None:
    stand.shell(_reset)
    stand.terminal.type(b"x")

    with pytest.raises(EngineUnavailableError, match="the connection to the shell broke"):
        stand.open()
    assert stand.creation.taken_down == 1


def test_a_connection_that_breaks_since_the_shell_has_ended_is_its_end(stand: _Stand) -> None:
    stand.stub.script["/exec/e/json"] = [answer({"Running": False})]
    stand.shell(_reset)
    stand.terminal.type(b"x")
    stand.open()

    assert stand.stub.requests[-1] == "GET /exec/e/json"
    assert stand.creation.taken_down == 1
