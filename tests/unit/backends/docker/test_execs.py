"""Short commands beside what runs in a container, with an engine that says what a test tells it to."""

import time
from collections.abc import Iterator

import pytest

from runner.backends.docker.client import Engine
from runner.backends.docker.execs import Ran, execute
from runner.errors import EngineRefusedError
from tests.support.connections import frame
from tests.support.stub_engine import Behaviour, Handler, StubEngine, answer, refuse, silence, stub_engine

UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"


@pytest.fixture
def stub() -> Iterator[StubEngine]:
    with stub_engine() as found:
        found.script["/containers/c/exec"] = [answer({"Id": "e"})]
        found.script["/exec/e/json"] = [answer({"ExitCode": 4})]
        yield found


@pytest.fixture
def engine(stub: StubEngine) -> Iterator[Engine]:
    found = stub.engine()
    yield found
    found.api.close()


def written(*frames: bytes, end: Behaviour | None = None) -> Behaviour:
    """Write frames, and end as told."""

    def behave(handler: Handler) -> None:
        handler.wfile.write(UPGRADED + b"".join(frames))
        handler.wfile.flush()
        if end is not None:
            end(handler)
        handler.close_connection = True

    return behave


def test_the_exit_code_comes_with_what_was_written(stub: StubEngine, engine: Engine) -> None:
    stub.script["/exec/e/start"] = [written(frame(1, b"one\n"), frame(1, b"two\n"))]

    assert execute(engine, "c", ("true",), 5) == Ran(exit_code=4, output=b"one\ntwo\n")
    assert [request.split("?")[0] for request in stub.requests[-3:]] == [
        "POST /containers/c/exec",
        "POST /exec/e/start",
        "GET /exec/e/json",
    ]


def test_what_stands_on_stderr_goes_before_what_does_not(stub: StubEngine, engine: Engine) -> None:
    stub.script["/exec/e/start"] = [written(frame(2, b"no\n"), frame(1, b"one\n"))]

    assert execute(engine, "c", ("true",), 5).output == b"no\n"


def test_only_the_end_of_a_long_output_is_kept(stub: StubEngine, engine: Engine) -> None:
    stub.script["/exec/e/start"] = [written(*(frame(1, b"x" * 10_000) for _ in range(20)), frame(1, b"the end"))]
    output = execute(engine, "c", ("true",), 5).output

    assert len(output) == 4096
    assert output.endswith(b"xthe end")


def test_a_command_that_says_nothing_has_not_ended_in_time(stub: StubEngine, engine: Engine) -> None:
    stub.script["/exec/e/start"] = [written(end=silence)]
    began = time.monotonic()
    found = execute(engine, "c", ("sleep", "60"), 0.2)

    assert found == Ran(exit_code=None)
    assert time.monotonic() - began < 2
    assert stub.hung_up.wait(5) or stub.requests[-1].startswith("POST /exec/e/start")


def test_a_command_that_never_stops_writing_has_not_ended_in_time(stub: StubEngine, engine: Engine) -> None:
    def flood(handler: Handler) -> None:
        try:
            while True:
                handler.wfile.write(frame(1, b"y\n" * 1000))
        except OSError:
            handler.stub.hung_up.set()

    stub.script["/exec/e/start"] = [written(end=flood)]

    assert execute(engine, "c", ("yes",), 0.2) == Ran(exit_code=None)
    assert stub.hung_up.wait(5)


@pytest.mark.parametrize("path", ["/containers/c/exec", "/exec/e/start"])
def test_what_the_engine_does_not_start_is_its_sentence(stub: StubEngine, engine: Engine, path: str) -> None:
    stub.script["/exec/e/start"] = [written()]
    stub.script[path] = [refuse(409, "container c is not running")]

    with pytest.raises(EngineRefusedError, match="container c is not running"):
        execute(engine, "c", ("true",), 5)
