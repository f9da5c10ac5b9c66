"""What a run is told and given reaches its steps, and what it leaves is where it says."""

import json
import re
from pathlib import Path

from runner.errors import ExitCode
from tests.support.cli import Place

PIPELINE = """\
version: "1"
secrets: [{name: token}]
steps:
  - name: tells
    image: busybox:local
    secrets: [token]
    ruleset: {event: deployment, target: production}
    environment: {A: file, B: file, C: file}
    artifacts: {paths: ["*.txt"]}
    commands:
      - echo "$A $B $C $DEPLOYMENT_PARAMETER_CLUSTER $VELA_BUILD_COMMIT"
      - echo "token is $TOKEN"
      - echo kept > kept.txt
"""
SHA = "a" * 40


def test_a_webhook_and_all_kinds_of_inputs_reach_a_step(place: Place) -> None:
    place.write(PIPELINE)
    repository = {"full_name": "octocat/shop", "default_branch": "main"}
    deployment = {
        "ref": "main",
        "sha": SHA,
        "environment": "staging",
        "payload": {"cluster": "west", "unused": 1},
    }
    event = place.repo.parent / "event.json"
    event.write_text(json.dumps({"deployment": deployment, "repository": repository, "sender": {"login": "mona"}}))
    (place.repo.parent / "env").write_text("A=listed\nB=listed\n")
    (place.repo.parent / "secrets").write_text("TOKEN='hunter2 hunter2'\n")
    finished = place.exec(
        *("--event-file", "../event.json", "--target", "production", "--param", "cluster=east"),
        *("--env-file", "../env", "--env", "A=given", "--secret-file", "../secrets", "--timestamps"),
    )

    assert finished.code == ExitCode.SUCCESS, finished.err
    lines = [re.sub(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", "", line) for line in finished.out.splitlines()]
    assert lines[0].startswith(
        ".vela.yml: event deployment:created, branch main, aaaaaaaa, sent by mona, to production"
    )
    assert f"steps/tells | given listed file east {SHA}" in lines
    assert "steps/tells | token is ***" in lines
    (told,) = (line for line in lines if line.startswith("note: artifacts are in "))
    assert [path.read_text() for path in Path(told.rpartition(" ")[2]).glob("*/kept.txt")] == ["kept\n"]
    assert all(before != after for before, after in zip(finished.out.splitlines(), lines, strict=True))


def test_quiet_shows_only_what_failed(place: Place) -> None:
    place.write("""\
        version: "1"
        steps:
          - {name: good, image: "busybox:local", commands: [echo fine]}
          - {name: bad, image: "busybox:local", commands: [echo oh no; exit 7]}
        """)
    finished = place.exec("--quiet")

    assert finished.code == ExitCode.FAILURE
    lines = finished.out.splitlines()
    assert lines[:2] == ["steps/bad | $ echo oh no; exit 7", "steps/bad | oh no"]
    assert lines[2].startswith("steps/bad: failure (exit code 7)")
    assert lines[3].startswith("run ")
    assert len(lines) == 4
