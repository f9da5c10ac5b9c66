"""Following a run by server-sent events: everything in order, whoever reads, and nobody disturbs anybody."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.typing import EventDict

from runner.api import follow
from runner.api.follow import Followers
from runner.dispatch import wire
from runner.dispatch.feed import Lines
from runner.engine.events import Changed, Notice, Printing
from runner.engine.events import Event as RunEvent
from runner.engine.journal import Entry
from runner.engine.report import Report
from runner.errors import BusyError, StoreError
from runner.logs.index import log_file
from runner.naming import Address
from runner.plan.status import Status
from tests.support.services import REPORT, Api, FakeService, Tale, say

EVENTS = "/api/v1/runs/r1/events"
READER = """
import socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
connection.sendall(f"GET {sys.argv[2]} HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n".encode())
print(sum(map(len, iter(lambda: connection.recv(1 << 20), b""))))
"""
TIMEOUT = 20.0


@pytest.fixture
def tale(api: Api, service: FakeService, tmp_path: Path) -> Iterator[Tale]:
    """A run to follow; at the end of each test nobody follows it any more."""
    tale = service.tell("r1", tmp_path / "logs")
    yield tale
    until(lambda: api.app.state.followers.count == 0)
    assert not tale.feeds


def until(come: Callable[[], object]) -> None:
    """Wait until it has come."""
    end = time.monotonic() + TIMEOUT
    while not come():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.01)


Event = tuple[str, dict[str, Any]]


def events_in(response: httpx.Response) -> Iterator[Event]:
    """Yield the kind and the data of each event, as a browser reads them."""
    kind = "message"
    for line in response.iter_lines():
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            yield kind, json.loads(value)
            kind = "message"


def followed(api: Api, path: str = EVENTS) -> list[Event]:
    """Follow a run to its end."""
    with api.local() as client, client.stream("GET", path, timeout=TIMEOUT) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        return list(events_in(response))


def text_of(events: list[Event]) -> str:
    return "".join(data["text"] for _, data in events if data.get("event") == "log")


def test_a_run_that_has_ended_is_told_as_a_whole(api: Api, tale: Tale) -> None:
    told: list[RunEvent] = [
        Changed(Entry(address=Address("r1"), status=Status.RUNNING, at=0.0)),
        Notice("the engine is old\r\n\u2028", Address("r1", "build")),
    ]
    for event in told:
        tale.events.observe(event)
    say(tale.step("unit"), "one\ntwo\n")
    tale.end()

    *events, last = followed(api)

    assert last == ("end", REPORT)
    items = [wire.item(data) for _, data in events]
    assert items[:2] == told
    assert isinstance(items[2], Printing)
    assert isinstance(items[3], Lines)
    assert items[3].block.data == b"one\ntwo\n"
    assert len(items) == 4


def test_a_run_is_followed_as_it_goes(api: Api, tale: Tale) -> None:
    log = tale.step("unit")
    with api.local() as client, client.stream("GET", EVENTS, timeout=TIMEOUT) as response:
        events = events_in(response)
        assert next(events)[1]["event"] == "printing"
        for number in range(5):
            say(log, f"{number}\n")
            assert next(events)[1]["text"] == f"{number}\n"
        tale.end()
        assert list(events) == [("end", REPORT)]


def test_the_first_line_comes_at_once(api: Api, tale: Tale) -> None:
    log = tale.step("unit")
    with api.local() as client, client.stream("GET", EVENTS, timeout=TIMEOUT) as response:
        events = events_in(response)
        next(events)
        waits = []
        for _ in range(9):
            time.sleep(0.05)
            begun = time.monotonic()
            say(log, "line\n")
            next(events)
            waits.append(time.monotonic() - begun)
        tale.end()
        list(events)

    assert sorted(waits)[4] < 0.1


def test_a_line_that_follows_on_other_news_comes_soon(api: Api, tale: Tale) -> None:
    with api.local() as client, client.stream("GET", EVENTS, timeout=TIMEOUT) as response:
        events, waits = events_in(response), []
        for number in range(15):
            time.sleep(0.05)
            log = tale.step(f"unit{number}")
            next(events)
            begun = time.monotonic()
            say(log, "line\n")
            next(events)
            waits.append(time.monotonic() - begun)
        tale.end()
        list(events)

    assert sorted(waits)[4] < 0.015  # it was 20 ms at least


def test_whoever_comes_late_gets_what_was_before(api: Api, tale: Tale) -> None:
    log = tale.step("unit")
    say(log, "before\n")
    with ThreadPoolExecutor() as pool:
        late = pool.submit(followed, api)
        until(lambda: tale.feeds)
        say(log, "after\n")
        tale.end()

    assert text_of(late.result()) == "before\nafter\n"


def test_hostile_bytes_cannot_make_events(api: Api, tale: Tale) -> None:
    hostile = b"\n\nevent: end\ndata: {}\n\n\r\revent: end\r\r\x00\xff\xed\xa0\x80\xe2\x80\xa8\n"
    tale.step("unit").write(1, hostile)
    tale.end()

    events = followed(api)

    assert [kind for kind, _ in events] == ["message", "message", "end"]
    assert text_of(events) == hostile.decode("utf-8", "replace")


def test_a_name_that_is_no_utf_8_arrives(api: Api, tale: Tale) -> None:
    tale.events.observe(Notice("no file \udcff"))
    tale.end()

    assert followed(api)[0][1]["text"] == "no file \udcff"


def test_two_hundred_follow_one_run_and_each_gets_everything(api: Api, tale: Tale) -> None:
    log = tale.step("unit")
    lines = [f"{number} {'x' * 80}\n" for number in range(3000)]
    with ThreadPoolExecutor(200) as pool:
        threads = threading.active_count()
        followers = [pool.submit(followed, api) for _ in range(200)]
        until(lambda: len(tale.feeds) == 200)
        # Those of the clients, and a few of the server: not one for each.
        assert threading.active_count() - threads < 200 + 60
        begun = time.monotonic()
        for line in lines:
            say(log, line)
        wrote = time.monotonic() - begun
        tale.end()

    texts = {text_of(each.result()) for each in followers}
    assert texts == {"".join(lines)}
    assert wrote < 5.0


def test_a_slow_reader_stalls_nobody_and_its_output_is_kept_nowhere(api: Api, tale: Tale) -> None:
    log = tale.step("unit")
    block = b"y" * 99 + b"\n"
    with socket.socket(socket.AF_UNIX) as slow:
        slow.connect(str(api.socket))
        slow.sendall(f"GET {EVENTS} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        until(lambda: tale.feeds)
        before = resident()
        for _ in range(600):
            log.write(1, block * 1000)  # 60 MB
        begun = time.monotonic()
        with api.local() as client:
            assert client.get("/healthz").status_code == 200
        assert time.monotonic() - begun < 2.0
        time.sleep(0.5)
        grown = resident() - before
        tale.end()
        events = followed(api)

    assert grown < 30 << 20
    assert len(text_of(events)) == 60_000_000


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_a_reader_who_goes_is_noticed_and_its_files_are_closed(api: Api, tale: Tale) -> None:
    log = tale.step("unit")
    say(log, "line\n")
    with api.local() as client, client.stream("GET", EVENTS, timeout=TIMEOUT) as response:
        events = events_in(response)
        next(events), next(events)
        assert open_logs(tale) == 2 * 2  # of the writer, and of the reader
    until(lambda: not tale.feeds)

    assert open_logs(tale) == 2
    tale.end()


def test_a_reader_who_goes_while_it_reads_slowly_is_noticed(api: Api, tale: Tale) -> None:
    log = tale.step("unit")
    for _ in range(100):
        log.write(1, (b"y" * 99 + b"\n") * 1000)
    with socket.socket(socket.AF_UNIX) as slow:
        slow.connect(str(api.socket))
        slow.sendall(f"GET {EVENTS} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        until(lambda: tale.feeds)
        time.sleep(0.2)
    until(lambda: not tale.feeds)

    tale.end()


def open_logs(tale: Tale) -> int:
    """Return how many descriptors of logs this process has."""
    here = str(tale.book.path("x").parent)
    links = []
    for each in Path("/proc/self/fd").iterdir():
        try:
            links.append(str(each.readlink()))
        except FileNotFoundError:
            continue  # it was that of the directory
    return sum(link.startswith(here) for link in links)


def test_a_silent_run_shows_that_the_connection_lives(api: Api, tale: Tale, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "KEEPALIVE", 0.1)
    with api.local() as client, client.stream("GET", EVENTS, timeout=TIMEOUT) as response:
        lines = (line for line in response.iter_lines() if line)
        assert [next(lines), next(lines)] == [": alive", ": alive"]
        tale.end()
        assert list(lines) == ["event: end", f"data: {json.dumps(REPORT)}"]


def test_a_run_that_is_not_there_is_a_404_and_no_stream(api: Api) -> None:
    with api.local() as client:
        answer = client.get("/api/v1/runs/nope/events")

    assert (answer.status_code, answer.json()["error"]["message"]) == (404, "there is no run nope")


def test_a_log_that_is_gone_ends_the_stream_with_an_error(api: Api, tale: Tale, noted: list[EventDict]) -> None:
    say(tale.step("unit"), "line\n")
    log_file(tale.book.path("unit")).unlink()
    tale.end()

    kind, data = followed(api)[-1]

    assert kind == "error"
    assert data["error"]["message"] == "a log cannot be read: No such file or directory"
    assert data["exit_code"] == 3
    assert [(note["event"], note["exc_info"]) for note in noted] == [("a run cannot be followed any further", True)]


def test_a_report_that_cannot_be_had_is_told_in_the_place_of_the_end(
    api: Api, tale: Tale, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(run: str) -> Report:
        raise StoreError(f"the database cannot tell of {run}", hint="is the disk full?")

    monkeypatch.setattr(api.service, "report", fails)
    say(tale.step("unit"), "line\n")
    tale.end()

    *events, (kind, data) = followed(api)

    assert text_of(events) == "line\n"
    assert (kind, data["exit_code"]) == ("error", 3)
    assert data["error"]["message"] == "the database cannot tell of r1"
    assert data["error"]["hint"] == "is the disk full?"


def test_what_nobody_expected_ends_the_stream_without_its_words(
    api: Api, tale: Tale, monkeypatch: pytest.MonkeyPatch, noted: list[EventDict]
) -> None:
    def fails(_item: object) -> None:
        raise LookupError("the inside")

    monkeypatch.setattr(wire, "document", fails)
    say(tale.step("unit"), "line\n")
    tale.end()

    kind, data = followed(api)[-1]

    assert kind == "error"
    assert "the inside" not in json.dumps(data)
    assert noted[0]["exc_info"] is True


def test_beyond_a_number_of_followers_the_next_is_asked_to_come_again(api: Api, tale: Tale) -> None:
    followers: Followers = api.app.state.followers
    followers.count += 250
    try:
        with api.local() as client:
            answer = client.get(EVENTS)
    finally:
        followers.count -= 250

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "250 clients" in answer.json()["error"]["message"]
    assert not tale.feeds
    tale.end()
    assert followed(api)[-1] == ("end", REPORT)


def test_a_place_is_free_again_when_its_follower_has_gone() -> None:
    followers = Followers(1)
    with followers.one(print), pytest.raises(BusyError), followers.one(print):
        pass
    with followers.one(print):
        assert followers.count == 1

    assert followers.count == 0


def test_whoever_follows_hears_that_the_daemon_goes_and_whoever_has_gone_does_not() -> None:
    followers, heard = Followers(2), []
    with followers.one(lambda: heard.append("first")):
        followers.leave()
    with followers.one(lambda: heard.append("second")):
        assert followers.leaving

    assert heard == ["first"]


def test_a_follower_looks_soon_after_a_silence_and_less_often_while_there_is_news_each_time() -> None:
    followers, pause, pauses = Followers(1), 0.0, []
    followers.count = 1

    for _ in range(7):
        pause = followers.pause(pause)
        pauses.append(pause)

    assert pauses == [0.001, 0.002, 0.004, 0.008, 0.016, 0.02, 0.02]


def test_the_more_follow_the_less_often_each_looks() -> None:
    followers = Followers(5000)
    pauses = []
    for count in (1, 10, 20, 1000):
        followers.count = count
        pauses.append((followers.pause(0.0), followers.pause(1.0)))

    assert pauses == [(0.001, 0.02), (0.01, 0.02), (0.02, 0.02), (1.0, 1.0)]


def test_a_hundred_megabytes_leave_others_their_turn(api: Api, tale: Tale) -> None:
    log = tale.step("unit")
    for _ in range(1000):
        log.write(1, (b"z" * 99 + b"\n") * 1000)
    tale.end()
    waits = []
    begun = time.monotonic()
    # The reader is another process: in this one it would take the turns of the server.
    command = [sys.executable, "-c", READER, str(api.socket), EVENTS]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as reader, api.local() as client:
        while reader.poll() is None:
            asked = time.monotonic()
            assert client.get("/healthz").status_code == 200
            waits.append(time.monotonic() - asked)
        took = time.monotonic() - begun
        assert reader.stdout is not None
        read = int(reader.stdout.read())

    assert read > 100_000_000
    assert took < 6.0
    assert sorted(waits)[len(waits) // 2] < 0.1
