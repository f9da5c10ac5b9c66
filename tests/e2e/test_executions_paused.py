"""A run that pauses: exec ends with 4, a daemon keeps it over its own death until somebody resumes or cancels it."""

import json
from collections.abc import Iterator

import httpx
import pytest

from runner.errors import ExitCode
from runner.plan.status import Status
from tests.support.cli import Place, place_in
from tests.support.standing_daemon import Standing, daemon_in, statuses

APPLICATION = """\
pipelines:
  - id: prepare
    steps:
      - id: write
        image: busybox:local
        commands:
          - echo prepare >> ran
          - set_return ready
      - id: ask
        image: busybox:local
        commands:
          - echo ask >> ran
          - pipelinectl pause "approve the release"
      - id: go_on
        image: busybox:local
        environment: {WORD: "!said || !executionForkValue", FOUND: "@write"}
        commands:
          - echo "go_on $WORD $FOUND" >> ran
          - set_return "$WORD"
  - id: release
    steps:
      - id: tell
        image: busybox:local
        environment: {WORDS: "!EACH.pipelineParameters"}
        commands:
          - cat branches/EACH/*/ran
          - echo "$WORDS"
executions:
  - id: EACH
    executionType: fork
    globals: {words: [a, b]}
    forkByValue: "!words"
    pipelineIds: [prepare]
  - id: ALL
    parents: [EACH]
    executionType: join
    pipelineIds: [release]
"""
FILE = "pipeline.yml"
WAITS = {"EACH[0]": "paused", "EACH[1]": "paused", "ALL": "not_run"}
BRANCH = ["prepare", "ask"]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    with place_in(tmp_path_factory.mktemp("paused")) as place:
        place.write(APPLICATION, FILE)
        with daemon_in(place) as found:
            yield found


def test_exec_ends_with_4_says_who_paused_and_leaves_nothing(place: Place) -> None:
    place.write(APPLICATION, FILE)
    finished = place.exec("--output", "json", FILE)
    shown = place.run("show", finished.document["run"]["id"])

    assert finished.code == 4, finished.err
    assert finished.document["run"]["status"] == "paused"
    assert "approve the release" in finished.document["run"]["reason"]
    assert {name: stage["status"] for name, stage in finished.stages.items()} == WAITS
    assert "until the run is resumed" in finished.stages["ALL"]["reason"]
    assert finished.printed("ALL/release/tell") == []
    assert "cannot be resumed" in shown.out
    assert place.objects() == []


def test_a_pause_outlives_kill_9_and_every_step_runs_once(daemon: Standing) -> None:
    submitted = daemon.run("submit", "--follow", FILE)
    run = daemon.client.runs(limit=1)[0].id
    daemon.kill()
    daemon.start()
    shown = daemon.run("show", run)
    paused = daemon.document(run).document
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(daemon.data / "runner.sock"))) as api:
        strange = api.post("http://localhost/api/v1/runs/00000000/resume")
        resumed = daemon.run("resume", "--follow", run)
        late = api.post(f"http://localhost/api/v1/runs/{run}/resume")

    assert submitted.code == ExitCode.PAUSED, submitted.err
    assert paused["run"]["status"] == "paused"
    assert statuses(paused) == WAITS
    assert "approve the release" in shown.out
    assert f"runner resume {run}" in shown.out
    assert resumed.code == ExitCode.SUCCESS, resumed.err
    assert (strange.status_code, late.status_code) == (404, 409)
    assert "not paused: success" in late.json()["error"]["message"]
    assert statuses(daemon.client.report(run)) == dict.fromkeys(WAITS, "success")
    told = resumed.printed("ALL/release/tell")
    assert told[:6] == [*BRANCH, "go_on a ready", *BRANCH, "go_on b ready"]
    assert [slot["prepare"]["go_on"]["primaryReturn"] for slot in json.loads(told[6])] == ["a", "b"]
    assert daemon.held(run) == []


def test_a_paused_run_that_is_cancelled_leaves_nothing_on_the_engine(daemon: Standing) -> None:
    run = daemon.submit(FILE)
    daemon.reaches(run, Status.PAUSED)
    kept = daemon.held(run)

    cancelled = daemon.run("cancel", run)
    daemon.reaches(run, Status.CANCELLED)
    again = daemon.run("resume", run)

    assert any(name.startswith("volume") for name in kept)
    assert cancelled.code == ExitCode.SUCCESS, cancelled.err
    assert daemon.held(run) == []
    assert again.code == ExitCode.INVALID
    assert "not paused" in again.err
