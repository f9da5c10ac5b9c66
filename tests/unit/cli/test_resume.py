from collections.abc import Iterator

import pytest

from runner.plan import codec
from runner.plan.status import Status
from runner.store import instances
from runner.store.runs import RunFolder, RunStore
from tests.support.api_stand import END, answer, events, failure, summary
from tests.support.faces import RUN, address, changed
from tests.support.remote import PLAN, STARTED, STORY, Remote, ends, report

RESUME = f"POST /runs/{RUN}/resume"
PAUSED = ends("", Status.PAUSED, at=1.0, reason="stage build: approval")


@pytest.fixture
def resumed(remote: Remote) -> Remote:
    """A daemon with a run that can be resumed."""
    remote.stand.on(RESUME, answer(status=202))
    return remote


def test_a_paused_run_is_asked_to_go_on_and_its_id_printed(resumed: Remote) -> None:
    assert resumed.call("resume", RUN) == 0

    assert resumed.stand.bodies(RESUME) == [None]
    assert (resumed.out, resumed.err) == (f"{RUN}\n", "")


def test_its_id_is_printed_as_json_if_that_is_asked_for(resumed: Remote) -> None:
    assert resumed.call("resume", RUN, "--output", "json") == 0

    assert resumed.document == {"id": RUN}


def test_the_last_run_can_be_resumed_as_such(resumed: Remote) -> None:
    resumed.stand.on("GET /runs", answer({"runs": [codec.encode(summary(RUN))]}))

    assert resumed.call("resume", "last") == 0

    assert resumed.stand.bodies(RESUME) == [None]


def test_it_can_be_followed_from_its_beginning_to_its_end(resumed: Remote) -> None:
    again = changed(address(), Status.RUNNING, at=1.0)
    resumed.stand.has(RUN, events(*STORY[:-1], PAUSED, again, STORY[-1], END), plan=PLAN, report=report())

    assert resumed.call("resume", RUN, "--follow") == 0

    assert f"run {RUN}: paused in 1.0 s: stage build: approval" in resumed.out.splitlines()
    assert resumed.out.splitlines()[-1] == f"run {RUN}: success in 2.5 s"


def test_one_that_is_paused_once_more_is_4_and_says_how_to_go_on(resumed: Remote) -> None:
    resumed.stand.has(RUN, events(*STARTED, PAUSED, END), plan=PLAN, report=report("paused"))

    assert resumed.call("resume", RUN, "-f") == 4

    assert resumed.out.splitlines()[-1] == f"run {RUN} is paused: `runner resume {RUN}` has it go on"


def test_what_is_not_paused_is_not_resumed(remote: Remote) -> None:
    remote.stand.on(RESUME, failure(409, f"run {RUN} is not paused: running", hint=f"`runner show {RUN}` tells"))

    assert remote.call("resume", RUN) == 2

    assert (remote.out, remote.err.splitlines()[0]) == ("", f"runner: run {RUN} is not paused: running")


def test_events_without_following_are_none(remote: Remote) -> None:
    assert remote.call("resume", RUN, "--output", "events") == 2

    assert "--output events goes with --follow" in remote.err
    assert remote.stand.asked == []


@pytest.fixture
def folder(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunFolder]:
    """A run of exec."""
    state = remote.data / "state"
    monkeypatch.setenv("RUNNER_STATE_DIR", str(state))
    with instances.live(state, instances.KIND_EXEC) as instance:
        yield RunStore(state).create(RUN, PLAN, instance)


def test_a_run_of_exec_cannot_be_resumed(remote: Remote, folder: RunFolder) -> None:
    assert remote.call("resume", folder.id) == 2

    assert remote.err == (
        f"runner: run {RUN} is one of exec, which keeps nothing to go on with\n"
        f"        `runner rerun {RUN}` begins anew\n"
    )
    assert remote.stand.asked == []


def test_a_paused_run_of_exec_says_that_it_cannot_be_resumed(remote: Remote, folder: RunFolder) -> None:
    writer = folder.journal.take()
    for told in (STARTED[0], PAUSED):
        writer.append(told.entry)  # type: ignore[union-attr]  # both are changes

    assert remote.call("show", folder.id) == 0

    assert remote.out.splitlines()[:2] == [
        f"run {RUN}: paused: stage build: approval",
        "run by exec, which keeps nothing to go on with: it cannot be resumed, but rerun",
    ]
