import base64
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import unquote_plus

import pytest

from runner.backends.docker import outputs
from runner.backends.docker.boxes import Sandbox
from runner.backends.docker.outputs import Outputs
from runner.backends.docker.tars import packed
from runner.errors import EngineUnavailableError, InfrastructureError
from tests.support.answering import Silent, sandbox_shell
from tests.support.stub_engine import Behaviour, Handler, StubEngine, cut, refuse, stub_engine

RUN = "0badcafe"
BOX, GONE = (Sandbox(id=name, answers=Silent()) for name in ("box", "gone"))
ARCHIVE = f"/containers/{BOX.id}/archive"
OLD, NOW = 1_000_000, 1_000_100


class Directory:
    """The directory of outputs as the engine shows it: files by name, each with its time and content."""

    def __init__(self) -> None:
        self.modified = 0.0
        self.now = NOW
        self.files: dict[str, tuple[float, bytes]] = {}
        self.broken: list[Behaviour] = []
        self.cut_at: list[int] = []

    def put(self, name: str, content: bytes, at: float = OLD) -> None:
        self.files[name] = (at, content)
        self.modified = at

    def behave(self, handler: Handler) -> None:
        path = unquote_plus(handler.path.partition("path=")[2]).removeprefix("/run/outputs")
        if handler.command == "GET":
            self._send(handler)
        elif not path:
            self._tell(handler, self.modified, 4096)
        elif path[1:] in self.files:
            modified, content = self.files[path[1:]]
            self._tell(handler, modified, len(content))
        else:
            refuse(404, "gone")(handler)

    def _tell(self, handler: Handler, modified: float, size: int) -> None:
        fields = {"mode": 0o777, "size": size, "mtime": datetime.fromtimestamp(modified, UTC).isoformat()}
        handler.send_response_only(200)
        handler.send_header("Date", format_datetime(datetime.fromtimestamp(self.now, UTC), usegmt=True))
        handler.send_header("X-Docker-Container-Path-Stat", base64.b64encode(json.dumps(fields).encode()).decode())
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def _send(self, handler: Handler) -> None:
        if self.broken:
            self.broken.pop(0)(handler)
            return
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            top = tarfile.TarInfo("outputs")
            top.type = tarfile.DIRTYPE
            tar.addfile(top)
            for name, (modified, content) in self.files.items():
                member = tarfile.TarInfo(f"outputs/{name}")
                member.size, member.mtime = len(content), int(modified)
                tar.addfile(member, io.BytesIO(content))
        data = buffer.getvalue()[: self.cut_at.pop(0) if self.cut_at else None]
        handler.send_response(200)
        stat = base64.b64encode(b"{}").decode()
        handler.send_header("X-Docker-Container-Path-Stat", stat)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
def stub(directory: Directory) -> Iterator[StubEngine]:
    with stub_engine() as made:
        made.script[ARCHIVE] = [directory.behave]
        yield made


@pytest.fixture
def read_by(stub: StubEngine) -> Iterator[Outputs]:
    engine = stub.engine()
    yield Outputs(engine)
    engine.api.close()


def asked(stub: StubEngine) -> list[str]:
    """Return what was asked for since the last time: the verb, and the name of the file."""
    requests = [request for request in stub.requests if ARCHIVE in request]
    found = [request.partition(" ")[0] + " " + request.partition("path=")[2] for request in requests]
    stub.requests.clear()
    return [unquote_plus(text).replace(" /run/outputs/", " ").replace(" /run/outputs", "") for text in found]


def test_an_untouched_directory_is_never_read(read_by: Outputs, stub: StubEngine) -> None:
    assert read_by.read(RUN, BOX) == {}
    assert read_by.read(RUN, BOX) == {}
    assert asked(stub) == ["HEAD", "HEAD"]


def test_what_was_left_is_read_once_and_then_asked_after(
    read_by: Outputs, stub: StubEngine, directory: Directory
) -> None:
    directory.put(".env", b"A=1\n")
    directory.put("odd ü%\n", b"B=2\n")

    expected = {".env": b"A=1\n", "odd ü%\n": b"B=2\n"}
    assert read_by.read(RUN, BOX) == expected
    assert asked(stub) == ["HEAD", "GET"]
    assert read_by.read(RUN, BOX) == expected
    assert asked(stub) == ["HEAD", "HEAD .env", "HEAD odd ü%\n"]


@pytest.mark.parametrize(
    ("modified", "content"),
    [(OLD + 1.0, b"A=2\n"), (float(OLD), b"A=11\n"), (OLD + 5.0, b"")],
)
def test_a_file_with_another_time_or_size_is_read_again(
    read_by: Outputs, directory: Directory, modified: float, content: bytes
) -> None:
    directory.put("f", b"A=1\n")
    read_by.read(RUN, BOX)
    directory.files["f"] = (modified, content)

    assert read_by.read(RUN, BOX) == {"f": content}


def test_a_file_that_came_or_went_is_noticed_by_the_directory(read_by: Outputs, directory: Directory) -> None:
    directory.put("a", b"1")
    read_by.read(RUN, BOX)
    directory.put("b", b"2", at=OLD + 0.001)
    assert read_by.read(RUN, BOX) == {"a": b"1", "b": b"2"}

    directory.files.clear()
    directory.modified = OLD + 0.002
    assert read_by.read(RUN, BOX) == {}


def test_a_file_that_went_without_a_trace_is_noticed(read_by: Outputs, directory: Directory) -> None:
    directory.put("a", b"1")
    read_by.read(RUN, BOX)
    directory.files.clear()

    assert read_by.read(RUN, BOX) == {}


@pytest.mark.parametrize(("age", "again"), [(0, True), (1, True), (2, False), (-3600, True)])
def test_what_was_modified_less_than_two_seconds_ago_is_read_again(
    read_by: Outputs, stub: StubEngine, directory: Directory, age: int, *, again: bool
) -> None:
    directory.put("a", b"1", at=NOW - age)
    directory.modified = OLD
    read_by.read(RUN, BOX)
    asked(stub)

    read_by.read(RUN, BOX)

    assert ("GET" in asked(stub)) is again


def test_a_directory_that_has_just_been_modified_is_read_again(
    read_by: Outputs, stub: StubEngine, directory: Directory
) -> None:
    directory.put("a", b"1")
    directory.modified = NOW - 1.5
    for _ in range(2):
        read_by.read(RUN, BOX)

    assert asked(stub) == ["HEAD", "GET"] * 2


def test_many_files_are_read_rather_than_asked_after(read_by: Outputs, stub: StubEngine, directory: Directory) -> None:
    for number in range(9):
        directory.put(str(number), b"x")
    for _ in range(2):
        assert len(read_by.read(RUN, BOX)) == 9

    assert asked(stub) == ["HEAD", "GET"] * 2


def test_runs_do_not_see_each_others_outputs(read_by: Outputs, directory: Directory) -> None:
    directory.put("a", b"1")
    read_by.read(RUN, BOX)
    directory.modified = 0

    assert read_by.read("other", BOX) == {}


def test_a_forgotten_run_is_read_anew(read_by: Outputs, stub: StubEngine, directory: Directory) -> None:
    directory.put("a", b"1")
    read_by.read(RUN, BOX)
    read_by.forget(RUN)
    asked(stub)
    read_by.read(RUN, BOX)

    assert asked(stub) == ["HEAD", "GET"]


@pytest.mark.parametrize("size", [600, 700, 1024, 1030])
def test_a_file_that_shrinks_while_it_is_read_is_read_again(
    read_by: Outputs, directory: Directory, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(outputs, "_PAUSE_SECONDS", 0)
    directory.put("a", b"x" * 300)
    directory.cut_at = [size]

    assert read_by.read(RUN, BOX) == {"a": b"x" * 300}


def test_an_archive_that_stays_damaged_is_an_error(
    read_by: Outputs, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "_PAUSE_SECONDS", 0)
    directory.put("a", b"x" * 300)
    directory.cut_at = [1030] * 5

    with pytest.raises(InfrastructureError, match="the archive is damaged"):
        read_by.read(RUN, BOX)
    assert read_by.read(RUN, BOX) == {"a": b"x" * 300}


def test_an_engine_that_goes_away_is_an_error(read_by: Outputs, directory: Directory) -> None:
    directory.put("a", b"1")
    directory.broken = [cut]

    with pytest.raises(EngineUnavailableError):
        read_by.read(RUN, BOX)


def test_a_sandbox_that_is_gone_is_an_error(read_by: Outputs) -> None:
    with pytest.raises(InfrastructureError, match="the sandbox of the stage is gone"):
        read_by.read(RUN, GONE)


@pytest.mark.parametrize(("size", "fits"), [(8, True), (9, False)])
def test_a_file_may_be_as_large_as_the_limit(
    read_by: Outputs, directory: Directory, monkeypatch: pytest.MonkeyPatch, size: int, *, fits: bool
) -> None:
    monkeypatch.setattr(outputs, "LIMITS", replace(outputs.LIMITS, file=8))
    directory.put("a", b"x" * size)

    if fits:
        assert read_by.read(RUN, BOX) == {"a": b"x" * size}
    else:
        with pytest.raises(InfrastructureError, match="the output a has more than"):
            read_by.read(RUN, BOX)


def test_a_sandbox_that_answers_is_believed_and_the_engine_is_not_asked(
    read_by: Outputs, stub: StubEngine, tmp_path: Path
) -> None:
    with sandbox_shell(tmp_path) as shell, shell.client() as answers:
        answers.ask("open", packed({}, 0o666))
        box = Sandbox(id=BOX.id, answers=answers)
        assert read_by.read(RUN, box) == {}
        for content in (b"A=1\n", b"A=2\n"):
            (shell.outputs / ".env").write_bytes(content)
            assert read_by.read(RUN, box) == {".env": content}

    assert asked(stub) == []


def test_what_is_too_large_for_an_answer_is_told_by_the_engine(
    read_by: Outputs, directory: Directory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(outputs, "_MOST_BYTES", 1000)
    directory.put("a", b"x" * 2000)
    with sandbox_shell(tmp_path) as shell, shell.client() as answers:
        answers.ask("open", packed({}, 0o666))
        (shell.outputs / "a").write_bytes(b"x" * 2000)

        assert read_by.read(RUN, Sandbox(id=BOX.id, answers=answers)) == {"a": b"x" * 2000}


class Torn(Silent):
    """A sandbox whose first answers break off, as when a file shrinks while it is read."""

    def __init__(self, torn: int) -> None:
        self.torn = torn

    def ask(self, verb: str, body: bytes = b"", **_: object) -> bytes:
        self.torn -= 1
        whole = packed({"outputs/a": b"1" * 600}, 0o666)
        return whole[: 700 if self.torn >= 0 else None]


@pytest.mark.parametrize(("torn", "fits"), [(4, True), (5, False)])
def test_an_answer_that_is_torn_is_asked_for_again(
    read_by: Outputs, monkeypatch: pytest.MonkeyPatch, torn: int, *, fits: bool
) -> None:
    monkeypatch.setattr(outputs, "_PAUSE_SECONDS", 0)
    box = Sandbox(id=BOX.id, answers=Torn(torn))

    if fits:
        assert read_by.read(RUN, box) == {"a": b"1" * 600}
    else:
        with pytest.raises(InfrastructureError, match="the archive is damaged"):
            read_by.read(RUN, box)
