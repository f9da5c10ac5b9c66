import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import typer

from runner.cli import completion
from runner.cli.completion import (
    complete_dialect,
    complete_event,
    complete_pipeline,
    complete_run,
    complete_stage,
    complete_status,
    complete_step,
)
from runner.plan import codec, events
from runner.plan.status import Status
from tests.support.api_stand import answer, failure, pipeline, summary
from tests.support.remote import Remote

RUNNER = Path(sys.executable).parent / "runner"
PIPELINE = """\
version: "1"
services: [{name: db, image: postgres, ruleset: {branch: release}}]
stages:
  build:
    steps: [{name: compile, image: gcc}, {name: pack, image: tar}]
  deploy.prod:
    steps: [{name: ship, image: k8s, ruleset: {branch: release}}]
"""
HOSTILE = r"""
version: "1"
stages:
  plain: {steps: [{name: s-1, image: i}]}
  "\\$(touch pwned)": {steps: [{name: "`touch pwned`", image: i}]}
  "'; touch pwned; '": {steps: [{name: "two words", image: i}]}
  "*": {steps: [{name: "-rf", image: i}]}
  "a:b": {steps: [{name: "grün", image: i}]}
"""


def _context(file: Path | None = None) -> typer.Context:
    return cast("typer.Context", SimpleNamespace(params={"file": file}))


@pytest.fixture
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".vela.yml").write_text(PIPELINE)


def _completed(directory: Path, words: str) -> list[str]:
    """Return what bash is offered for the last of the words."""
    position = len(words.split(" ")) - 1
    variables = {"_RUNNER_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(position)}
    done = subprocess.run(
        [RUNNER], cwd=directory, env={**os.environ, **variables}, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.usefixtures("_here")
def test_stages_are_those_of_the_pipeline_here_also_if_rules_would_leave_them_out() -> None:
    assert complete_stage(_context()) == ["build", "deploy.prod"]


@pytest.mark.usefixtures("_here")
def test_steps_are_those_of_the_pipeline_here_also_if_rules_would_leave_them_out() -> None:
    assert complete_step(_context(), "") == ["compile", "pack", "ship"]


@pytest.mark.usefixtures("_here")
def test_a_step_is_named_with_its_stage_once_that_is_there() -> None:
    assert complete_step(_context(), "bu/") == ["build/compile", "build/pack", "deploy.prod/ship"]


@pytest.mark.usefixtures("_here")
def test_a_file_on_the_command_line_goes_before_the_one_here(tmp_path: Path) -> None:
    other = tmp_path / "other.yml"
    other.write_text('version: "1"\nstages: {lint: {steps: [{name: ruff, image: python}]}}\n')

    assert (complete_stage(_context(other)), complete_step(_context(other), "")) == (["lint"], ["ruff"])


@pytest.mark.parametrize("content", ["version: [", "steps: 1", ""])
def test_a_file_that_cannot_be_read_offers_nothing_and_says_nothing(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bad.yml"
    file.write_text(content)

    assert complete_stage(_context(file)) == complete_step(_context(file), "") == []
    assert capsys.readouterr() == ("", "")


def test_a_directory_a_pipe_or_nothing_offers_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "pipe")

    found = [complete_stage(_context(file)) for file in (None, tmp_path, tmp_path / "none", tmp_path / "pipe")]

    assert found == [[], [], [], []]


def test_names_that_a_shell_would_take_for_code_are_not_offered(tmp_path: Path) -> None:
    file = tmp_path / "hostile.yml"
    file.write_text(HOSTILE)

    assert complete_stage(_context(file)) == ["plain"]
    assert complete_step(_context(file), "") == ["s-1", "grün"]


def test_events_are_those_that_a_run_can_be_told_of() -> None:
    assert complete_event() == list(events.names())
    assert {"push", "pull_request:opened", "delete:tag"} <= set(complete_event())


def test_dialects_are_offered_by_name() -> None:
    assert "vela" in complete_dialect()


@pytest.mark.usefixtures("_here")
def test_bash_is_offered_commands_options_and_values(tmp_path: Path) -> None:
    assert {"exec", "compile", "validate"} <= set(_completed(tmp_path, "runner "))
    assert _completed(tmp_path, "runner compile --gra") == ["--graph"]
    assert _completed(tmp_path, "runner compile --graph ") == ["text", "dot", "mermaid"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_asks_this_command(shell: str) -> None:
    variables = {**os.environ, "_RUNNER_COMPLETE": f"source_{shell}"}
    done = subprocess.run([RUNNER], env=variables, capture_output=True, text=True, check=True)

    assert f"_RUNNER_COMPLETE=complete_{shell}" in done.stdout
    assert done.stderr == ""


def test_bash_completes_with_the_script_that_it_is_shown(tmp_path: Path) -> None:
    script = f"""
        eval "$('{RUNNER}' --show-completion)"
        COMP_WORDS=(runner compile --gra) COMP_CWORD=2
        _runner_completion '{RUNNER}'
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """

    done = subprocess.run(["bash", "-euc", script], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("--graph\n", "")


def test_the_script_is_installed_in_the_home_of_the_user(tmp_path: Path) -> None:
    script = f"'{RUNNER}' --install-completion; exit $?"  # more than one command, so that bash stays its parent
    variables = {**os.environ, "HOME": str(tmp_path)}

    done = subprocess.run(["bash", "-c", script], env=variables, capture_output=True, text=True, check=True)

    (installed,) = (tmp_path / ".bash_completions").iterdir()
    assert "_RUNNER_COMPLETE=complete_bash" in installed.read_text()
    assert str(installed) in (tmp_path / ".bashrc").read_text()
    assert done.stderr == ""


def test_runs_are_those_of_the_daemon(remote: Remote) -> None:
    remote.stand.on("GET /runs", answer({"runs": [codec.encode(summary("b0b")), codec.encode(summary("a0a"))]}))

    assert complete_run() == ["b0b", "a0a"]


def test_pipelines_are_those_of_the_daemon_less_those_that_a_shell_would_take_for_code(remote: Remote) -> None:
    names = ("team/shop", "$(touch pwned)")
    remote.stand.on("GET /pipelines", answer({"pipelines": [codec.encode(pipeline(name)) for name in names]}))

    assert complete_pipeline() == ["team/shop"]


def test_a_daemon_that_refuses_offers_nothing(remote: Remote) -> None:
    remote.stand.on("GET /runs", failure(503, "no", code=3))

    assert complete_run() == []
    assert complete_pipeline() == []


def test_without_a_daemon_nothing_is_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNNER_DATA_DIR", str(tmp_path))

    assert complete_run() == []


def test_a_daemon_that_says_nothing_is_not_waited_for(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    hold = threading.Event()
    monkeypatch.setattr(completion, "_PATIENCE", 0.1)
    remote.stand.on("GET /runs", lambda _: hold.wait(30))

    assert complete_run() == []
    hold.set()


def test_statuses_are_offered() -> None:
    assert complete_status() == list(Status)
