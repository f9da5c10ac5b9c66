"""The stream of events: nothing missed, told once, taken up again."""

import threading
import time
from collections.abc import Iterator
from urllib.parse import parse_qs, unquote

import pytest

from runner.backends.docker.events import Events
from runner.errors import EngineUnavailableError
from runner.naming import Instance
from tests.support.stub_engine import Handler, StubEngine, cut, refuse, silence, stream, stub_engine

INSTANCE = Instance(id="i1", kind="exec", host="h", owner="o")


class Heard:
    """A listener that remembers."""

    def __init__(self, *, failing: bool = False) -> None:
        self.deaths: list[tuple[str, int]] = []
        self.signals: list[str] = []
        self.resyncs = 0
        self.failing = failing

    def signalled(self, container: str) -> None:
        self.signals.append(container)

    def died(self, container: str, exit_code: int) -> None:
        if self.failing:
            raise RuntimeError("this listener fails")
        self.deaths.append((container, exit_code))

    def resync(self) -> None:
        self.resyncs += 1


def die(container: str, code: int, nano: int) -> dict[str, object]:
    return {"Action": "die", "Actor": {"ID": container, "Attributes": {"exitCode": str(code)}}, "timeNano": nano}


def wait_for(heard: Heard, deaths: int) -> None:
    deadline = time.monotonic() + 5
    while len(heard.deaths) < deaths:
        assert time.monotonic() < deadline, heard.deaths
        time.sleep(0.005)


@pytest.fixture
def stub() -> Iterator[StubEngine]:
    with stub_engine() as found:
        yield found


@pytest.fixture
def heard(stub: StubEngine) -> Heard:
    return Heard()


@pytest.fixture
def events(stub: StubEngine, heard: Heard) -> Iterator[Events]:
    found = Events(stub.engine(), INSTANCE)
    found.add(heard)
    yield found
    found.close()


def subscriptions(stub: StubEngine) -> list[dict[str, list[str]]]:
    return [parse_qs(request.split("?", 1)[1]) for request in stub.requests if request.startswith("GET /events")]


def test_only_ends_of_our_containers_are_asked_for(stub: StubEngine, events: Events) -> None:
    stub.script["/events"] = [stream(end=silence)]
    events.ready()
    asked = subscriptions(stub)[0]

    assert asked.keys() == {"filters"}
    for wanted in ('"die"', '"container"', '"io.runner.instance=i1"'):
        assert wanted in unquote(asked["filters"][0])


def test_an_end_is_told_with_its_code(stub: StubEngine, events: Events, heard: Heard) -> None:
    stub.script["/events"] = [stream(die("a", 7, 1), die("b", 0, 2), end=silence)]
    events.ready()
    wait_for(heard, 2)

    assert heard.deaths == [("a", 7), ("b", 0)]


def test_an_event_in_two_pieces_and_two_in_one_are_read(stub: StubEngine, events: Events, heard: Heard) -> None:
    texts = b'{"Action":"die","Actor":{"ID":"a","Attributes":{"exitCode":"1"}},"timeNano":1}\n'
    stub.script["/events"] = [stream(texts[:30], texts[30:] + texts.replace(b'"a"', b'"b"'), gap=0.02, end=silence)]
    events.ready()
    wait_for(heard, 2)

    assert heard.deaths == [("a", 1), ("b", 1)]


def test_a_broken_stream_is_taken_up_where_it_was_and_asks_for_a_resync(
    stub: StubEngine, events: Events, heard: Heard
) -> None:
    last = die("a", 1, 1_700_000_000_000_000_042)
    stub.script["/events"] = [stream(last, end=cut), stream(last, die("b", 2, 1_700_000_000_000_000_043), end=silence)]
    events.ready()
    wait_for(heard, 2)

    assert heard.deaths == [("a", 1), ("b", 2)]
    assert subscriptions(stub)[1]["since"] == ["1700000000.000000042"]
    assert heard.resyncs == 2


def test_an_engine_that_refuses_is_asked_again(stub: StubEngine, events: Events, heard: Heard) -> None:
    stub.script["/events"] = [refuse(500, "not now"), cut, stream(die("a", 3, 5), end=silence)]
    events.ready()
    wait_for(heard, 1)

    assert heard.deaths == [("a", 3)]


def test_without_an_engine_ready_says_so_in_time() -> None:
    with stub_engine() as stub:
        stub.script["/events"] = [refuse(500, "no events today")]
        events = Events(stub.engine(), INSTANCE, patience=0.3)
        with pytest.raises(EngineUnavailableError, match="no events today"):
            events.ready()
        events.close()


def test_a_signal_is_told_before_the_end_and_other_events_are_not(
    stub: StubEngine, events: Events, heard: Heard
) -> None:
    kill = {"Action": "kill", "Actor": {"ID": "a", "Attributes": {"signal": "15"}}, "timeNano": 5}
    stub.script["/events"] = [stream(kill, kill | {"Action": "stop", "timeNano": 6}, die("a", 143, 7), end=silence)]
    events.ready()
    wait_for(heard, 1)

    assert (heard.signals, heard.deaths) == (["a"], [("a", 143)])
    assert "kill" in stub.requests[-1]


def test_what_cannot_be_read_is_passed_over(stub: StubEngine, events: Events, heard: Heard) -> None:
    stub.script["/events"] = [stream(b"nonsense\n", {"Action": "die"}, die("a", 1, 1), end=silence)]
    events.ready()
    wait_for(heard, 1)

    assert heard.deaths == [("a", 1)]


def test_a_listener_that_fails_does_not_keep_the_others_from_hearing(
    stub: StubEngine, events: Events, heard: Heard
) -> None:
    late = Heard()
    heard.failing = True
    events.add(late)
    stub.script["/events"] = [stream(die("a", 1, 1), end=silence)]
    events.ready()
    wait_for(late, 1)

    assert late.deaths == [("a", 1)]


def test_closing_ends_the_thread_at_once(stub: StubEngine) -> None:
    blocked = threading.Event()

    def hold(handler: Handler) -> None:
        blocked.set()
        silence(handler)

    stub.script["/events"] = [stream(end=hold)]
    events = Events(stub.engine(), INSTANCE)
    events.ready()
    assert blocked.wait(5)
    began = time.monotonic()
    events.close()
    events.close()

    assert time.monotonic() - began < 0.5
    assert not any(thread.name == "runner-events" for thread in threading.enumerate())


def test_closing_before_anything_was_asked_is_fine(stub: StubEngine) -> None:
    Events(stub.engine(), INSTANCE).close()

    assert stub.requests == []
