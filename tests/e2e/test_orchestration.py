"""The three pipelines of Vela's page "Stage Orchestration" do on Docker what the page says, and what it leaves open.

The first and the third run as they are printed, on an engine that finds their images under the very names that they
have there. Stand-ins say what they were asked to do, and fail where the source is broken.
"""

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from docker import APIClient

from runner.errors import ExitCode
from tests.support.cli import Finished, Place, place_in
from tests.support.hub import Hub, build_image, hub_in
from tests.support.repositories import AUTHOR, Repository
from tests.support.scripts import ROOT

SAMPLES = ROOT / "tests" / "samples" / "orchestration"
BACK, FRONT = "org/repo/back-end", "org/repo/front-end"
VERBATIM = bool(os.environ.get("RUNNER_TEST_VERBATIM"))
"""Whether a second of the page is one of ours, and not a tenth."""
SECOND = 1.0 if VERBATIM else 0.1
QUICK = "runner-test-quick:local"
QUICK_SLEEP = '#!/bin/sh\nexec /bin/sleep "$(($1 / 10)).$(($1 % 10))"\n'


def tool(name: str, suffix: str, version: int = 1) -> dict[str, str]:
    """Return a program that reports its version, and fails on a broken source unless it only fetches what is needed."""
    script = f"""\
#!/bin/sh
echo "{name} $* by version {version}"
case $1 in get | install) exit ;; esac
! find . -name 'broken.{suffix}' | grep .
"""
    return {name: script}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with hub_in(tmp_path_factory.mktemp("hub")) as found:
        found.publish("golang:latest", tool("go", "go"))
        found.publish("node:latest", tool("node", "js"))
        for plugin in ("target/vela-kaniko:latest", "target/vela-slack:latest"):
            found.publish(plugin, {}, entrypoint=["env"])
        yield found


@pytest.fixture
def beside(hub: Hub, tmp_path: Path) -> Iterator[Place]:
    """A repository whose pipelines run on the engine of the hub."""
    with place_in(tmp_path, {"DOCKER_HOST": hub.engine.host}) as found:
        yield found


def fill(place: Place, sample: str, *files: str) -> Repository:
    """Make a repository of octocat's that holds files and a pipeline of the page."""
    repository = Repository(place.repo)
    repository.git("remote", "add", "origin", "https://github.com/octocat/hello-world.git")
    place.write((SAMPLES / sample).read_text(encoding="utf-8"))
    repository.git("add", ".")
    repository.commit("main.go", *files)
    return repository


def parameters(finished: Finished, path: str) -> list[str]:
    return sorted(line for line in finished.printed(path) if line.startswith("PARAMETER_"))


# The first: rulesets.


def needs(compiled: Finished) -> dict[str, list[str]]:
    """Return what `compile` has left of each stage's needs."""
    return {stage["name"]: stage["needs"] for stage in json.loads(compiled.out)["stages"]}


def test_on_a_feature_branch_the_deployment_is_gone_and_nobody_waits_for_it(beside: Place) -> None:
    fill(beside, "rulesets.yml")
    compiled = beside.run("compile", "--output", "json", "--branch", "issue-123")
    finished = beside.exec("--output", "json", "--branch", "issue-123")

    assert needs(compiled) == {"build": [], "notify": ["build"]}
    assert finished.code == ExitCode.SUCCESS, finished.err
    assert finished.statuses == {"build/Build My Code": "success", "notify/Report Failure": "skipped"}
    assert finished.printed("build/Build My Code") == ["go build by version 1"]


def test_a_build_that_fails_is_reported(beside: Place) -> None:
    fill(beside, "rulesets.yml", "broken.go")
    finished = beside.exec("--output", "json", "--branch", "issue-123")

    assert finished.code == ExitCode.FAILURE, finished.err
    assert finished.statuses == {"build/Build My Code": "failure", "notify/Report Failure": "success"}
    assert parameters(finished, "notify/Report Failure") == ["PARAMETER_TEXT=Failure!"]


def test_on_main_the_plugin_deploys_with_its_parameters(beside: Place) -> None:
    fill(beside, "rulesets.yml")
    compiled = beside.run("compile", "--output", "json")
    finished = beside.exec("--output", "json")

    assert needs(compiled) == {"build": [], "deploy": [], "notify": ["build", "deploy"]}
    assert finished.code == ExitCode.SUCCESS, finished.err
    assert finished.statuses["deploy/Publish My Docker Image"] == "success"
    assert parameters(finished, "deploy/Publish My Docker Image") == [
        "PARAMETER_DRY-RUN=false",
        "PARAMETER_REGISTRY=index.docker.io",
        "PARAMETER_REPO=index.docker.io/octocat/hello-world",
    ]


# The second: needs.


@pytest.fixture(scope="module")
def alpine() -> Iterator[str]:
    """What stands for alpine: its sleep is quick, unless the page is to be shown as it is."""
    if VERBATIM:
        yield "busybox:local"
        return
    with closing(APIClient()) as api:
        # The shell of busybox would take its own sleep.
        build_image(api, QUICK, {"sleep": QUICK_SLEEP}, base="debian:local")
        try:
            yield QUICK
        finally:
            api.remove_image(QUICK)


@pytest.fixture(scope="module")
def waiting(alpine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Finished]]:
    """Both forms of the second pipeline, run at the same time: as it is printed, and with its quotes mended."""
    folder = tmp_path_factory.mktemp("waiting")
    with place_in(folder / "printed") as printed, place_in(folder / "mended") as mended:
        running = {}
        for name, place in {"printed": printed, "mended": mended}.items():
            repository = fill(place, "waiting.yml")
            if name == "mended":
                text = (place.repo / ".vela.yml").read_text(encoding="utf-8")
                repository.write(".vela.yml", text.replace('"done""', '"done"'))
            running[name] = place.start("exec", "--output", "json", "--image", f"alpine:latest={alpine}")
        yield {name: each.finish() for name, each in running.items()}


def span(finished: Finished, path: str) -> tuple[float, float]:
    """Return when a step began and when it ended."""
    step = finished.steps[path]
    started, seconds = step["started"], step["seconds"]
    assert started is not None
    assert seconds is not None
    return started, started + seconds


def test_stages_wait_for_what_is_left_of_their_needs(waiting: dict[str, Finished]) -> None:
    finished = waiting["mended"]
    first = span(finished, "run-first/sleep for 10")
    x = span(finished, "x-stage/who ran the build")
    y = span(finished, "y-stage/what repo is this")

    assert finished.code == ExitCode.SUCCESS, finished.err
    assert finished.statuses == {
        "run-first/sleep for 10": "success",
        "runtime-ruleset-stage/fail": "skipped",
        "x-stage/who ran the build": "success",
        "y-stage/what repo is this": "success",
    }
    assert y[0] < first[1], "what only needed a purged stage starts together with the roots"
    assert first[0] + 10 * SECOND <= first[1] <= x[0], "through a stage that was skipped it is still waited for"
    assert x[0] < y[1], "nobody waits for a stage beside"
    assert y[0] + 20 * SECOND <= y[1]


def test_steps_know_who_ran_the_build_and_what_repository_it_is(waiting: dict[str, Finished]) -> None:
    assert waiting["mended"].printed("run-first/sleep for 10") == ["done"]
    assert waiting["mended"].printed("x-stage/who ran the build") == [AUTHOR]
    assert waiting["mended"].printed("y-stage/what repo is this") == ["octocat/hello-world"]


def test_the_quote_too_many_of_the_page_is_a_failure_with_its_command_named(waiting: dict[str, Finished]) -> None:
    finished = waiting["printed"]

    assert finished.code == ExitCode.FAILURE, finished.err
    assert finished.statuses == {
        "run-first/sleep for 10": "failure",
        "runtime-ruleset-stage/fail": "success",
        "x-stage/who ran the build": "skipped",
        "y-stage/what repo is this": "success",
    }
    assert finished.steps["run-first/sleep for 10"]["exit_code"] == 2
    assert finished.printed("runtime-ruleset-stage/fail") == ["runtime rule"]
    (named,) = (line for line in finished.err.splitlines() if "cannot be read by a shell" in line)
    assert "run-first/sleep for 10: command 2 " in named
    assert named.endswith(': echo "done""')


# The third: independence.


def changed(*paths: str) -> list[str]:
    return [word for path in paths for word in ("--changed", path)]


def module(stage: str, *steps: str) -> dict[str, str]:
    """Return the statuses of a module: of its steps in this order."""
    tools = {"backend": ("install go", "test go", "build go"), "frontend": ("install node", "lint node", "build node")}
    return {f"test-and-build-{stage}/{step}": status for step, status in zip(tools[stage], steps, strict=True)}


def test_only_the_module_that_changed_is_built_with_the_newest_image(hub: Hub, beside: Place) -> None:
    fill(beside, "modules.yml", f"{BACK}/main.go", f"{FRONT}/main.js")
    both = beside.exec("--output", "json", *changed(f"{BACK}/main.go", f"{FRONT}/main.js"))
    hub.publish("golang:latest", tool("go", "go", version=2))
    one = beside.exec("--output", "json", *changed(f"{BACK}/main.go"))

    assert both.code == one.code == ExitCode.SUCCESS, both.err + one.err
    assert both.statuses == module("backend", *["success"] * 3) | module("frontend", *["success"] * 3)
    assert both.printed("test-and-build-frontend/install node") == ["node install by version 1"]
    assert one.statuses == module("backend", *["success"] * 3)
    assert one.printed("test-and-build-backend/install go") == ["go get ./... by version 2"]


def test_a_module_finishes_whatever_fails_in_another(beside: Place) -> None:
    fill(beside, "modules.yml", f"{BACK}/broken.go", f"{FRONT}/main.js")
    finished = beside.exec("--output", "json")

    assert finished.code == ExitCode.FAILURE, finished.err
    assert finished.statuses == (
        module("backend", "success", "failure", "skipped") | module("frontend", *["success"] * 3)
    )
    assert finished.printed("test-and-build-backend/test go")[-1] == f"./{BACK}/broken.go"


# What the page says of rules and names, beyond its examples.

RULES = """\
version: "1"
stages:
  first:
    name: renamed
    steps:
      - {name: path, image: "busybox:local", ruleset: {path: docs/*}, commands: [sleep 0.3]}
      - {name: no path, image: "busybox:local", ruleset: {path: src/*}, commands: [echo never]}
      - {name: event, image: "busybox:local", ruleset: {event: [deployment, comment]}, commands: ["true"]}
      - {name: no event, image: "busybox:local", ruleset: {event: tag}, commands: [echo never]}
      - {name: branch, image: "busybox:local", ruleset: {branch: dev-*}, commands: ["true"]}
      - {name: no branch, image: "busybox:local", ruleset: {branch: main}, commands: [echo never]}
      - {name: comment, image: "busybox:local", ruleset: {comment: "ok to *"}, commands: ["true"]}
      - {name: tag, image: "busybox:local", ruleset: {tag: v*}, commands: ["true"]}
      - {name: target, image: "busybox:local", ruleset: {target: production}, commands: ["true"]}
      - {name: repo, image: "busybox:local", ruleset: {repo: octocat/*}, commands: ["true"]}
      - {name: no repo, image: "busybox:local", ruleset: {repo: somebody/*}, commands: [echo never]}
      - {name: status, image: "busybox:local", ruleset: {status: [success, failure]}, commands: ["true"]}
      - {name: no status, image: "busybox:local", ruleset: {status: failure}, commands: [echo never]}
  second:
    needs: [renamed]
    steps:
      - {name: after, image: "busybox:local", commands: ["true"]}
"""


def test_each_kind_of_rule_decides_about_a_step(place: Place) -> None:
    place.write(RULES)
    facts = ["--repo", "octocat/hello-world", "--branch", "dev-1", "--changed", "docs/index.md", "--output", "json"]
    events = (
        ["--event", "deployment", "--target", "production", "--tag", "v1.0.0"],
        ["--event", "comment", "--comment", "ok to test"],
    )
    running = [place.start("exec", *event, *facts) for event in events]
    deployed, commented = (each.finish() for each in running)
    always = {"path", "event", "branch", "repo", "status"}

    assert deployed.code == commented.code == ExitCode.SUCCESS, deployed.err + commented.err
    assert ran(deployed, "renamed") == always | {"tag", "target"}
    assert ran(commented, "renamed") == always | {"comment"}
    assert "renamed/no path" not in deployed.statuses
    assert deployed.statuses["renamed/no status"] == "skipped", "a status is not known before the step's turn"
    assert deployed.stages.keys() == {"renamed", "second"}
    assert span(deployed, "renamed/path")[1] < span(deployed, "second/after")[0], "needs names what the stage is called"


def ran(finished: Finished, stage: str) -> set[str]:
    """Return the names of the steps of a stage that ran."""
    return {path.split("/")[1] for path, step in finished.steps.items() if path.startswith(stage) and step["started"]}
