"""Pulling: failures told apart, limits kept, tries counted."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from runner.backends.docker.pulls import ATTEMPTS, Cause, Puller, classify
from runner.backends.docker.references import Reference
from runner.engine.backend import PullProgress
from runner.errors import EngineUnavailableError, ImageError, InfrastructureError
from tests.support.stub_engine import Behaviour, StubEngine, cut, refuse, silence, stream, stub_engine

APP = Reference.parse("example.org/team/app:1")
CREATE = "/images/create"

DONE = {"status": "Status: Downloaded newer image for example.org/team/app:1"}
PART = {"status": "Downloading", "id": "aa", "progressDetail": {"current": 10, "total": 100}}


def fails(words: str) -> dict[str, object]:
    return {"errorDetail": {"message": words}, "error": words}


@pytest.fixture(autouse=True)
def no_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


@pytest.fixture
def stub() -> Iterator[StubEngine]:
    with stub_engine() as engine:
        yield engine


@dataclass
class Trial:
    """A pull against a scripted engine; pauses are noted and not made."""

    stub: StubEngine
    total: float | None = 10.0
    stall: float | None = 10.0
    seen: list[PullProgress] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def pull(self, *script: Behaviour) -> None:
        self.stub.script[CREATE] = list(script)
        puller = Puller(engine=self.stub.engine(), total=self.total, stall=self.stall, pause=self.pauses.append)
        puller.pull(APP, self.seen.append)

    def failure(self, *script: Behaviour) -> ImageError:
        with pytest.raises(ImageError) as caught:
            self.pull(*script)
        return caught.value


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("manifest for app:1 not found: manifest unknown: manifest unknown", Cause.NOT_FOUND),
        ("name unknown: repository name not known to registry", Cause.NOT_FOUND),
        ("no matching manifest for linux/amd64 in the manifest list entries", Cause.NOT_FOUND),
        ("unknown blob", Cause.NOT_FOUND),
        ("pull access denied for app, repository does not exist or may require 'docker login'", Cause.ACCESS),
        ('Head "http://127.0.0.1/v2/x/manifests/latest": no basic auth credentials', Cause.ACCESS),
        ("unauthorized: authentication required", Cause.ACCESS),
        ("error parsing HTTP 403 response body: 403 Forbidden", Cause.ACCESS),
        ("toomanyrequests: You have reached your pull rate limit", Cause.RATE),
        ("received unexpected HTTP status: 429 Too Many Requests", Cause.RATE),
        ("write /var/lib/docker/tmp/GetImageBlob1: no space left on device", Cause.DISK),
        ('Get "https://h/v2/": dial tcp: lookup h on 10.0.0.1:53: no such host', Cause.NETWORK),
        ("dial tcp 127.0.0.1:1: connect: connection refused", Cause.NETWORK),
        ("net/http: TLS handshake timeout", Cause.NETWORK),
        ("x509: certificate signed by unknown authority", Cause.NETWORK),
        ("received unexpected HTTP status: 503 Service Unavailable", Cause.NETWORK),
        ("EOF", Cause.NETWORK),
        ("filesystem layer verification failed for digest sha256:aa", Cause.NETWORK),
    ],
)
def test_causes_are_told_from_the_words_of_engines_and_registries(words: str, cause: Cause) -> None:
    assert classify(words, APP) is cause


@pytest.mark.parametrize("name", ["denied", "timeout", "team/toomanyrequests", "example.org/forbidden", "app:denied"])
def test_the_name_of_an_image_is_no_sign(name: str) -> None:
    words = f"manifest for {name} not found: manifest unknown"

    assert classify(words, Reference.parse(name)) is Cause.NOT_FOUND


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (400, Cause.REFUSED),
        (401, Cause.ACCESS),
        (403, Cause.ACCESS),
        (404, Cause.NOT_FOUND),
        (429, Cause.RATE),
        (500, Cause.NETWORK),
    ],
)
def test_words_that_say_nothing_leave_the_status(status: int, cause: Cause) -> None:
    assert classify("it went wrong", APP, status) is cause


def test_a_pull_asks_for_name_and_tag_and_reports_to_the_end(stub: StubEngine) -> None:
    trial = Trial(stub)

    trial.pull(stream({"status": "Pulling from team/app", "id": "1"}, PART, DONE))

    assert stub.requests[-1] == "POST /images/create?fromImage=example.org%2Fteam%2Fapp&tag=1"
    assert "X-Registry-Auth" not in stub.headers[-1]
    assert trial.seen[-1].text == "Downloaded newer image for example.org/team/app:1"
    assert (trial.seen[-1].current, trial.seen[-1].total) == (10, 100)


def test_messages_split_or_joined_in_transit_are_read(stub: StubEngine) -> None:
    trial = Trial(stub)

    trial.pull(
        stream(b'{"status":"Downl', b'oading","id":"a","progressDetail":{"current":1,"total":2}}{"status":"x"}\n')
    )

    assert trial.seen[-1].total == 2


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("manifest unknown", "docker pull example.org/team/app:1"),
        ("unauthorized: authentication required", "docker login example.org"),
    ],
)
@pytest.mark.parametrize("form", ["answer", "stream"])
def test_what_a_registry_refuses_is_not_asked_again(stub: StubEngine, form: str, words: str, advice: str) -> None:
    trial = Trial(stub)

    failure = trial.failure(refuse(500, words) if form == "answer" else stream(PART, fails(words)))

    assert failure.message == f"image example.org/team/app:1: {words}"
    assert advice in failure.hint
    assert (stub.pulls(), trial.pauses) == (1, [])


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("toomanyrequests: slow down", "docker login example.org"),
        ("no space left on device", "docker system df"),
        ("dial tcp: connection refused", "is example.org reachable"),
    ],
)
@pytest.mark.parametrize("form", ["answer", "stream"])
def test_what_may_pass_is_tried_three_times(stub: StubEngine, form: str, words: str, advice: str) -> None:
    trial = Trial(stub)

    failure = trial.failure(refuse(500, words) if form == "answer" else stream(PART, fails(words)))

    assert failure.message == f"image example.org/team/app:1: {words} (3 attempts)"
    assert advice in failure.hint
    assert stub.pulls() == ATTEMPTS == 3
    assert 0.5 <= trial.pauses[0] <= 1.5
    assert 1.5 <= trial.pauses[1] <= 4.5


def test_pauses_differ_so_that_many_runners_do_not_come_back_together(stub: StubEngine) -> None:
    trial = Trial(stub)
    for _ in range(3):
        trial.failure(refuse(500, "dial tcp"))

    assert len(set(trial.pauses)) == 6


def test_an_attempt_that_works_ends_the_trouble(stub: StubEngine) -> None:
    trial = Trial(stub)

    trial.pull(refuse(500, "dial tcp: connection refused"), stream(fails("unexpected EOF")), stream(PART, DONE))

    assert stub.pulls() == 3
    assert "network: attempt 2 of 3 follows" in [each.text for each in trial.seen]


def test_a_refusal_of_the_request_itself_is_not_asked_again(stub: StubEngine) -> None:
    failure = Trial(stub).failure(refuse(400, "invalid platform"))

    assert "invalid platform" in failure.message
    assert stub.pulls() == 1


@pytest.mark.parametrize("script", [silence, stream(end=silence), stream(PART, end=silence)])
def test_an_engine_that_sends_nothing_meets_the_no_progress_limit(stub: StubEngine, script: Behaviour) -> None:
    begun = time.monotonic()

    failure = Trial(stub, stall=0.4).failure(script)

    assert 0.4 <= time.monotonic() - begun < 1.5
    assert failure.message == "image example.org/team/app:1: no progress for 0.4 s"
    assert "RUNNER_PULL_STALL" in failure.hint
    assert stub.hung_up.wait(2), "the engine would go on with the download"
    assert stub.pulls() == 1


def test_an_engine_that_only_talks_meets_the_no_progress_limit(stub: StubEngine) -> None:
    talk = [{"status": f"Retrying in {9 - number % 9} seconds", "id": "aa"} for number in range(40)]
    begun = time.monotonic()

    failure = Trial(stub, stall=0.5).failure(stream(PART, *talk, gap=0.1))

    assert time.monotonic() - begun < 1.5
    assert "no progress for 0.5 s" in failure.message
    assert stub.hung_up.wait(2), "the engine would go on with the download"


def test_a_slow_download_that_moves_is_not_cut(stub: StubEngine) -> None:
    slow = [{**PART, "progressDetail": {"current": number, "total": 12}} for number in range(12)]
    trial = Trial(stub, stall=0.5)

    trial.pull(stream(*slow, gap=0.1))

    assert trial.seen[-1].current == 11


@pytest.mark.parametrize("end", [silence, None])
def test_the_total_limit_holds_for_a_download_that_moves(stub: StubEngine, end: Behaviour | None) -> None:
    slow = [{**PART, "progressDetail": {"current": number, "total": 99}} for number in range(12 if end else 40)]
    begun = time.monotonic()

    failure = Trial(stub, total=1.5, stall=5.0).failure(stream(*slow, gap=0.1, end=end))

    assert 1.5 <= time.monotonic() - begun < 2.4
    assert failure.message == "image example.org/team/app:1: it did not arrive within 1.5 s"
    assert "RUNNER_PULL_TIMEOUT" in failure.hint


def test_the_total_limit_holds_over_all_attempts(stub: StubEngine) -> None:
    trial = Trial(stub, total=0.2)

    failure = trial.failure(refuse(500, "dial tcp: connection refused"))

    assert "connection refused" in failure.message
    assert trial.pauses == []


def test_limits_may_be_off(stub: StubEngine) -> None:
    trial = Trial(stub, total=None, stall=None)

    trial.pull(stream(PART, DONE, gap=0.1))

    assert trial.seen


def test_an_engine_that_dies_in_the_middle_is_the_engines_error(stub: StubEngine) -> None:
    with pytest.raises(EngineUnavailableError, match=r"^pulling example\.org/team/app:1: "):
        Trial(stub).pull(stream(PART, end=cut))


def test_an_answer_that_is_no_json_is_our_error(stub: StubEngine) -> None:
    with pytest.raises(InfrastructureError, match="pulling"):
        Trial(stub).pull(stream(b"<html>"))


def test_credentials_are_sent_and_hidden_in_what_comes_back(stub: StubEngine, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"auths": {"example.org": {"auth": "bWU6aHVudGVyMg=="}}}')

    failure = Trial(stub).failure(refuse(500, "unauthorized: Basic bWU6aHVudGVyMg== (me, hunter2) is wrong"))

    assert stub.headers[-1]["X-Registry-Auth"]
    assert failure.message.endswith("unauthorized: Basic *** (me, ***) is wrong")
    assert "what Docker's config has for it was refused" in failure.hint
    assert failure.__suppress_context__


def test_a_broken_credential_helper_is_told_where_the_registry_refuses(stub: StubEngine, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"credsStore": "nowhere"}')

    failure = Trial(stub).failure(refuse(500, "no basic auth credentials"))

    assert "docker-credential-nowhere" in failure.hint


def test_the_hub_needs_no_host_to_log_in(stub: StubEngine) -> None:
    stub.script[CREATE] = [refuse(404, "pull access denied for x, repository does not exist")]
    puller = Puller(engine=stub.engine(), total=5, stall=5)

    with pytest.raises(ImageError) as caught:
        puller.pull(Reference.parse("x"), lambda _: None)

    assert "`docker login`" in caught.value.hint
