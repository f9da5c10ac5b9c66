"""How steps start async stages: from any shell and user, while the daemon is down, and from async stages themselves."""

import time

from runner.plan.status import Status
from tests.support.offspring import Yard, a_second, say, side_by_side, told

WAYS = """\
version: "1"
stages:
  ways:
    steps:
      - name: sourced-in-bash
        image: debian:local
        shell: bash
        commands:
          - set -u
          - source "$ONE_PIPELINE_PATH"/tools/trigger-task
          - trigger-task absent || echo "status $?"
          - trigger-task check second-argument
          - echo "asked = $(cat /proc/uptime)"
          - sleep 1.5
          - echo "went on = $(cat /proc/uptime)"
      - name: as-a-user-in-dash
        image: debian:local
        user: "1234:1234"
        commands:
          - set_env way user
          - export_env way never-set
          - . "$ONE_PIPELINE_PATH"/tools/trigger-task
          - trigger-task check
          - echo next
      - name: beside
        image: busybox:local
        detach: true
        commands: [set_env way detached, trigger_async_stage check, touch /proof/detached, sleep 60]
      - name: wait
        image: busybox:local
        commands: ['until [ -e /proof/detached ]; do sleep 0.05; done', set_env way child, trigger-task parent]
  check:
    async: true
    steps:
      - name: look
        image: busybox:local
        commands: ['echo "began = $(cat /proc/uptime)"', 'echo "way = $(get_env way none)"']
  parent:
    async: true
    steps:
      - {name: again, image: busybox:local, commands: [set_env way grandchild, export_env way, trigger-task check]}
"""
LONG = """\
version: "1"
stages:
  build:
    steps:
      - {name: hang, image: busybox:local, commands: [trigger-task long, sleep 60]}
  long:
    async: true
    steps:
      - {name: hang, image: busybox:local, commands: [trigger-task longer, sleep 60]}
  longer:
    async: true
    steps:
      - {name: hang, image: busybox:local, commands: [sleep 60]}
"""
ALONE = """\
version: "1"
stages:
  build:
    steps:
      - name: trigger
        image: busybox:local
        commands:
          - touch /proof/up
          - 'until [ -e /proof/down ]; do sleep 0.05; done'
          - trigger-task check
          - touch /proof/asked
          - 'until [ -e /proof/seen ]; do sleep 0.05; done'
  check:
    async: true
    steps:
      - {name: look, image: busybox:local, commands: [echo here]}
"""
IBM = """\
version: '1'
setup:
  image: debian:local
  script: |
    #!/usr/bin/env bash
    set -euo pipefail
    source "${ONE_PIPELINE_PATH}"/tools/trigger-task
    set_env "target-url" "https://stage.example.test"
    export_env "target-url"
    trigger-task "slow-scan"
    echo built > "$WORKSPACE/left"
    source look.sh
slow-scan:
  image: busybox:local
  configmap: scanning
  script: |
    . ./look.sh
"""
LOOK = """echo "run = $PIPELINE_RUN_ID"
echo "stage = $STAGE"
echo "trigger = $TRIGGER_TYPE $TRIGGER_NAME"
echo "kind = $(get_env pipeline_namespace)"
echo "url = $(get_env target-url)"
echo "mode = $(cat /config/mode)"
echo "place = $PWD"
echo "left = $(cat "$WORKSPACE/left" 2>/dev/null || echo none)"
echo "own repository = $(load_repo app-repo path) $(load_repo app-repo commit)"
"""


def _since_boot(seconds: float) -> float:
    """Return a time of day as ``/proc/uptime`` has it."""
    return seconds - time.time() + time.clock_gettime(time.CLOCK_BOOTTIME)


def test_any_step_starts_async_stages_which_are_noticed_within_a_second(yard: Yard) -> None:
    yard.register("ways", {".vela.yml": WAYS})
    run = yard.submit("ways")
    assert yard.ended(run) == "success", yard.run("show", run).out

    bash = yard.printed(run, "ways", "sourced-in-bash")
    assert "status 1" in bash
    assert yard.printed(run, "ways", "as-a-user-in-dash")[-1] == "next"
    children = yard.has_children(run, 4)
    assert [each["stage"] for each in children] == ["check", "check", "check", "parent"]
    assert [yard.ended(each["id"]) for each in children] == ["success"] * 4
    seen = [yard.seen(each["id"], "check", "look") for each in children[:3]]
    assert [each["way"] for each in seen] == ["none", "user", "detached"]
    (grandchild,) = yard.has_children(children[3]["id"])
    assert yard.ended(grandchild["id"]) == "success"
    assert yard.seen(grandchild["id"], "check", "look")["way"] == "grandchild"

    asked, went_on = (float(told(bash)[name].split()[0]) for name in ("asked", "went on"))
    began = float(seen[0]["began"].split()[0])
    taken_up = _since_boot(yard.created(children[0]["id"]))
    say(f"stored {1000 * (taken_up - asked):.0f} ms, first line {1000 * (began - asked):.0f} ms after trigger-task")
    assert taken_up - asked < a_second()
    assert taken_up < went_on


def test_children_go_on_when_their_parent_is_cancelled_unless_they_are_meant_too(yard: Yard) -> None:
    yard.register("long", {".vela.yml": LONG})
    run = yard.submit("long")
    child = yard.has_children(run)[0]["id"]
    grandchild = yard.has_children(child)[0]["id"]
    for each, stage in ((child, "long"), (grandchild, "longer")):
        yard.running(each, stage, "hang")

    yard.run("cancel", run)
    assert yard.ended(run) == "cancelled"
    assert [yard.client.summary(each).status for each in (child, grandchild)] == [Status.RUNNING] * 2

    yard.run("cancel", "--with-children", run)
    assert [yard.ended(each) for each in (child, grandchild)] == ["cancelled"] * 2


def test_what_a_step_asks_for_while_no_daemon_lives_is_there_within_a_second_of_the_next_one_and_once(
    yard: Yard,
) -> None:
    yard.register("alone", {".vela.yml": ALONE})
    run = yard.submit("alone")
    yard.marked("up")

    yard.kill()
    yard.mark("down")
    yard.marked("asked")
    yard.start()
    began = time.monotonic()
    child = yard.has_children(run)[0]["id"]
    waited = time.monotonic() - began
    say(f"{1000 * waited:.0f} ms after the daemon listens")
    assert waited < a_second()

    assert yard.ended(child) == "success"
    yard.mark("seen")
    assert yard.ended(run) == "success"
    assert [each["id"] for each in yard.children(run)] == [child]


def test_a_stage_that_no_pipeline_of_ibm_has_is_async(yard: Yard) -> None:
    yard.register("shop-scan", {".pipeline-config.yaml": IBM, "look.sh": LOOK}, kind="pr")
    for name, value in {"scanning/mode": "deep", "mode": "shallow"}.items():
        yard.client.set_property("shop-scan", name, value)
    run = yard.submit("shop-scan")

    assert yard.ended(run) == "success", yard.run("show", run).out
    child = yard.has_children(run)[0]["id"]
    assert yard.ended(child) == "success", yard.run("show", child).out
    here, there = yard.seen(run, "setup", "run-stage"), yard.seen(child, "slow-scan", "run-stage")
    say(side_by_side({"setup": here, "slow-scan": there}))
    assert there.pop("run") == child != here.pop("run")
    assert there == {
        **here,
        "stage": "slow-scan",
        "trigger": "generic Subpipeline Webhook Trigger",
        "mode": "deep",
        "left": "none",
    }
