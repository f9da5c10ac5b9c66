import base64
import io
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote_plus

import pytest

from runner.backends.docker import outputs, tars
from runner.backends.docker.boxes import Sandbox
from runner.backends.docker.outputs import Outputs
from runner.backends.docker.tars import packed
from runner.errors import EngineUnavailableError, InfrastructureError
from tests.support.answering import Silent, sandbox_shell
from tests.support.stub_engine import Behaviour, Handler, StubEngine, cut, stub_engine

BOX, GONE = (Sandbox(id=name, answers=Silent()) for name in ("box", "gone"))
ARCHIVE = f"/containers/{BOX.id}/archive"


class Directory:
    """The directory of outputs as the engine shows it: files by name."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.broken: list[Behaviour] = []
        self.cut_at: list[int] = []

    def put(self, name: str, content: bytes) -> None:
        self.files[name] = content

    def behave(self, handler: Handler) -> None:
        if self.broken:
            self.broken.pop(0)(handler)
            return
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            top = tarfile.TarInfo("outputs")
            top.type = tarfile.DIRTYPE
            tar.addfile(top)
            for name, content in self.files.items():
                member = tarfile.TarInfo(f"outputs/{name}")
                member.size = len(content)
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


def test_what_was_left_is_read_through_the_engine_in_one_call(
    read_by: Outputs, stub: StubEngine, directory: Directory
) -> None:
    directory.put(".env", b"A=1\n")
    directory.put("odd ü%\n", b"B=2\n")

    assert read_by.read(BOX) == {".env": b"A=1\n", "odd ü%\n": b"B=2\n"}
    assert asked(stub) == ["GET"]


def test_an_empty_directory_holds_nothing(read_by: Outputs) -> None:
    assert read_by.read(BOX) == {}


@pytest.mark.parametrize("size", [600, 700, 1024, 1030])
def test_a_file_that_shrinks_while_it_is_read_is_read_again(
    read_by: Outputs, directory: Directory, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(tars, "_PAUSE_SECONDS", 0)
    directory.put("a", b"x" * 300)
    directory.cut_at = [size]

    assert read_by.read(BOX) == {"a": b"x" * 300}


def test_an_archive_that_stays_damaged_is_an_error(
    read_by: Outputs, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tars, "_PAUSE_SECONDS", 0)
    directory.put("a", b"x" * 300)
    directory.cut_at = [1030] * 5

    with pytest.raises(InfrastructureError, match="the archive is damaged"):
        read_by.read(BOX)
    assert read_by.read(BOX) == {"a": b"x" * 300}


def test_an_engine_that_goes_away_is_an_error(read_by: Outputs, directory: Directory) -> None:
    directory.put("a", b"1")
    directory.broken = [cut]

    with pytest.raises(EngineUnavailableError):
        read_by.read(BOX)


def test_a_sandbox_that_is_gone_is_an_error(read_by: Outputs) -> None:
    with pytest.raises(InfrastructureError, match="reading the run's outputs"):
        read_by.read(GONE)


@pytest.mark.parametrize(("size", "fits"), [(8, True), (9, False)])
def test_a_file_may_be_as_large_as_the_limit(
    read_by: Outputs, directory: Directory, monkeypatch: pytest.MonkeyPatch, size: int, *, fits: bool
) -> None:
    monkeypatch.setattr(outputs, "LIMITS", replace(outputs.LIMITS, file=8))
    directory.put("a", b"x" * size)

    if fits:
        assert read_by.read(BOX) == {"a": b"x" * size}
    else:
        with pytest.raises(InfrastructureError, match="the output a has more than"):
            read_by.read(BOX)


def test_a_sandbox_that_answers_is_believed_and_the_engine_is_not_asked(
    read_by: Outputs, stub: StubEngine, tmp_path: Path
) -> None:
    with sandbox_shell(tmp_path) as shell, shell.client() as answers:
        answers.ask("open", packed({}, 0o666))
        box = Sandbox(id=BOX.id, answers=answers)
        assert read_by.read(box) == {}
        for content in (b"A=1\n", b"A=2\n"):
            (shell.outputs / ".env").write_bytes(content)
            assert read_by.read(box) == {".env": content}

    assert asked(stub) == []


def test_what_is_too_large_for_an_answer_is_told_by_the_engine(
    read_by: Outputs, directory: Directory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(outputs, "_MOST_BYTES", 1000)
    directory.put("a", b"x" * 2000)
    with sandbox_shell(tmp_path) as shell, shell.client() as answers:
        answers.ask("open", packed({}, 0o666))
        (shell.outputs / "a").write_bytes(b"x" * 2000)

        assert read_by.read(Sandbox(id=BOX.id, answers=answers)) == {"a": b"x" * 2000}


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
    monkeypatch.setattr(tars, "_PAUSE_SECONDS", 0)
    box = Sandbox(id=BOX.id, answers=Torn(torn))

    if fits:
        assert read_by.read(box) == {"a": b"1" * 600}
    else:
        with pytest.raises(InfrastructureError, match="the archive is damaged"):
            read_by.read(box)
