"""What the engine says of a pull, added up."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from runner.backends.docker.progress import Message, PullState, Throttle, printable
from runner.engine.backend import PullProgress
from runner.errors import InfrastructureError


@dataclass
class HandClock:
    time: float = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return self.time


def layer(name: str, status: str, current: int = 0, total: int = 0) -> Message:
    return Message(status=status, layer=name, current=current, total=total)


def test_a_message_is_read_from_the_engines_json() -> None:
    raw = {"status": "Downloading", "progressDetail": {"current": 5, "total": 9}, "progress": "[=> ]", "id": "aa"}

    assert Message.read(raw) == Message(status="Downloading", layer="aa", current=5, total=9)


@pytest.mark.parametrize(
    "raw",
    [
        {"errorDetail": {"code": 401, "message": "no such manifest"}, "error": "no such manifest"},
        {"errorDetail": {"message": "no such manifest"}},
        {"error": "no such manifest"},
        {"error": "no such manifest", "errorDetail": None},
    ],
)
def test_an_error_in_the_stream_is_seen_in_each_of_its_forms(raw: object) -> None:
    assert Message.read(raw).error == "no such manifest"


@pytest.mark.parametrize("detail", [None, {}, {"current": None}, "soon", {"current": "5"}])
def test_a_message_without_usable_numbers_counts_nothing(detail: object) -> None:
    message = Message.read({"status": "Downloading", "id": "aa", "progressDetail": detail})

    assert (message.current, message.total) == (0, 0)


@pytest.mark.parametrize("raw", [[], "text", 5, None])
def test_what_is_no_message_is_an_error_that_shows_it(raw: object) -> None:
    with pytest.raises(InfrastructureError, match="which is no message"):
        Message.read(raw)


def test_bytes_are_added_up_over_the_layers_whose_size_is_known() -> None:
    state = PullState("app")
    for message in (
        layer("a", "Pulling fs layer"),
        layer("b", "Pulling fs layer"),
        layer("a", "Downloading", 10, 100),
        layer("b", "Downloading", 5, 50),
        layer("a", "Downloading", 60, 100),
    ):
        state.take(message)

    assert state.progress == PullProgress(image="app", text="Downloading", current=65, total=150)


@pytest.mark.parametrize("status", ["Verifying Checksum", "Download complete", "Extracting", "Pull complete"])
def test_a_layer_that_has_arrived_counts_in_full(status: str) -> None:
    state = PullState("app")
    state.take(layer("a", "Downloading", 10, 100))
    state.take(layer("a", status, 3, 100))

    assert (state.progress.current, state.progress.total) == (100, 100)


def test_progress_never_goes_back_when_a_download_begins_again() -> None:
    state = PullState("app")
    state.take(layer("a", "Downloading", 60, 100))
    state.take(layer("a", "Downloading", 1, 100))

    assert state.progress.current == 60


@pytest.mark.parametrize(
    ("statuses", "text"),
    [
        (["Downloading", "Extracting"], "Downloading"),
        (["Pull complete", "Extracting"], "Extracting"),
        (["Pull complete", "Already exists"], "Already exists"),
        (["Downloading", "Retrying in 5 seconds"], "Retrying in 5 seconds"),
        (["Pull complete", "Status: Downloaded newer image for x"], "Downloaded newer image for x"),
        ([], "asking the registry"),
    ],
)
def test_the_text_is_what_tells_most(statuses: list[str], text: str) -> None:
    state = PullState("app")
    for number, status in enumerate(statuses):
        state.take(layer(str(number), status))

    assert state.progress.text == text


def test_the_first_line_with_the_tag_is_no_layer() -> None:
    state = PullState("app")
    state.take(Message(status="Pulling from library/app", layer="latest", total=7))

    assert state.progress.total == 0


def test_news_are_phases_and_bytes_that_were_not_there_before() -> None:
    state = PullState("app")
    messages = [
        layer("a", "Pulling fs layer"),
        layer("a", "Downloading", 10, 100),
        layer("a", "Downloading", 10, 100),
        layer("a", "Retrying in 2 seconds"),
        layer("a", "Retrying in 1 seconds"),
        layer("a", "Downloading", 5, 100),
        layer("a", "Downloading", 11, 100),
        layer("a", "Download complete"),
    ]

    assert [state.take(message) for message in messages] == [True, True, False, False, False, False, True, True]


def test_bytes_are_reported_at_most_ten_times_a_second() -> None:
    clock, seen = HandClock(), list[int]()
    throttle = Throttle(lambda progress: seen.append(progress.current), clock)

    for hundredth in range(100):
        clock.time = hundredth / 100
        throttle(PullProgress(image="app", text="Downloading", current=hundredth))

    assert 9 <= len(seen) <= 10
    assert seen[0] == 0


def test_a_new_text_is_reported_at_once_since_silence_may_follow() -> None:
    clock, seen = HandClock(), list[str]()
    throttle = Throttle(lambda progress: seen.append(progress.text), clock)

    for text in ("Waiting", "Waiting", "Downloading", "Downloading", "Retrying in 5 seconds"):
        throttle(PullProgress(image="app", text=text))

    assert seen == ["Waiting", "Downloading", "Retrying in 5 seconds"]


def test_a_report_that_must_be_seen_is_not_dropped() -> None:
    clock, seen = HandClock(), list[int]()
    throttle = Throttle(lambda progress: seen.append(progress.current), clock)

    throttle(PullProgress(image="app", text="Downloading", current=1))
    throttle(PullProgress(image="app", text="Downloading", current=2))
    throttle(PullProgress(image="app", text="Downloading", current=3), at_once=True)

    assert seen == [1, 3]


def test_control_characters_of_a_registry_do_not_reach_a_terminal() -> None:
    assert printable("denied\x1b]0;pwned\x07\r\n  really\x00") == "denied ]0;pwned really"


def test_a_registry_cannot_flood_a_message() -> None:
    assert len(printable("x" * 1_000_000)) == 1001
