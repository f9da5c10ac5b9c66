"""How a store is read and written: what a sandbox answers, and the engine's own way where none does."""

import io
import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from runner.backends.docker import values
from runner.backends.docker.answers import Answers
from runner.backends.docker.boxes import Sandbox
from runner.backends.docker.sandbox import Sandboxes
from runner.backends.docker.tars import Limits, packed
from runner.backends.docker.values import Values
from runner.errors import InfrastructureError
from runner.pipelinectl.values import Store
from tests.support.answering import Shell, Silent, sandbox_shell
from tests.support.stub_engine import Handler, StubEngine, answer, cut, refuse, stub_engine

RUN, BOX = "0badcafe", "box"
ARCHIVE = f"/containers/{BOX}/archive"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "_PAUSE_SECONDS", 0)


@pytest.fixture
def stub() -> Iterator[StubEngine]:
    with stub_engine() as made:
        yield made


def made(stub: StubEngine, *answers: Answers) -> Values:
    live = tuple(Sandbox(id=BOX, answers=each) for each in answers)
    pool: Any = SimpleNamespace(live=lambda run: live if run == RUN else ())
    return Values(stub.engine(), cast("Sandboxes", pool))


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    with sandbox_shell(tmp_path) as started:
        yield started


@pytest.fixture
def answered(stub: StubEngine, shell: Shell) -> Iterator[Values]:
    with shell.client() as answers:
        answers.ask("open", packed({}, 0o666))
        yield made(stub, Silent(), answers)


@pytest.fixture
def unanswered(stub: StubEngine) -> Iterator[Values]:
    stub.script["/containers/json"] = [answer([{"Id": BOX}])]
    found = made(stub, Silent())
    yield found
    found._engine.api.close()


def serve(stub: StubEngine, *archives: bytes) -> None:
    def sending(data: bytes) -> Any:  # noqa: ANN401 - a behaviour
        def behave(handler: Handler) -> None:
            handler.send_response(200)
            handler.send_header("X-Docker-Container-Path-Stat", "e30=")
            handler.send_header("Content-Length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data)

        return behave

    stub.script[ARCHIVE] = [sending(data) for data in archives]


def store_of(files: Mapping[str, bytes]) -> bytes:
    return packed({f"values/{name}": content for name, content in files.items()}, 0o666)


def test_all_is_read_but_the_contents_of_files_and_results(shell: Shell, answered: Values, stub: StubEngine) -> None:
    kept = {"e.a": b"1\n", "c.%2F": b"2\n", "r.app,url": b"u\n", "x.a": b"", "j.0f": b"a=b\n{}x", "k.~00": b"\n"}
    others = {"f.a": b"12345", "t.s,%2E": b"", ".draft": b"no", "e.no key!": b"\n", "Odd": b""}
    for name, content in {**kept, **others}.items():
        (shell.values / name).write_bytes(content)

    assert answered.read(RUN, wanted=lambda: True) == Store(contents=kept, sizes={"f.a": 5, "t.s,%2E": 0})
    assert stub.requests == []


def test_nothing_but_regular_files_is_read(shell: Shell, answered: Values) -> None:
    (shell.values / "e.link").symlink_to("/etc/passwd")
    (shell.values / "f.link").symlink_to("/etc/passwd")
    (shell.values / "e.dir").mkdir()
    (shell.values / "e.dir" / "e.deep").write_bytes(b"1\n")
    (shell.values / "e.a").write_bytes(b"1\n")
    (shell.values / "e.b").hardlink_to(shell.values / "e.a")
    os.mkfifo(shell.values / "e.fifo")

    assert answered.read(RUN, wanted=lambda: True) == Store(contents={"e.a": b"1\n", "e.b": b"1\n"})


def test_a_store_of_many_values_is_read_whole(shell: Shell, answered: Values) -> None:
    expected = {f"e.{'k' * 90}{number}": b"%d\n" % number for number in range(3000)}
    for name, content in expected.items():
        (shell.values / name).write_bytes(content)

    assert answered.read(RUN, wanted=lambda: True).contents == expected


def test_a_store_that_a_step_removed_is_an_error(shell: Shell, answered: Values) -> None:
    shell.values.rmdir()

    with pytest.raises(InfrastructureError, match="removed or replaced"):
        answered.read(RUN, wanted=lambda: True)


def test_what_is_put_is_read_again(answered: Values) -> None:
    answered.put(RUN, {"p.a": b"1\n"})
    answered.put(RUN, {})
    answered.put(RUN, {"p.a": b"2\n", "p.b": b"3\n"})

    assert answered.read(RUN, wanted=lambda: True).contents == {"p.a": b"2\n", "p.b": b"3\n"}


def test_without_an_answer_the_engine_gives_the_same(unanswered: Values, stub: StubEngine) -> None:
    serve(stub, store_of({"e.a": b"1\n", "f.a": b"12345", "t.s,x": b"", ".draft": b"no", "Odd": b""}))

    assert unanswered.read(RUN, wanted=lambda: True) == Store(contents={"e.a": b"1\n"}, sizes={"f.a": 5, "t.s,x": 0})


@pytest.mark.parametrize("torn", [b"", store_of({"e.a": b"1\n"})[:700], store_of({"e.a": b"tor"})])
def test_what_is_torn_while_it_is_read_is_read_again(unanswered: Values, stub: StubEngine, torn: bytes) -> None:
    serve(stub, torn, torn, torn, torn, store_of({"e.a": b"whole\n"}))

    assert unanswered.read(RUN, wanted=lambda: True).contents == {"e.a": b"whole\n"}


def test_an_archive_that_stays_damaged_is_an_error(unanswered: Values, stub: StubEngine) -> None:
    serve(stub, b"")

    with pytest.raises(InfrastructureError, match="the archive is damaged"):
        unanswered.read(RUN, wanted=lambda: True)


def test_a_text_that_never_gets_its_newline_is_taken_as_it_is(unanswered: Values, stub: StubEngine) -> None:
    serve(stub, store_of({"e.a": b"on purpose"}))

    assert unanswered.read(RUN, wanted=lambda: True).contents == {"e.a": b"on purpose"}


MANY, BIG = {f"e.{number}": b"\n" for number in range(21)}, {"e.a": bytes(2 << 20) + b"\n"}


@pytest.mark.parametrize(("way", "files"), [("answered", MANY), ("answered", BIG), ("unanswered", MANY)])
def test_a_store_that_is_too_large_is_an_error_that_says_what_would_do(  # noqa: PLR0913, PLR0917 - fixtures
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    stub: StubEngine,
    shell: Shell,
    files: dict[str, bytes],
    way: str,
) -> None:
    small = Limits(directory="the run's values", entry="", hint="`save_file`", all_bytes=1 << 20, members=20)
    monkeypatch.setattr(values, "LIMITS", small)
    reading: Values = request.getfixturevalue(way)
    serve(stub, store_of(files))
    if way == "answered":
        for name, content in files.items():
            (shell.values / name).write_bytes(content)

    with pytest.raises(InfrastructureError, match="values holds more") as caught:
        reading.read(RUN, wanted=lambda: True)
    assert "save_file" in caught.value.hint


def test_without_an_answer_a_file_is_written_aside_and_linked(unanswered: Values, stub: StubEngine) -> None:
    sent: list[tuple[str, bytes]] = []

    def take(handler: Handler) -> None:
        sent.append((handler.path, handler.body))
        answer({})(handler)

    stub.script[ARCHIVE] = [take]
    unanswered.put(RUN, {"p.a": b"1\n"})
    [(path, body)] = sent

    assert "path=%2Frun%2Frunner" in path
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        aside, link = tar.getmembers()
        content = tar.extractfile(aside)
        assert content is not None
        assert (content.read(), aside.mode, aside.name[0]) == (b"1\n", 0o666, ".")
    assert (link.name, link.linkname, link.islnk()) == ("values/p.a", aside.name, True)


def test_a_script_is_put_where_root_alone_can_change_it(shell: Shell, answered: Values, stub: StubEngine) -> None:
    answered.put_script(RUN, "runner-a", b"#!/bin/sh\nfalse\n")
    answered.put_script(RUN, "runner-a", b"#!/bin/sh\ntrue\n")

    folder = shell.state / "scripts"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"runner-a": b"#!/bin/sh\ntrue\n"}
    assert [path.stat().st_mode & 0o777 for path in (folder, folder / "runner-a")] == [0o755, 0o755]
    assert stub.requests == []


def test_without_an_answer_the_engine_puts_a_script_there(unanswered: Values, stub: StubEngine) -> None:
    sent: list[tuple[str, bytes]] = []

    def take(handler: Handler) -> None:
        sent.append((handler.path, handler.body))
        answer({})(handler)

    stub.script[ARCHIVE] = [take]
    unanswered.put_script(RUN, "runner-a", b"true\n")
    [(path, body)] = sent

    assert "path=%2Frun%2Frunner%2Fscripts" in path
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        [member] = tar.getmembers()
    assert (member.name, member.mode, member.size) == ("runner-a", 0o755, 5)


def test_a_run_of_which_no_sandbox_is_left_cannot_be_reached(stub: StubEngine) -> None:
    stub.script["/containers/json"] = [answer([])]
    found = made(stub)

    with pytest.raises(InfrastructureError, match="no sandbox any more"):
        found.read(RUN, wanted=lambda: True)
    with pytest.raises(InfrastructureError, match="no sandbox any more"):
        found.put(RUN, {"p.a": b"1\n"})
    assert "sandbox" in json.dumps(stub.requests)
    found._engine.api.close()


def test_an_engine_that_refuses_is_an_error(unanswered: Values, stub: StubEngine) -> None:
    stub.script[ARCHIVE] = [cut, refuse(500, "no")]

    with pytest.raises(InfrastructureError, match="reading the run's values"):
        unanswered.read(RUN, wanted=lambda: True)
    with pytest.raises(InfrastructureError, match="writing the run's values"):
        unanswered.put(RUN, {"p.a": b"1\n"})
