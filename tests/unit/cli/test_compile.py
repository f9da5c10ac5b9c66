import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.cli import app
from runner.cli.compile import describe
from runner.plan import codec
from runner.plan.model import Fork, Plan, Pruned
from tests.support.plans import service, stage, step

RUNNER = Path(sys.executable).parent / "runner"
PIPELINE = """\
version: "1"
secrets:
  - name: token
  - origin: {name: vault, image: plugin, secrets: [token], parameters: {items: [a, b]}}
services: [{name: db, image: postgres}]
stages:
  build:
    steps:
      - {name: make, image: gcc, commands: [make, "make install"]}
      - {name: watch, image: tail, detach: true}
  lint:
    independent: true
    steps: [{name: ruff, image: python, commands: ["ruff check ."]}]
  test:
    needs: [build, lint]
    steps:
      - {name: unit, image: gcc, commands: ["make test"], pull: always, parameters: {unseen: 1}}
      - {name: nightly, image: gcc, commands: [x], ruleset: {event: schedule}}
  deploy:
    steps: [{name: ship, image: k8s, commands: [x], ruleset: {branch: release}}]
colour: red
"""
GOLDEN = """\
plugin for secrets vault: plugin (with the secrets token)
  items: a,b
service db: postgres
stage build
  step make: gcc
    $ make
    $ make install
  step watch: tail (detached)
stage lint, independent
  step ruff: python
    $ ruff check .
stage test, needs build, lint
  step unit: gcc (pull always)
    $ make test
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "pipe.yml"
    path.write_text(PIPELINE)
    return path


def _compile(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["runner", "compile", *map(str, arguments)])
    return app.run()


def test_a_plan_is_told_in_lines_for_people(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _compile(monkeypatch, file, "--branch", "main") == 0

    out, err = capsys.readouterr()
    facts, warning, rest = out.split("\n", 2)
    assert facts == f"{file}: event push, branch main, {file.parent.name}, 0 changed paths"
    assert warning.startswith(f"{file}:21:1: warning: ")
    plan, pruned = rest[: len(GOLDEN)], rest[len(GOLDEN) :].splitlines()
    assert plan == GOLDEN
    assert pruned[0].startswith("pruned step test/nightly: ")
    assert any(line.startswith("pruned stage deploy: ") for line in pruned)
    assert err == ""


def test_json_is_one_document_with_the_keys_that_programs_know(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _compile(monkeypatch, file, "--output", "json", "--branch", "main") == 0

    document = json.loads(capsys.readouterr().out)
    assert document.keys() >= {"dialect", "stages", "services", "pruned", "warnings"}
    assert [(stage["name"], stage["needs"], stage["independent"]) for stage in document["stages"]] == [
        ("build", [], False),
        ("lint", [], True),
        ("test", ["build", "lint"], False),
    ]
    assert document["stages"][0]["async"] is False
    assert document["stages"][0]["steps"][0].keys() >= {"name", "image", "pull", "commands", "environment"}
    assert all(gone.keys() == {"stage", "step", "why"} for gone in document["pruned"])
    assert codec.from_document(document).facts.branch == "main"


def test_a_plan_without_stages_says_so() -> None:
    plan = Plan(dialect="vela", stages=(), pruned=(Pruned(stage="s", step="", why="no step is left"),))

    assert describe(plan) == ["pruned stage s: no step is left", "nothing to run"]


def test_a_command_of_several_lines_is_shown_line_by_line() -> None:
    plan = Plan(dialect="vela", stages=(stage("s", step("a")),), services=(service("db"),))

    assert describe(plan)[-3:] == ["stage s", "  step a: busybox:local", "    $ exit 0"]


def test_forks_joins_and_steps_that_decide_are_told() -> None:
    each = stage(
        "each", step("look", evaluates=True), step("make"), fork=Fork(values="!list", stages=("unit",), limit=2)
    )
    plan = Plan(
        dialect="vela",
        mapped=True,
        stages=(each, stage("unit", step("s"), needs=("each",)), stage("all", step("s"), needs=("unit",))),
    )

    lines = [line for line in describe(plan) if "$" not in line]

    assert lines == [
        "stage each, fork over !list (2 at a time)",
        "  step look: busybox:local (decides about its stage)",
        "  step make: busybox:local",
        "stage unit, needs each, in each branch of each",
        "  step s: busybox:local",
        "stage all, needs unit, joins each",
        "  step s: busybox:local",
    ]


def test_a_file_that_is_wrong_is_answered_with_all_that_is_wrong_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.yml"
    path.write_text("version: '1'\nsteps:\n  - image: a\n  - {name: b, pull: often, image: b}\n")

    assert _compile(monkeypatch, path) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split(":")[:2] for line in err.splitlines()] == [[str(path), "3"], [str(path), "4"]]


def test_nothing_happens_so_there_are_no_events(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _compile(monkeypatch, file, "--output", "events") == 2
    assert "there are no events" in capsys.readouterr().err


def test_what_a_file_says_cannot_hide_itself_from_whoever_reads_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.yml"
    path.write_text('version: "1"\nsteps: [{name: s, image: i, commands: ["rm -rf /\\e[2K\\recho hi"]}]\n')

    assert _compile(monkeypatch, path) == 0

    assert "$ rm -rf /\\x1b[2K\n    $ echo hi\n" in capsys.readouterr().out


def test_a_fact_that_is_not_unicode_does_not_end_the_command(file: Path) -> None:
    command = [str(RUNNER), "compile", str(file), "--branch", os.fsdecode(b"caf\xe9")]

    done = subprocess.run(command, capture_output=True, check=True)

    assert b"branch caf\\udce9," in done.stdout


def test_a_reader_that_has_gone_is_141(file: Path) -> None:
    command = '"$@" | true; exit "${PIPESTATUS[0]}"'

    done = subprocess.run(["bash", "-c", command, "bash", RUNNER, "compile", file], capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (141, b"")


def test_what_is_not_wanted_is_told_with_the_option_that_left_it_out(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _compile(monkeypatch, file, "--skip-step", "watch", "--skip-step", "lint/ruff", "--image", "gcc=cc") == 0

    out = capsys.readouterr().out
    assert "  step make: cc\n" in out
    assert "stage test, needs build\n" in out
    assert "pruned step build/watch: left out by --skip-step\n" in out
    assert "pruned stage lint: left out by --skip-step\n" in out


def test_variables_and_facts_of_the_options_are_in_the_plan(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (
        "--output",
        "json",
        "--env",
        "A=1",
        "--event",
        "pull_request:labeled",
        "--label",
        "bug",
        "--workspace",
        "shared",
    )

    assert _compile(monkeypatch, file, *arguments) == 0

    document = json.loads(capsys.readouterr().out)
    assert document["stages"][0]["steps"][0]["environment"]["A"] == "1"
    assert document["facts"]["event"] == "pull_request:labeled"
    assert document["facts"]["label"] == ["bug"]
    assert {stage["workspace"] for stage in document["stages"]} == {"shared"}


def test_what_a_pipeline_asks_for_on_the_host_is_shown_and_not_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.yml"
    path.write_text("version: '1'\nsteps: [{name: s, image: i, commands: [x], privileged: true}]\n")

    assert _compile(monkeypatch, path, "--output", "json") == 0

    assert json.loads(capsys.readouterr().out)["stages"][0]["steps"][0]["privileged"] is True
