import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner.dispatch.requests import Facts, Submission
from runner.engine.events import Notice
from runner.errors import Finding, Place
from runner.plan import codec
from runner.plan.adjust import Choice, Replacement
from runner.plan.status import Status
from tests.support.api_stand import END, events, failure, listening, submitted
from tests.support.faces import RUN
from tests.support.remote import PLAN, STORY, Remote, ends, report
from tests.support.repositories import Repository

PIPELINE = """\
version: "1"
secrets: [{name: token}]
steps: [{name: one, image: i, commands: [ls], secrets: [token]}]
"""
SUBMIT = "POST /runs"
CANCEL = f"POST /runs/{RUN}/cancel"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """Return the repository that the test stands in, with a pipeline that needs a secret."""
    made = Repository(tmp_path / "shop")
    made.write(".vela.yml", PIPELINE)
    made.git("add", ".vela.yml")
    made.git("commit", "--quiet", "--message", "Sell more")
    monkeypatch.chdir(made.root)
    monkeypatch.setenv("TOKEN", "hunter2")
    monkeypatch.setenv("RUNNER_STATE_DIR", str(tmp_path / "state"))
    return made


def _asked(remote: Remote) -> Submission:
    """Return what the daemon was asked for."""
    return codec.decode(Submission, remote.stand.bodies(SUBMIT)[-1])


def _accepts(remote: Remote, run: str = RUN, *notes: str) -> None:
    remote.stand.on(SUBMIT, submitted(run, ".vela.yml: event push", *notes))


def test_the_id_alone_is_on_stdout(remote: Remote, repository: Repository) -> None:
    _accepts(remote, RUN, "stage a needs b, which is not there")

    assert remote.call("submit") == 0

    assert remote.out == f"{RUN}\n"
    assert remote.err == ".vela.yml: event push\nstage a needs b, which is not there\n"


def test_json_is_the_id(remote: Remote, repository: Repository) -> None:
    _accepts(remote)

    assert remote.call("submit", "--output", "json") == 0

    assert remote.document == {"id": RUN}


def test_quiet_is_the_id_and_nothing_else(remote: Remote, repository: Repository) -> None:
    _accepts(remote, RUN, "odd")

    assert remote.call("submit", "--quiet") == 0

    assert (remote.out, remote.err) == (f"{RUN}\n", "")


def test_events_are_for_whoever_follows(remote: Remote, repository: Repository) -> None:
    assert remote.call("submit", "--output", "events") == 2

    assert "--output events goes with --follow" in remote.err
    assert remote.stand.asked == []


def test_a_file_is_sent_with_what_is_known_of_it_here(remote: Remote, repository: Repository) -> None:
    _accepts(remote)

    assert remote.call("submit", "--branch", "release", "--env", "A=1", "--param", "B=2") == 0

    inline = _asked(remote).inline
    assert inline is not None
    assert (inline.text, inline.file, inline.repository) == (PIPELINE, ".vela.yml", None)
    assert inline.directory == str(repository.root.resolve())
    assert inline.trigger.commit.sha == repository.git("rev-parse", "HEAD")
    assert inline.trigger.facts.branch == "release"
    assert (inline.trigger.environment, inline.trigger.parameters) == ({"A": "1"}, {"B": "2"})
    assert _asked(remote).pipeline == ""


def test_a_file_is_named_by_its_path_in_the_repository(
    remote: Remote, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    _accepts(remote)
    repository.write("ci/other.yml", PIPELINE)
    monkeypatch.chdir(repository.root / "ci")

    assert remote.call("submit", "other.yml") == 0

    inline = _asked(remote).inline
    assert inline is not None
    assert (inline.file, inline.directory) == ("ci/other.yml", str(repository.root.resolve()))


def test_what_is_wanted_of_the_run_is_sent(remote: Remote, repository: Repository) -> None:
    _accepts(remote)
    wish = ("--step", "one", "--image", "i=j", "--pull", "never", "--strict", "--pipeline-type", "cd")
    place = ("--queue", "deploy", "--priority", "-3", "--max-parallel", "2", "--property", "env=prod")

    assert remote.call("submit", *wish, *place) == 0

    asked = _asked(remote)
    images = (Replacement(pattern="i", image="j"),)
    assert asked.choice == Choice(steps=("one",), images=images, pull=asked.choice.pull)
    assert (asked.strict, asked.kind, asked.queue, asked.priority) == (True, "cd", "deploy", -3)
    assert (asked.max_parallel, asked.properties) == (2, {"env": "prod"})


def test_the_payload_of_a_webhook_is_sent(remote: Remote, repository: Repository, tmp_path: Path) -> None:
    _accepts(remote)
    payload = json.dumps({"ref": "refs/heads/topic", "head_commit": {"id": "a" * 40}, "commits": []})
    (tmp_path / "payload.json").write_text(payload)

    assert remote.call("submit", "--event-file", tmp_path / "payload.json") == 0
    inline = _asked(remote).inline
    assert remote.call("submit", "shop", "--event-file", tmp_path / "payload.json") == 0

    assert inline is not None
    assert (inline.payload, inline.trigger.facts.branch) == (payload, "topic")
    assert _asked(remote).facts.payload == payload


def test_declared_secrets_are_taken_from_here_and_sent(remote: Remote, repository: Repository, tmp_path: Path) -> None:
    _accepts(remote)
    (tmp_path / "key").write_text("k\n")

    assert remote.call("submit", "--secret", f"key=@{tmp_path}/key") == 0

    assert _asked(remote).secrets == {"token": "hunter2", "key": "k"}
    assert "hunter2" not in remote.out + remote.err


def test_a_declared_secret_without_a_value_is_told_before_anything_is_sent(
    remote: Remote, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOKEN")

    assert remote.call("submit") == 2

    assert "no value for the secret token" in remote.err
    assert remote.stand.asked == []


def test_an_invalid_file_is_told_as_exec_tells_it(remote: Remote, repository: Repository) -> None:
    repository.write(".vela.yml", "version: '1'\nsteps: 7\n")

    assert remote.call("submit") == 2

    assert remote.err.startswith(".vela.yml:2:")
    assert remote.stand.asked == []


def test_a_file_that_is_no_text_is_refused(remote: Remote, repository: Repository) -> None:
    (repository.root / "p.yml").write_bytes('version: "1"\n'.encode("utf-16"))

    assert remote.call("submit", "p.yml") == 2

    assert remote.stand.asked == []


@pytest.mark.parametrize("name", ["nix.yml", "nix.yaml", "ci/nix.json"])
def test_a_file_that_is_not_there_is_not_taken_for_a_name(remote: Remote, repository: Repository, name: str) -> None:
    assert remote.call("submit", name) == 2

    assert remote.err == f"runner: {name}: No such file or directory\n"


def test_anything_else_is_the_name_of_a_registered_pipeline(remote: Remote, repository: Repository) -> None:
    _accepts(remote)
    facts = ("--event", "deploy", "--commit", "abc", "--target", "prod", "--env", "A=1", "--changed", "x")

    assert remote.call("submit", "team/shop", *facts) == 0

    asked = _asked(remote)
    assert (asked.pipeline, asked.inline, asked.secrets) == ("team/shop", None, {})
    assert asked.facts == Facts(event="deploy", commit="abc", target="prod", environment={"A": "1"}, changed=("x",))


def test_secrets_of_a_registered_pipeline_are_the_daemons_but_can_be_given(
    remote: Remote, repository: Repository
) -> None:
    _accepts(remote)

    assert remote.call("submit", "shop", "--secret", "TOKEN") == 0

    assert _asked(remote).secrets == {"TOKEN": "hunter2"}


def test_a_repository_elsewhere_is_fetched_and_named_with_its_commit(
    remote: Remote, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _accepts(remote)
    monkeypatch.setenv("RUNNER_GIT_PROTOCOLS", "file")
    monkeypatch.chdir(tmp_path)
    url = repository.root.as_uri()

    assert remote.call("submit", "--repo-url", url, "--branch", "main") == 0

    inline = _asked(remote).inline
    assert inline is not None
    assert inline.repository is not None
    assert (inline.repository.url, inline.repository.commit) == (url, repository.git("rev-parse", "HEAD"))
    assert (inline.directory, inline.file, inline.text) == ("", ".vela.yml", PIPELINE)
    assert remote.out == f"{RUN}\n"


@pytest.mark.parametrize(
    ("options", "trouble"),
    [
        (("--commit", "abc"), "--commit goes with --repo-url, or a registered pipeline"),
        (("--submodules",), "--submodules goes with --repo-url only"),
        (("shop", "--submodules"), "--submodules goes with --repo-url only"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    remote: Remote, repository: Repository, options: tuple[str, ...], trouble: str
) -> None:
    assert remote.call("submit", *options) == 2

    assert trouble in remote.err


def test_a_daemon_elsewhere_is_sent_no_directory(
    remote: Remote, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening() as (stand, url):
        monkeypatch.setenv("RUNNER_URL", url)
        monkeypatch.setenv("RUNNER_TOKEN", "t")
        stand.on(SUBMIT, submitted(RUN))

        assert remote.call("submit") == 2
        assert f"the daemon at {url} does not see the files of this machine" in remote.err
        assert remote.call("submit", "shop") == 0


def test_the_defaults_of_the_repository_are_those_of_its_file_only(remote: Remote, repository: Repository) -> None:
    _accepts(remote)
    repository.write(".runner.toml", "[exec]\nmax-parallel = 2\nkeep = true\n")

    assert remote.call("submit") == 0
    assert _asked(remote).max_parallel == 2
    assert remote.call("submit", "shop") == 0
    assert _asked(remote).max_parallel is None


@pytest.mark.parametrize(("status", "code", "exit_code"), [(409, 2, 2), (503, 3, 3), (400, 2, 2)])
def test_what_the_daemon_says_instead_has_its_exit_code(
    remote: Remote, repository: Repository, status: int, code: int, exit_code: int
) -> None:
    remote.stand.on(SUBMIT, failure(status, "no", hint="later", code=code))

    assert remote.call("submit", "shop") == exit_code

    assert (remote.out, remote.err) == ("", "runner: no\n        later\n")


def test_what_is_wrong_in_a_registered_pipeline_is_told_line_by_line(remote: Remote) -> None:
    finding = codec.encode(Finding(place=Place(file="ci.yml", line=3), message="no image"))
    remote.stand.on(SUBMIT, failure(422, "x", findings=(finding,)))

    assert remote.call("submit", "shop") == 2

    assert remote.err == "ci.yml:3:1: no image\n"


@pytest.mark.parametrize("follow", [(), ("--follow",)])
def test_when_there_is_nothing_to_run_it_is_said_why(remote: Remote, follow: tuple[str, ...]) -> None:
    _accepts(remote, "", "steps/one: branch is main", "nothing to run")

    assert remote.call("submit", "shop", *follow) == 0

    assert "steps/one: branch is main\nnothing to run\n" in remote.out + remote.err
    assert remote.out == "" or follow


def test_when_there_is_nothing_to_run_json_says_so(remote: Remote) -> None:
    _accepts(remote, "")

    assert remote.call("submit", "shop", "--output", "json") == 0
    assert remote.document == {"id": ""}
    assert remote.call("submit", "shop", "--output", "json", "--follow") == 0
    assert remote.document["run"]["status"] == "skipped"


def _signal(number: int) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def _follows(remote: Remote, *told: Any, status: str = "success") -> None:  # noqa: ANN401 - items and what is between
    _accepts(remote)
    remote.stand.has(RUN, events(*told), plan=PLAN, report=report(status))


def test_whoever_follows_sees_what_exec_shows(remote: Remote) -> None:
    _follows(remote, *STORY, END)

    assert remote.call("submit", "shop", "--follow") == 0

    lines = remote.out.splitlines()
    assert lines[:3] == [".vela.yml: event push", f"run {RUN}", "build/one: running"]
    assert lines[-1] == f"run {RUN}: success in 2.5 s"
    assert remote.err == ""


def test_whoever_follows_in_json_gets_the_report(remote: Remote) -> None:
    _follows(remote, *STORY[:-1], ends("", Status.FAILURE), END, status="failure")

    assert remote.call("submit", "shop", "-f", "--output", "json") == 1

    assert remote.document == report("failure")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_cancels_the_run_politely_and_shows_its_end(remote: Remote, number: int, code: int) -> None:
    end = ends("", Status.CANCELLED, reason="cancelled")
    _follows(remote, *STORY[:5], _signal(number), lambda: remote.stand.until(CANCEL), end, END, status="cancelled")

    assert remote.call("submit", "shop", "-f") == code

    assert remote.stand.bodies(CANCEL) == [{"force": False, "children": False}]
    assert f"run {RUN}: cancelled in 2.0 s: cancelled\n" in remote.out
    assert remote.err == "ending the run; once more kills it\n"


def test_a_second_signal_kills(remote: Remote) -> None:
    once, twice = _signal(signal.SIGINT), _signal(signal.SIGINT)
    first, second = (lambda: remote.stand.until(CANCEL, 1)), (lambda: remote.stand.until(CANCEL, 2))
    _follows(remote, *STORY[:5], once, first, twice, second, ends("", Status.CANCELLED), END, status="cancelled")

    assert remote.call("submit", "shop", "-f") == 130

    assert remote.stand.bodies(CANCEL) == [
        {"force": False, "children": False},
        {"force": True, "children": False},
    ]


def test_a_hang_up_leaves_the_run_alone(remote: Remote) -> None:
    hold = threading.Event()
    _follows(remote, *STORY[:5], _signal(signal.SIGHUP), lambda: hold.wait(30), END)

    assert remote.call("submit", "shop", "-f") == 143
    hold.set()

    assert remote.stand.bodies(CANCEL) == []
    assert f"run {RUN} may go on: `runner show {RUN}` tells" in remote.out


def test_two_signals_end_it_also_when_there_is_no_daemon_to_hear_them(remote: Remote) -> None:
    _follows(remote, *STORY[:5], (remote.data / "runner.sock").unlink)
    for seconds in (0.3, 0.6):
        threading.Timer(seconds, _signal(signal.SIGINT)).start()

    assert remote.call("submit", "shop", "-f") == 130

    assert f"run {RUN} may go on" in remote.out


def test_notices_of_the_run_are_shown(remote: Remote) -> None:
    _follows(remote, *STORY[:5], Notice("something is odd"), *STORY[5:], END)

    assert remote.call("submit", "shop", "-f") == 0

    assert "note: something is odd\n" in remote.out
