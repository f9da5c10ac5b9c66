"""Which caches are opened for every user: the new ones, and all at once."""

import tarfile
from base64 import b64encode
from collections.abc import Iterator
from io import BytesIO

import pytest

from runner.backends.docker.caches import open_roots
from runner.backends.docker.client import Engine
from runner.errors import EngineRefusedError
from runner.plan.model import Cache
from tests.support.stub_engine import Handler, StubEngine, refuse, stub_engine

GO, NPM = Cache(key="go", path="/go"), Cache(key="npm", path="deps/npm")
NEW, CLOSED, OPEN = 0o755, 0o700, 0o777
PATH = "/containers/c/archive"


class Container:
    """The archive calls of a container: roots by their modes, in the order in which they are asked for."""

    def __init__(self, stub: StubEngine, *modes: int) -> None:
        self.put: list[list[tuple[str, int, bool]]] = []
        self._modes = list(modes)
        stub.script[PATH] = [self._answer]

    def _answer(self, handler: Handler) -> None:
        if handler.command == "HEAD":
            stat = f'{{"name": "x", "size": 4096, "mode": {self._modes.pop(0)}, "mtime": "2026-01-01T00:00:00Z"}}'
            handler.send_response(200)
            handler.send_header("X-Docker-Container-Path-Stat", b64encode(stat.encode()).decode())
        else:
            with tarfile.open(fileobj=BytesIO(handler.body)) as tar:
                self.put.append([(member.name, member.mode, member.isdir()) for member in tar])
            handler.send_response(200)
        handler.send_header("Content-Length", "0")
        handler.end_headers()


@pytest.fixture
def stub() -> Iterator[StubEngine]:
    with stub_engine() as found:
        yield found


@pytest.fixture
def engine(stub: StubEngine) -> Iterator[Engine]:
    found = stub.engine()
    yield found
    found.api.close()


def test_new_caches_are_opened_in_one_call(stub: StubEngine, engine: Engine) -> None:
    container = Container(stub, NEW, NEW)
    open_roots(engine, "c", (GO, NPM), "/work")

    assert container.put == [[("go", OPEN, True), ("work/deps/npm", OPEN, True)]]
    assert stub.requests[-1].endswith("path=%2F")


def test_a_cache_whose_mode_was_changed_keeps_it_and_costs_no_call(stub: StubEngine, engine: Engine) -> None:
    container = Container(stub, CLOSED, OPEN)
    open_roots(engine, "c", (GO, NPM), "/work")

    assert container.put == []
    assert [request.split()[0] for request in stub.requests[-2:]] == ["HEAD", "HEAD"]


def test_a_cache_that_cannot_be_seen_is_left_to_the_engine(stub: StubEngine, engine: Engine) -> None:
    stub.script[PATH] = [refuse(404, "no such file")]
    open_roots(engine, "c", (GO,), "/work")

    assert stub.requests[-1].startswith("HEAD")


def test_an_engine_that_does_not_let_us_look_is_an_error(stub: StubEngine, engine: Engine) -> None:
    stub.script[PATH] = [refuse(500, "broken")]

    with pytest.raises(EngineRefusedError):
        open_roots(engine, "c", (GO,), "/work")
