"""How requests of steps are heard of: a bell that is looked at, and a directory that is read only when it has rung."""

import base64
import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from runner.backends.docker import requested, tars
from runner.backends.docker.answers import Answers
from runner.backends.docker.boxes import Sandbox
from runner.backends.docker.requested import Heard, Requested
from runner.backends.docker.sandbox import Sandboxes
from runner.backends.docker.tars import Limits, packed
from runner.errors import InfrastructureError
from tests.support.answering import Shell, Silent, sandbox_shell
from tests.support.stub_engine import Behaviour, Handler, StubEngine, answer, stub_engine

RUN, BOX = "0badcafe", "box"
ARCHIVE = f"/containers/{BOX}/archive"
CHECK, SCAN = "00000001.check", "00000002.scan"


@dataclass
class Engine:
    """An engine of which the archive call tells of the files of a directory, and of the bell."""

    stub: StubEngine
    bell: int | None = 0
    archives: list[bytes] = field(default_factory=list)

    def __call__(self, handler: Handler) -> None:
        """Answer a HEAD of the bell, or a GET of the requests."""
        if handler.command == "HEAD" and self.bell is None:
            handler.send_response(404)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        told = {"mode": 0o666, "size": self.bell, "mtime": "2026-01-01T00:00:00Z"}
        body = b"" if handler.command == "HEAD" else self.archives.pop(0)
        handler.send_response(200)
        handler.send_header("X-Docker-Container-Path-Stat", base64.b64encode(json.dumps(told).encode()).decode())
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    @property
    def read(self) -> int:
        """How often the directory was read."""
        return sum(request.startswith("GET") and "archive" in request for request in self.stub.requests)


class Counting:
    """A sandbox that answers, and counts what it is asked."""

    def __init__(self, inner: Answers) -> None:
        self.asked = 0
        self._inner = inner

    def ask(self, verb: str, body: bytes = b"", **fields: Any) -> bytes:  # noqa: ANN401 - those of `Answers.ask`
        self.asked += 1
        return self._inner.ask(verb, body, **fields)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tars, "_PAUSE_SECONDS", 0)


@pytest.fixture
def engine() -> Iterator[Engine]:
    with stub_engine() as stub:
        found = Engine(stub)
        behaviour: Behaviour = found
        stub.script[ARCHIVE] = [behaviour]
        stub.script["/containers/json"] = [answer([{"Id": BOX}])]
        yield found


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    with sandbox_shell(tmp_path) as started:
        yield started


def made(engine: Engine, *answers: Any) -> Requested:  # noqa: ANN401 - whatever can be asked
    live = tuple(Sandbox(id=BOX, answers=cast("Answers", each)) for each in answers)
    pool: Any = SimpleNamespace(live=lambda run: live if run == RUN else ())
    return Requested(engine.stub.engine(), cast("Sandboxes", pool))


@dataclass
class Stand:
    """The requests of a run as a step leaves them, and how they are heard of."""

    engine: Engine
    shell: Shell
    sandbox: Counting
    requests: Requested
    heard: Heard = field(default_factory=Heard)

    def leave(self, name: str, content: bytes = b"{}") -> None:
        """Put a request in place and ring."""
        (self.shell.state / "requests" / name).write_bytes(content)
        self.engine.bell = (self.engine.bell or 0) + 1

    def read(self, *, anew: bool = False) -> dict[str, bytes]:
        """Ask for what is new."""
        return dict(self.requests.read(RUN, self.heard, anew=anew))


@pytest.fixture
def stand(engine: Engine, shell: Shell) -> Iterator[Stand]:
    with shell.client() as answers:
        answers.ask("open", packed({}, 0o666))
        sandbox = Counting(answers)
        found = Stand(engine, shell, sandbox, made(engine, Silent(), sandbox))
        yield found
        found.requests._engine.api.close()


def test_the_sandbox_is_asked_only_when_the_bell_has_rung(stand: Stand) -> None:
    assert stand.read() == {}
    before = stand.sandbox.asked
    for _ in range(5):
        assert stand.read() == {}
    assert stand.sandbox.asked == before

    stand.leave(CHECK, b"1")

    assert stand.read() == {CHECK: b"1"}
    assert stand.sandbox.asked == before + 1


def test_each_request_is_told_once_and_all_are_told_anew(stand: Stand) -> None:
    stand.leave(CHECK, b"1")
    assert stand.read() == {CHECK: b"1"}
    stand.leave(SCAN, b"2")

    assert stand.read() == {SCAN: b"2"}
    assert stand.read() == {}
    assert stand.read(anew=True) == {CHECK: b"1", SCAN: b"2"}
    assert stand.read() == {}


def test_what_was_told_anew_is_not_told_again(stand: Stand) -> None:
    stand.leave(CHECK)

    assert stand.read(anew=True) == {CHECK: b"{}"}
    assert stand.read() == {}


def test_another_process_is_told_all(stand: Stand) -> None:
    stand.leave(CHECK)
    stand.read()

    stand.heard = Heard()

    assert stand.read() == {CHECK: b"{}"}


def test_a_request_whose_bell_has_not_rung_yet_is_told_anew_and_with_the_next(stand: Stand) -> None:
    stand.read()
    (stand.shell.state / "requests" / CHECK).write_bytes(b"{}")
    assert stand.read() == {}
    assert stand.read(anew=True) == {CHECK: b"{}"}

    (stand.shell.state / "requests" / "00000003.check").write_bytes(b"{}")
    stand.leave(SCAN)
    assert set(stand.read()) == {SCAN, "00000003.check"}


def test_without_a_bell_they_are_read_each_time(stand: Stand) -> None:
    stand.read()
    stand.engine.bell = None
    (stand.shell.state / "requests" / CHECK).write_bytes(b"{}")
    assert stand.read() == {CHECK: b"{}"}

    (stand.shell.state / "requests" / SCAN).write_bytes(b"{}")
    assert stand.read() == {SCAN: b"{}"}


def test_what_could_not_be_read_is_read_at_the_next_look(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.leave(CHECK, bytes(2 << 20))
    with monkeypatch.context() as small:
        small.setattr(requested, "LIMITS", Limits(directory="d", entry="e", hint="h", all_bytes=1 << 20, members=20))
        with pytest.raises(InfrastructureError, match="d holds more than"):
            stand.read()

    assert set(stand.read()) == {CHECK}


def test_only_regular_files_with_the_name_of_a_request_are_read(stand: Stand) -> None:
    folder = stand.shell.state / "requests"
    (folder / "00000003.link").symlink_to("/etc/passwd")
    (folder / "00000004.dir").mkdir()
    (folder / "00000004.dir" / "00000005.deep").write_bytes(b"{}")
    os.mkfifo(folder / "00000006.fifo")
    for name in (".draft", "0000000.short", "0000000g.no-hex", "00000007", "00000008.", "00000009.A", "0000000a.a b"):
        (folder / name).write_bytes(b"{}")
    (folder / f"0000000b.{'x' * 64}").write_bytes(b"{}")
    (folder / "0000000c.a\n0000000d.b").write_bytes(b"{}")
    stand.leave(CHECK)

    assert stand.read() == {CHECK: b"{}"}


def test_a_directory_that_a_step_has_removed_is_an_error(stand: Stand) -> None:
    (stand.shell.state / "requests").rmdir()

    with pytest.raises(InfrastructureError, match="the directory of requests cannot be read: a step has removed"):
        stand.read()


def test_a_directory_that_a_step_has_replaced_is_not_followed(stand: Stand, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / CHECK).write_bytes(b"{}")
    (stand.shell.state / "requests").rmdir()
    (stand.shell.state / "requests").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(InfrastructureError, match="replaced it"):
        stand.read()


def test_many_requests_are_all_told(stand: Stand) -> None:
    names = {f"{number:08x}.{'s' * 60}" for number in range(3000)}
    for name in names:
        stand.leave(name)

    assert set(stand.read()) == names


def _archived(**files: bytes) -> bytes:
    return packed({f"requests/{name}": content for name, content in files.items()}, 0o666)


def test_where_no_sandbox_answers_the_engine_tells_the_same(engine: Engine) -> None:
    requests, heard = made(engine, Silent()), Heard()
    engine.bell = 1
    engine.archives = [_archived(**{CHECK: b"1", ".draft": b"", "Odd": b""}), b"torn"[:0], _archived(**{CHECK: b"1"})]

    assert requests.read(RUN, heard, anew=False) == {CHECK: b"1"}
    assert requests.read(RUN, heard, anew=False) == {}
    assert engine.read == 1
    assert requests.read(RUN, heard, anew=True) == {CHECK: b"1"}
    assert engine.read == 3  # a damaged one is asked for again
    requests._engine.api.close()


def test_an_archive_that_stays_damaged_is_an_error(engine: Engine) -> None:
    requests = made(engine)
    engine.archives = [_archived(**{CHECK: b"1"})[: tarfile.BLOCKSIZE]] * 5

    with pytest.raises(InfrastructureError, match="reading the run's requests: the archive is damaged"):
        requests.read(RUN, Heard(), anew=False)
    requests._engine.api.close()


def test_a_run_of_which_no_sandbox_is_left_cannot_be_reached(engine: Engine) -> None:
    engine.stub.script["/containers/json"] = [answer([])]
    requests = made(engine)

    with pytest.raises(InfrastructureError, match="no sandbox any more"):
        requests.read(RUN, Heard(), anew=False)
    requests._engine.api.close()
