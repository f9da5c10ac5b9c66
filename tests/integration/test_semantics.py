"""What a pipeline means, shown on real containers through the real command: few runs, each proving many things."""

import io
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from docker import APIClient

from runner.errors import ExitCode
from tests.support.attempts import BUSYBOX
from tests.support.cli import Finished, Place, derive, place_in

SPEAKING, SHELLLESS = "runner-test-speaking:local", "runner-test-shellless:local"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with place_in(tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def images() -> Iterator[None]:
    """Make an image that prints by itself, and one that holds a static binary and no shell."""
    with closing(APIClient()) as api:
        source = api.create_container(BUSYBOX, ["true"])["Id"]
        try:
            derive(api, SPEAKING, 'ENTRYPOINT ["echo","the image"]', 'CMD ["speaks"]')
            chunks, _ = api.get_archive(source, "/bin/busybox")
            repository, tag = SHELLLESS.split(":")
            layer = _renamed(b"".join(chunks), "tools/env")
            api.import_image_from_data(layer, repository, tag, ['ENTRYPOINT ["/tools/env"]'])
            yield
        finally:
            api.remove_container(source)
            for image in (SPEAKING, SHELLLESS):
                api.remove_image(image, force=True)


def _renamed(archive: bytes, name: str) -> bytes:
    """Return a tar archive with the only file of another one under another name, and a directory to mount on."""
    made = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as source, tarfile.open(fileobj=made, mode="w") as target:
        member = source.getmembers()[0]
        program = source.extractfile(member)
        member.name = name
        target.addfile(member, program)
    return made.getvalue()


GOOD = f"""\
version: "1"
services:
  - name: counter
    image: busybox:local
    environment: {{GREETING: of the service}}
    entrypoint:
      - sh
      - -c
      - |
        mkdir -p /www/cgi-bin; echo "$GREETING" > /www/hello
        printf '#!/bin/sh\\necho x >> /tmp/n; echo; wc -l < /tmp/n\\n' > /www/cgi-bin/count
        chmod +x /www/cgi-bin/count; exec httpd -f -p 8080 -h /www
stages:
  talks:
    steps:
      - name: to a service
        image: busybox:local
        commands:
          - until wget -q -O - http://counter:8080/hello; do sleep 0.1; done
      - name: server
        image: busybox:local
        detach: true
        commands:
          - echo from the step > page; echo serving
          - exec httpd -f -p 8000
      - name: to a detached step
        image: debian:local
        commands:
          - |
            until bash -c 'exec 3<>/dev/tcp/server/8000; printf "GET /page HTTP/1.0\\n\\n" >&3; tail -n 1 <&3'; do
              sleep 0.1
            done
  retries:
    steps:
      - name: thrice
        image: busybox:local
        retry: 5
        commands:
          - echo x >> tries; echo "try $(wc -l < tries)"
          - test $(wc -l < tries) -ge 3
  rounds:
    retry: 2
    steps:
      - name: afresh
        image: busybox:local
        commands:
          - test ! -e mark; touch mark; echo fresh
          - until n=$(wget -q -O - http://counter:8080/cgi-bin/count); do sleep 0.1; done
          - test $n -ge 2
  sees rounds:
    needs: [rounds]
    steps:
      - {{name: mark, image: "busybox:local", commands: [ls]}}
  images:
    steps:
      - {{name: speaks, image: "{SPEAKING}"}}
      - {{name: shellless, image: "{SHELLLESS}", environment: {{A: "1", "B C": "2"}}}}
      - {{name: other entrypoint, image: "busybox:local", entrypoint: [echo, other]}}
  users:
    steps:
      - name: plain user
        image: busybox:local
        user: "1000"
        commands: [id -u, echo mine > mine, mkdir made, touch made/x]
      - {{name: root after, image: "busybox:local", commands: [echo more >> mine, cat mine]}}
  names:
    steps:
      - name: odd
        image: busybox:local
        environment: {{"PARAMETER_DRY-RUN": "it is", QUOTED: "a'b\\"c $HOME \\\\ `x`", EMPTY: ""}}
        commands:
          - tr '\\0' '\\n' < /proc/$$$$/environ | grep DRY-RUN
          - printf '%s|%s\\n' "$QUOTED" "$${{EMPTY-unset}}"
      - {{name: reads nothing, image: "busybox:local", commands: [wc -c, pwd, echo "$-" | grep -c e]}}
"""


@pytest.fixture(scope="module")
def good(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """A run of everything that ends well."""
    with place_in(tmp_path_factory.mktemp("good")) as place:
        place.write(GOOD)
        yield place.exec("--output", "json", "--max-parallel", "8")


def test_all_that_can_end_well_does(good: Finished) -> None:
    assert good.code == ExitCode.SUCCESS, good.err
    assert set(good.statuses.values()) == {"success", "cancelled"}
    assert good.statuses["talks/server"] == "cancelled"


def test_steps_reach_a_service_and_a_detached_step_by_name_whose_log_is_shown(good: Finished) -> None:
    assert good.printed("talks/to a service")[-1] == "of the service"
    assert good.printed("talks/to a detached step")[-1] == "from the step"
    assert good.printed("talks/server") == ["serving"]


def test_each_attempt_of_a_step_works_on_what_the_last_one_left(good: Finished) -> None:
    assert good.printed("retries/thrice") == ["try 1", "try 2", "try 3"]
    assert good.steps["retries/thrice"]["attempt"] == 3


def test_each_round_of_a_stage_begins_with_an_empty_layer_and_the_last_one_is_seen(good: Finished) -> None:
    assert good.printed("rounds/afresh") == ["fresh", "fresh"]
    assert "rounds/afresh: success (attempt 2.1)" in good.err
    assert good.printed("sees rounds/mark") == ["mark"]


def test_a_step_with_only_an_image_runs_what_the_image_says(good: Finished) -> None:
    assert good.lines("images/speaks") == ["the image speaks"]
    assert good.lines("images/other entrypoint") == ["other"]


def test_an_image_without_a_shell_runs_with_its_variables_even_odd_ones(good: Finished) -> None:
    assert {"A=1", "B C=2"} <= set(good.lines("images/shellless"))


def test_a_user_of_his_own_can_write_the_workspace(good: Finished) -> None:
    assert good.printed("users/plain user") == ["1000"]
    assert good.printed("users/root after") == ["mine", "more"]


def test_variables_arrive_whatever_their_names_and_values(good: Finished) -> None:
    assert good.printed("names/odd") == ["PARAMETER_DRY-RUN=it is", "a'b\"c $HOME \\ `x`|"]


def test_a_script_reads_an_empty_stdin_in_the_workspace_and_stops_at_the_first_error(good: Finished) -> None:
    assert good.printed("names/reads nothing") == ["0", "/vela/src", "1"]


BAD = """\
version: "1"
stages:
  slow:
    independent: true
    steps:
      - {name: too slow, image: "busybox:local", timeout: 1s, commands: [sleep 100]}
      - {name: next, image: "busybox:local", commands: [echo never]}
  slow stage:
    independent: true
    timeout: 2s
    steps:
      - {name: quick, image: "busybox:local", commands: [echo quick]}
      - {name: cut, image: "busybox:local", commands: [sleep 100]}
      - {name: next, image: "busybox:local", commands: [echo never]}
  rules:
    independent: true
    steps:
      - {name: harmless, image: "busybox:local", ruleset: {continue: true}, commands: [exit 4]}
      - {name: goes on, image: "busybox:local", commands: [echo on]}
      - {name: not yet, image: "busybox:local", ruleset: {status: failure}, commands: [echo never]}
      - {name: breaks, image: "busybox:local", commands: [exit 5]}
      - {name: on failure, image: "busybox:local", ruleset: {status: failure}, commands: [echo repair]}
      - {name: either, image: "busybox:local", ruleset: {status: [failure, success]}, commands: [echo tidy]}
      - {name: on success, image: "busybox:local", commands: [echo never]}
  alone:
    independent: true
    needs: [rules]
    steps:
      - {name: still runs, image: "busybox:local", commands: [echo alone]}
  follows:
    needs: [rules]
    steps:
      - {name: skipped, image: "busybox:local", commands: [echo never]}
"""


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """A run of everything that fails by itself."""
    with place_in(tmp_path_factory.mktemp("bad")) as place:
        place.write(BAD)
        yield place.exec("--output", "json", "--max-parallel", "8")


def test_a_step_and_a_stage_that_take_too_long_are_timeouts_and_what_follows_does_not_run(bad: Finished) -> None:
    found = {path: status for path, status in bad.statuses.items() if path.startswith("slow")}

    assert found == {
        "slow/too slow": "timeout",
        "slow/next": "skipped",
        "slow stage/quick": "success",
        "slow stage/cut": "timeout",
        "slow stage/next": "cancelled",
    }
    assert (bad.stages["slow"]["status"], bad.stages["slow stage"]["status"]) == ("timeout", "timeout")
    assert bad.stages["slow stage"]["reason"] == "the stage took longer than 2 s"
    assert bad.steps["slow/too slow"]["reason"] == "it took longer than 1 s"


def test_status_rules_and_continue_decide_right_before_a_step(bad: Finished) -> None:
    found = {path.split("/")[1]: status for path, status in bad.statuses.items() if path.startswith("rules/")}

    assert found == {
        "harmless": "failure",
        "goes on": "success",
        "not yet": "skipped",
        "breaks": "failure",
        "on failure": "success",
        "either": "success",
        "on success": "skipped",
    }
    assert bad.steps["rules/harmless"]["exit_code"] == 4
    assert bad.code == ExitCode.FAILURE
    assert bad.document["run"]["status"] == "failure"


def test_an_independent_stage_minds_its_own_status_only(bad: Finished) -> None:
    assert bad.statuses["alone/still runs"] == "success"
    assert bad.statuses["follows/skipped"] == "skipped"
    assert bad.stages["follows"]["status"] == "skipped"
    assert "never" not in [line.split("| ")[-1] for line in bad.err.splitlines()]


def test_no_more_stages_run_at_a_time_than_allowed(place: Place) -> None:
    stages = "".join(
        f'  s{number}: {{steps: [{{name: s, image: "busybox:local", commands: [sleep 0.5]}}]}}\n' for number in range(5)
    )
    place.write(f'version: "1"\nstages:\n{stages}')
    finished = place.exec("--output", "json", "--max-parallel", "2")
    moments: list[tuple[float, int]] = []
    for step in finished.steps.values():
        started, seconds = step["started"], step["seconds"]
        assert started is not None
        assert seconds is not None
        moments += [(started, 1), (started + seconds, -1)]
    running, most = 0, 0
    for _, change in sorted(moments):
        running += change
        most = max(most, running)

    assert finished.code == ExitCode.SUCCESS
    assert most == 2


ERRORS = """\
version: "1"
stages:
  victim:
    steps:
      - {name: waits, image: "busybox:local", commands: [echo ready, sleep 100]}
      - {name: next, image: "busybox:local", ruleset: {status: [success, failure]}, commands: [echo never]}
  neighbour:
    steps:
      - name: waits
        image: busybox:local
        commands:
          - trap 'echo trapped; exit 1' TERM
          - echo ready; sleep 100
  alone:
    independent: true
    steps:
      - {name: waits, image: "busybox:local", commands: [echo ready, 'until [ -e go ]; do sleep 0.1; done', echo end]}
      - {name: goes on, image: "busybox:local", commands: [echo on]}
  later:
    needs: [victim]
    steps:
      - {name: never, image: "busybox:local", commands: [echo never]}
"""


def test_a_sandbox_killed_from_outside_is_an_error_of_its_stage_and_aborts_all_but_independent_ones(
    place: Place,
) -> None:
    place.write(ERRORS)
    running = place.start("exec", "--output", "json", "--bind", "--max-parallel", "8")
    for stage in ("victim", "neighbour", "alone"):
        running.until(f"{stage}/waits | ready")
    with closing(APIClient()) as api:
        labels = [f"io.runner.run={place.runs[0].name}", "io.runner.stage=victim"]
        step = api.containers(filters={"label": labels})[0]["Id"]
        sandbox = api.inspect_container(step)["HostConfig"]["NetworkMode"].removeprefix("container:")
        api.kill(sandbox)
    running.until("neighbour/waits: cancelled")
    (place.repo / "go").touch()
    finished = running.finish()

    assert finished.code == ExitCode.INFRASTRUCTURE
    assert {name: stage["status"] for name, stage in finished.stages.items()} == {
        "victim": "error",
        "neighbour": "cancelled",
        "alone": "success",
        "later": "not_run",
    }
    assert "the sandbox of the stage died (exit code 137)" in finished.stages["victim"]["reason"]
    assert "stage victim" in finished.document["run"]["reason"]
    assert "stage victim ended by an error" in finished.stages["neighbour"]["reason"]
    assert "trapped" in finished.printed("neighbour/waits")
    assert finished.printed("alone/goes on") == ["on"]
    assert place.objects() == []


def test_a_step_removed_from_outside_is_lost_and_not_mistaken_for_a_failure(place: Place) -> None:
    place.write(ERRORS[: ERRORS.index("  neighbour:")])
    running = place.start("exec", "--output", "json")
    running.until("victim/waits | ready")
    subprocess.run(["docker", "rm", "-f", *place.containers("step")], check=True, capture_output=True)
    finished = running.finish()

    assert finished.steps["victim/waits"]["status"] == "lost"
    assert finished.steps["victim/waits"]["exit_code"] is None
    assert "removed from outside" in finished.steps["victim/waits"]["reason"]
    assert finished.code == ExitCode.INFRASTRUCTURE
    assert place.objects() == []


def test_commands_in_an_image_without_a_shell_are_an_error_that_names_the_way_out(images: None, place: Place) -> None:
    place.write(f'version: "1"\nsteps:\n  - {{name: s, image: "{SHELLLESS}", commands: [echo never]}}\n')
    finished = place.exec()

    assert finished.code == ExitCode.INFRASTRUCTURE
    assert "commands need a shell" in finished.out.splitlines()[-1]
    assert SHELLLESS in finished.out.splitlines()[-1]
    assert "entrypoint" in finished.out.splitlines()[-1]
    assert "| never" not in finished.out
