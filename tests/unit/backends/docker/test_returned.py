"""What steps return: looked at by the time of a directory, and read only as far as it is new."""

import base64
import itertools
import json
import os
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from runner.backends.docker import returned, tars
from runner.backends.docker.answers import Answers
from runner.backends.docker.boxes import Sandbox
from runner.backends.docker.returned import Known, Returned
from runner.backends.docker.sandbox import Sandboxes
from runner.backends.docker.tars import Limits, packed
from runner.engine.job import Task
from runner.errors import InfrastructureError
from tests.support.answering import Shell, Silent, sandbox_shell
from tests.support.stub_engine import Handler, StubEngine, answer, stub_engine

RUN, BOX = "0badcafe", "box"
ARCHIVE = f"/containers/{BOX}/archive"


@dataclass
class Engine:
    """An engine that tells of a directory: its time of change, or ``frozen``, and archives of it."""

    stub: StubEngine
    directory: Path
    frozen: str = ""
    archives: list[bytes] = field(default_factory=list)

    def __call__(self, handler: Handler) -> None:
        """Answer a HEAD, or a GET of the directory."""
        if handler.command == "HEAD" and not self.directory.exists():
            handler.send_response(404)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        time = datetime.fromtimestamp(self.directory.stat().st_mtime_ns / 1e9, UTC).isoformat()
        told = {"mode": 0o777, "size": 4096, "mtime": self.frozen or time}
        body = b"" if handler.command == "HEAD" else self.archives.pop(0)
        handler.send_response(200)
        handler.send_header("X-Docker-Container-Path-Stat", base64.b64encode(json.dumps(told).encode()).decode())
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


class Asked:
    """A sandbox that answers, and notes what it is asked."""

    def __init__(self, inner: Answers) -> None:
        self.verbs: list[str] = []
        self.bodies: list[bytes] = []
        self._inner = inner
        self._wrong: list[tuple[str, tuple[bytes, ...]]] = []

    def ask(self, verb: str, body: bytes = b"", **fields: Any) -> bytes:  # noqa: ANN401 - those of `Answers.ask`
        self.verbs.append(verb)
        self.bodies += [body] if body else []
        if self._wrong and self._wrong[0][0] == verb:
            _, parts = self._wrong.pop(0)
            return b"".join(f"\n{fields['token']}\n".encode() + part for part in parts)
        return self._inner.ask(verb, body, **fields)

    @contextmanager
    def instead(self, verb: str, *parts: bytes, times: int = 100) -> Iterator[None]:
        """Let it answer so, as many times."""
        self._wrong = [(verb, parts)] * times
        yield
        self._wrong = []


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tars, "_PAUSE_SECONDS", 0)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    with sandbox_shell(tmp_path) as started:
        yield started


@pytest.fixture
def engine(shell: Shell) -> Iterator[Engine]:
    with stub_engine() as stub:
        found = Engine(stub, shell.state / "returns")
        found.directory.mkdir(exist_ok=True)  # as the shell does in a moment
        stub.script[ARCHIVE] = [found]
        stub.script["/containers/json"] = [answer([{"Id": BOX}])]
        yield found


def made(engine: Engine, *answers: Any) -> Returned:  # noqa: ANN401 - whatever can be asked
    live = tuple(Sandbox(id=BOX, answers=cast("Answers", each)) for each in answers)
    pool: Any = SimpleNamespace(live=lambda run: live if run == RUN else ())
    return Returned(engine.stub.engine(), cast("Sandboxes", pool))


@dataclass
class Stand:
    """The returns of a run as steps leave them, and how they are read."""

    engine: Engine
    shell: Shell
    sandbox: Asked
    returns: Returned
    known: Known = field(default_factory=Known)

    @property
    def folder(self) -> Path:
        """Where steps leave them."""
        return self.shell.state / "returns"

    def leave(self, name: str, content: bytes = b"text\nx") -> None:
        """Put a file in place, as steps do."""
        aside = self.folder / f".{threading.get_ident()}"
        aside.write_bytes(content)
        aside.rename(self.folder / name)

    def read(self) -> dict[str, bytes]:
        """Ask what there is."""
        return dict(self.returns.read(RUN, self.known))

    def settle(self) -> dict[str, bytes]:
        """Ask until nobody is asked any more."""
        while True:
            before = len(self.sandbox.verbs)
            found = self.read()
            if len(self.sandbox.verbs) == before:
                return found


@pytest.fixture
def stand(engine: Engine, shell: Shell) -> Iterator[Stand]:
    with shell.client() as answers:
        answers.ask("open", packed({}, 0o666))
        sandbox = Asked(answers)
        found = Stand(engine, shell, sandbox, made(engine, Silent(), sandbox))
        yield found
        found.returns._engine.api.close()


def test_nobody_is_asked_while_nothing_has_changed(stand: Stand) -> None:
    stand.leave("m.a")
    first = stand.settle()
    before = len(stand.sandbox.verbs)

    assert [stand.read() for _ in range(5)] == [first] * 5 == [{"m.a": b"text\nx"}] * 5
    assert len(stand.sandbox.verbs) == before
    assert stand.returns.read(RUN, stand.known) is stand.returns.read(RUN, stand.known)


def test_only_what_is_new_is_read(stand: Stand) -> None:
    for name in ("m.a", "o.a,k", "g.a,g"):
        stand.leave(name)
    assert set(stand.settle()) == {"m.a", "o.a,k", "g.a,g"}

    stand.leave("m.b", b"json\n2")
    stand.leave("m.a", b"json\n3")

    assert stand.settle() == {"m.a": b"json\n3", "o.a,k": b"text\nx", "g.a,g": b"text\nx", "m.b": b"json\n2"}
    assert [sorted(body.split(b"\0")[:-1]) for body in stand.sandbox.bodies] == [
        [b"./g.a,g", b"./m.a", b"./o.a,k"],
        [b"./m.a", b"./m.b"],
    ]


def test_what_is_gone_is_not_told_any_more(stand: Stand) -> None:
    stand.leave("m.a")
    stand.leave("m.b")
    assert set(stand.settle()) == {"m.a", "m.b"}

    (stand.folder / "m.a").unlink()

    assert set(stand.settle()) == {"m.b"}


def test_a_change_in_the_same_tick_of_the_clock_is_not_missed(stand: Stand) -> None:
    stand.engine.frozen = "2026-01-01T00:00:00Z"
    stand.leave("m.a")
    assert set(stand.read()) == {"m.a"}

    stand.leave("m.b")

    assert set(stand.read()) == {"m.a", "m.b"}


def test_a_mapping_that_was_told_does_not_change_any_more(stand: Stand) -> None:
    stand.leave("m.a", b"1")
    told = stand.returns.read(RUN, stand.known)

    stand.leave("m.a", b"2")

    assert stand.settle() == {"m.a": b"2"}
    assert told == {"m.a": b"1"}


def test_callers_that_come_together_are_served_by_one_reading_or_two(stand: Stand) -> None:
    for number in range(200):
        stand.leave(f"m.{number}")
    found: list[dict[str, bytes]] = []
    start = threading.Barrier(12)

    def ask() -> None:
        start.wait()
        found.append(stand.read())

    for task in [Task(f"caller {number}", ask) for number in range(12)]:
        task.finish()

    assert [len(each) for each in found] == [200] * 12
    assert stand.sandbox.verbs.count("read_returns") == 1


def test_another_process_reads_all(stand: Stand) -> None:
    stand.leave("m.a")
    stand.settle()

    stand.known = Known()

    assert stand.read() == {"m.a": b"text\nx"}


@pytest.mark.parametrize("sizes", [(5, 70_000), (70_000, 5), (1000, 1001)])
def test_a_file_that_is_replaced_all_the_time_is_never_torn_and_holds_up_no_other(
    stand: Stand, sizes: tuple[int, int]
) -> None:
    contents = [letter * size for letter, size in zip((b"a", b"b"), sizes, strict=True)]
    stand.leave("m.mine", b"mine")
    over = threading.Event()

    def replace() -> None:
        for content in itertools.cycle(contents):
            stand.leave("m.other", content)
            if over.is_set():
                return

    writer = Task("writer", replace)
    try:
        seen = [stand.read() for _ in range(40)]
    finally:
        over.set()
        writer.finish()

    assert {each["m.mine"] for each in seen} == {b"mine"}
    assert {each["m.other"] for each in seen if "m.other" in each} <= set(contents)
    assert stand.settle()["m.other"] in contents


def test_only_regular_files_with_a_name_of_ours_are_read(stand: Stand) -> None:
    (stand.folder / "m.link").symlink_to("/etc/passwd")
    (stand.folder / "m.dir").mkdir()
    (stand.folder / "m.dir" / "m.deep").write_bytes(b"x")
    os.mkfifo(stand.folder / "m.fifo")
    for name in (".draft", "ma", "M.a", "m.a b", "m.a\nm.b", "m.ü", "mm.a", "m.*", "m."):
        (stand.folder / name).write_bytes(b"x")
    stand.leave("o.a,~%20-_.")

    assert stand.settle() == {"o.a,~%20-_.": b"text\nx"}


def test_what_takes_too_much_is_not_read_and_the_error_says_what_is_allowed(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Limits(directory="the directory of returns", entry="e", hint="h", all_bytes=1 << 20, members=3)
    monkeypatch.setattr(returned, "LIMITS", small)
    stand.leave("m.a", bytes(1 << 19))
    stand.leave("m.b", bytes((1 << 19) + 1))
    with pytest.raises(InfrastructureError, match="the directory of returns holds more than 3 files or 1 MiB") as error:
        stand.read()
    assert error.value.hint == "h"
    assert "read_returns" not in stand.sandbox.verbs

    for name in "abcd":
        stand.leave(f"m.{name}", b"")
    with pytest.raises(InfrastructureError, match="3 files"):
        stand.read()

    (stand.folder / "m.d").unlink()
    assert set(stand.settle()) == {"m.a", "m.b", "m.c"}


def test_many_returns_are_all_told(stand: Stand) -> None:
    names = {f"o.{'a' * 16},{number:090}" for number in range(3000)}
    for name in names:
        stand.leave(name)

    assert set(stand.settle()) == names


def test_a_directory_that_a_step_has_removed_or_replaced_is_an_error(stand: Stand, tmp_path: Path) -> None:
    stand.leave("m.a")
    stand.settle()
    stand.folder.rename(tmp_path / "elsewhere")
    with pytest.raises(InfrastructureError, match="what steps have returned cannot be read: a step has removed"):
        stand.read()

    stand.folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InfrastructureError, match="replaced it"):
        stand.read()


def _archived(**files: bytes) -> bytes:
    return packed({f"returns/{name}": content for name, content in files.items()}, 0o666)


def test_where_no_sandbox_answers_the_engine_tells_it_twice_and_what_differs_is_left_out(engine: Engine) -> None:
    returns, known = made(engine, Silent()), Known()
    first, torn, second = (
        _archived(**{"m.a": b"1", "m.b": content, ".draft": b"", "Odd": b""}) for content in (b"2", b"2\0", b"3")
    )
    broken = first[: tarfile.BLOCKSIZE]
    engine.archives = [first, torn, second, broken, second]

    assert returns.read(RUN, known) == {"m.a": b"1", "m.b": b"3"}
    assert engine.archives == []
    returns._engine.api.close()


def test_what_changes_in_each_archive_is_told_when_it_has_stayed(engine: Engine) -> None:
    returns, known = made(engine), Known()
    engine.archives = [_archived(**{"m.a": b"1", "m.b": bytes(number)}) for number in range(10)]
    assert returns.read(RUN, known) == {"m.a": b"1"}

    engine.archives = [_archived(**{"m.a": b"1", "m.b": b"x"})] * 2
    assert returns.read(RUN, known) == {"m.a": b"1", "m.b": b"x"}
    returns._engine.api.close()


def test_an_archive_that_stays_damaged_is_an_error(engine: Engine) -> None:
    returns = made(engine)
    engine.archives = [_archived(**{"m.a": b"1"})[: tarfile.BLOCKSIZE]] * 5

    with pytest.raises(InfrastructureError, match="reading what steps have returned: the archive is damaged"):
        returns.read(RUN, Known())
    returns._engine.api.close()


def _line(number: int, name: str) -> bytes:
    return f"{number} 3 2026-01-01 00:00:00.0 +0000 ./{name}".encode()


def test_what_was_replaced_between_two_listings_is_not_told_and_read_again(stand: Stand) -> None:
    torn = packed({"./m.a": b"tor", "./m.b": b"yes"}, 0o666)
    before, after = (b"\n".join((_line(number, "m.a"), _line(7, "m.b"))) for number in (1, 2))
    for name in ("m.a", "m.b"):
        stand.leave(name, b"yes")

    with stand.sandbox.instead("read_returns", before, torn, after):
        assert stand.read() == {"m.b": b"yes"}

    assert stand.settle() == {"m.a": b"yes", "m.b": b"yes"}


def test_what_has_changed_does_not_break_the_archive_again_and_again(stand: Stand) -> None:
    for name in ("m.a", "m.b"):
        stand.leave(name, b"yes")
    with stand.sandbox.instead("read_returns", _line(7, "m.b"), b"no tar", _line(7, "m.b"), times=1):
        assert stand.read() == {"m.a": b"yes", "m.b": b"yes"}

    assert stand.sandbox.bodies == [b"./m.a\0./m.b\0", b"./m.b\0", b"./m.a\0"]


def test_an_archive_that_was_broken_by_all_that_was_to_be_in_it_holds_nothing_yet(stand: Stand) -> None:
    stand.leave("m.a", b"yes")
    with stand.sandbox.instead("read_returns", _line(1, "m.a"), b"no tar", _line(2, "m.a")):
        assert stand.read() == {}

    assert stand.settle() == {"m.a": b"yes"}


def test_a_sandbox_that_sends_damaged_archives_each_time_is_an_error(stand: Stand) -> None:
    stand.leave("m.a")

    with (
        stand.sandbox.instead("read_returns", _line(1, "m.a"), b"no tar", _line(1, "m.a")),
        pytest.raises(InfrastructureError, match="damaged each time"),
    ):
        stand.read()


def test_a_run_of_which_no_sandbox_is_left_cannot_be_reached(engine: Engine) -> None:
    engine.stub.script["/containers/json"] = [answer([])]
    returns = made(engine)

    with pytest.raises(InfrastructureError, match="no sandbox any more"):
        returns.read(RUN, Known())
    returns._engine.api.close()
