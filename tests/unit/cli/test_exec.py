import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runner import diagnostics
from runner.backends.fake import FakeBackend
from runner.backends.standing import World, leftovers
from runner.cli import app
from runner.dispatch import place
from runner.engine.backend import Phase, PullProgress
from runner.engine.specs import Release, RunSpec, SourceMode, StageSpec, StepSpec
from runner.naming import Address
from runner.pipelinectl.layout import STEP
from runner.pipelinectl.values import Store, values_of
from tests.support.local import FakeSweep, placing
from tests.support.repositories import Repository

TWO_STEPS = """
version: "1"
steps:
  - {name: one, image: i, pull: never, commands: [x], environment: {FAKE_PRINT: hello}}
  - {name: two, image: i, pull: never, commands: [x]}
"""
PRUNED = """
version: "1"
secrets: [{name: token}]
steps:
  - {name: one, image: i, pull: never, commands: [x], ruleset: {branch: nowhere}}
"""


class _Watched(FakeBackend):
    """A fake that remembers what it was given, and lets the test act when a step is released."""

    def __init__(self) -> None:
        super().__init__(World(scale=0.02))
        self.specs: list[RunSpec] = []
        self.environments: list[dict[str, str]] = []
        self.prepared: dict[Address, StepSpec] = {}
        self.fetched: list[str] = []
        self.released: Callable[[], None] = lambda: None
        self.most_stages = 0

    def open_run(self, run: RunSpec) -> tuple[str, ...]:
        self.specs.append(run)
        return super().open_run(run)

    def open_stage(self, stage: StageSpec, lost: Callable[[str], None]) -> None:
        super().open_stage(stage, lost)
        self.most_stages = max(self.most_stages, len(self.world.stages))

    def fetch(self, image: str, *, always: bool, report: Callable[[PullProgress], None]) -> None:
        self.fetched.append(image)
        super().fetch(image, always=always, report=report)

    def prepare(self, step: StepSpec) -> Phase:
        self.prepared[step.address] = step
        return super().prepare(step)

    def release(self, address: Address, release: Release) -> None:
        self.environments.append(dict(release.environment))
        super().release(address, release)
        self.released()


class _Here:
    """A repository to run in, and a way to do so."""

    def __init__(self, repository: Repository, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.repository = repository
        self.backend = _Watched()
        self._monkeypatch = monkeypatch
        monkeypatch.chdir(repository.root)
        monkeypatch.setenv("RUNNER_STATE_DIR", str(state))
        monkeypatch.setattr(place, "local", placing(state, self.backend))
        FakeSweep().install(monkeypatch)

    def run(self, *arguments: str, pipeline: str = TWO_STEPS) -> int:
        self.repository.write(".vela.yml", pipeline)
        return self.call("exec", *arguments)

    def call(self, *arguments: str) -> int:
        self._monkeypatch.setattr(sys, "argv", ["runner", *arguments])
        return app.run()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Here:
    repository = Repository(tmp_path / "shop")
    repository.commit(".vela.yml", message="Sell more")
    return _Here(repository, tmp_path / "state", monkeypatch)


def _one_step(**environment: str) -> str:
    return json.dumps(
        {
            "version": "1",
            "steps": [
                {"name": "one", "image": "i", "pull": "never", "commands": ["x"], "environment": environment},
            ],
        }
    )


def _json(text: str) -> Any:  # noqa: ANN401 - whatever was printed
    return json.loads(text)


def test_a_run_is_told_on_stdout_from_its_facts_to_its_end(here: _Here, capfd: pytest.CaptureFixture[str]) -> None:
    assert here.run() == 0

    out, err = capfd.readouterr()
    first, *lines, last = out.splitlines()
    assert first.startswith(".vela.yml: event push, branch main, ")
    assert [line.partition(" in ")[0] for line in lines] == [
        "steps/one: running",
        "steps/one | hello",
        "steps/one: success",
        "steps/two: running",
        "steps/two: success",
    ]
    assert last.startswith("run ")
    assert ": success in " in last
    assert err == ""


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({}, 0),
        ({"FAKE_EXIT": "1"}, 1),
        ({"FAKE_EXIT": "77"}, 1),
        ({"FAKE_START_ERROR": "no"}, 3),
        ({"FAKE_VANISH": "1"}, 3),
    ],
    ids=str,
)
def test_the_exit_code_says_whose_fault_it_was(here: _Here, environment: dict[str, str], code: int) -> None:
    assert here.run(pipeline=_one_step(**environment)) == code


def test_a_pause_is_4_and_leaves_nothing_to_go_on_with(here: _Here, capfd: pytest.CaptureFixture[str]) -> None:
    pipeline = _one_step(FAKE_WISH="pause:approval").replace('"version"', '"globals": {"a": "b"}, "version"')

    assert here.run(pipeline=pipeline) == 4

    told = capfd.readouterr().out.splitlines()
    run = told[-2].split()[1].removesuffix(":")
    assert told[-2].endswith(": stage steps: approval")
    assert told[-1] == "note: exec keeps nothing to go on with; a run of the daemon (`runner submit`) can be resumed"
    assert not leftovers(here.backend.world)
    assert here.call("show", run) == 0
    assert f"run {run}: paused" in capfd.readouterr().out


def test_a_timeout_is_5(here: _Here) -> None:
    pipeline = TWO_STEPS.replace("{FAKE_PRINT: hello}", "{FAKE_HANG: '1'}, timeout: 1")

    assert here.run(pipeline=pipeline) == 5


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_cancels_the_run(
    here: _Here, number: signal.Signals, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    here.backend.released = lambda: os.kill(os.getpid(), number)

    assert here.run("--output", "json", pipeline=_one_step(FAKE_HANG="1")) == code

    out, err = capfd.readouterr()
    assert _json(out)["run"]["status"] == "cancelled"
    assert "ending the run; once more kills it" in err


def test_json_is_one_document_on_stdout_and_the_lines_go_to_stderr(
    here: _Here, capfd: pytest.CaptureFixture[str]
) -> None:
    assert here.run("--output", "json") == 0

    out, err = capfd.readouterr()
    document = _json(out)
    assert document.keys() == {"run", "stages", "children", "values"}
    assert [(step["name"], step["status"]) for step in document["stages"][0]["steps"]] == [
        ("one", "success"),
        ("two", "success"),
    ]
    assert "event push" in err
    assert "steps/one | hello\n" in err


def test_events_are_lines_of_json_on_stdout_and_nothing_else_is(here: _Here, capfd: pytest.CaptureFixture[str]) -> None:
    assert here.run("--output", "events") == 0

    out, err = capfd.readouterr()
    events = [_json(line) for line in out.splitlines()]
    assert {"status", "log"} == {event["event"] for event in events}
    assert [event["text"] for event in events if event["event"] == "log"] == ["hello\n"]
    assert events[-1]["status"] == "success"
    assert "event push" in err
    assert "hello" not in err


def test_when_pruning_leaves_nothing_exec_says_why_asks_for_nothing_and_succeeds(
    here: _Here, capfd: pytest.CaptureFixture[str]
) -> None:
    assert here.run(pipeline=PRUNED) == 0

    out, _ = capfd.readouterr()
    assert "pruned step steps/one: " in out
    assert "nowhere" in out
    assert out.endswith("nothing to run\n")
    assert here.backend.specs == []


def test_when_pruning_leaves_nothing_the_document_says_skipped(here: _Here, capfd: pytest.CaptureFixture[str]) -> None:
    assert here.run("--output", "json", pipeline=PRUNED) == 0

    out, err = capfd.readouterr()
    run = {"id": "", "status": "skipped", "dialect": "vela", "seconds": 0.0, "reason": "nothing to run"}
    values = {name: value for name, value in values_of(Store()).items() if name != "returns"}
    assert _json(out) == {"run": run, "stages": [], "children": [], "values": values}
    assert "pruned step" in err


def test_warnings_are_told_before_the_run(here: _Here, capfd: pytest.CaptureFixture[str]) -> None:
    assert here.run(pipeline=TWO_STEPS + "colour: red\n") == 0

    assert "\n.vela.yml:6:1: warning: " in capfd.readouterr().out


def test_strict_takes_warnings_for_errors(here: _Here, capfd: pytest.CaptureFixture[str]) -> None:
    assert here.run("--strict", pipeline=TWO_STEPS + "colour: red\n") == 2

    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(".vela.yml:6:1: ")
    assert here.backend.specs == []


def test_variables_and_secrets_reach_the_steps(here: _Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "hunter2")
    pipeline = TWO_STEPS.replace("commands: [x]}", "commands: [x], secrets: [token]}") + "secrets: [{name: token}]\n"

    assert here.run("--env", "A=1", "-e", "B=2=3", "-e", "EMPTY=", pipeline=pipeline) == 0

    first, second = here.backend.environments
    assert {name: first[name] for name in ("A", "B", "EMPTY")} == {"A": "1", "B": "2=3", "EMPTY": ""}
    assert "TOKEN" not in first
    assert second["TOKEN"] == "hunter2"


@pytest.mark.parametrize("text", ["A", "=1", ""])
def test_a_variable_is_a_name_and_a_value(here: _Here, text: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert here.run("--env", text) == 2
    assert "not an assignment" in capfd.readouterr().err


def test_a_missing_secret_is_named_before_anything_starts(here: _Here, capfd: pytest.CaptureFixture[str]) -> None:
    steps = "steps: [{name: s, image: i, secrets: [one_secret, another]}]\n"
    declared = "secrets: [{name: one_secret}, {name: another}, {name: that_nothing_uses}]\n"
    assert here.run(pipeline=f"version: 1\n{steps}{declared}") == 2

    assert "no value for the secrets one_secret, another" in capfd.readouterr().err
    assert here.backend.specs == []


def test_a_secret_too_short_to_be_masked_is_told(
    here: _Here, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIN", "123")

    assert here.run("--secret", "PIN") == 0

    assert "note: secret PIN is too short to be masked in logs\n" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "mode"),
    [((), SourceMode.LAYER), (("--bind",), SourceMode.BIND), (("--snapshot",), SourceMode.SNAPSHOT)],
)
def test_the_source_is_the_repository_taken_as_told(here: _Here, arguments: Sequence[str], mode: SourceMode) -> None:
    assert here.run(*arguments) == 0

    (spec,) = here.backend.specs
    assert spec.source is not None
    assert (spec.source.path, spec.source.mode) == (here.repository.root, mode)


def test_the_source_can_be_another_directory(here: _Here, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()

    assert here.run("--source", str(tmp_path / "other")) == 0

    assert here.backend.specs[0].source is not None
    assert here.backend.specs[0].source.path == tmp_path / "other"


def test_of_the_source_only_what_git_tracks_is_taken_if_told(here: _Here) -> None:
    here.repository.write("untracked")

    assert here.run("--source-filter", "tracked") == 0

    (spec,) = here.backend.specs
    assert spec.source is not None
    assert spec.source.mode is SourceMode.SNAPSHOT
    assert spec.source.only is not None
    assert {path for path in spec.source.only if not path.startswith(b".git/")} == {b".git", b".vela.yml"}


def test_a_repository_may_say_that_untracked_files_are_left_out_and_the_command_line_that_they_are_not(
    here: _Here,
) -> None:
    here.repository.write(".runner.toml", '[exec]\nsource-filter = "tracked"\n')

    assert [here.run(), here.run("--source-filter", "all")] == [0, 0]

    sources = [spec.source for spec in here.backend.specs if spec.source is not None]
    assert [source.only is None for source in sources] == [False, True]


def test_what_git_tracks_cannot_be_told_of_a_directory_outside_of_a_repository(
    here: _Here, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").mkdir()

    assert here.run("--source", str(tmp_path / "other"), "--source-filter", "tracked") == 2

    assert "not a git repository" in capfd.readouterr().err
    assert here.backend.specs == []


def test_bind_does_not_go_with_a_part_of_the_source(here: _Here, capfd: pytest.CaptureFixture[str]) -> None:
    assert here.run("--bind", "--source-filter", "tracked") == 2
    assert "--bind does not go with --source-filter tracked" in capfd.readouterr().err
    assert here.run("--bind", "--source-filter", "all") == 0


@pytest.mark.parametrize("other", [("--snapshot",), ("--export", "out")])
def test_bind_goes_with_nothing_that_keeps_the_source_untouched(
    here: _Here, other: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    assert here.run("--bind", *other) == 2
    assert "--bind goes with neither" in capfd.readouterr().err


def test_the_facts_of_the_options_decide_what_runs(here: _Here, capfd: pytest.CaptureFixture[str]) -> None:
    pipeline = PRUNED.replace("secrets: [{name: token}]\n", "")

    assert here.run("--branch", "nowhere", "--output", "json", pipeline=pipeline) == 0

    assert _json(capfd.readouterr().out)["run"]["status"] == "success"


@pytest.mark.parametrize("most", [1, 3])
def test_max_parallel_bounds_the_stages_at_a_time(here: _Here, most: int) -> None:
    steps = "[{name: s, image: i, pull: never, commands: [x], environment: {FAKE_SECONDS: '5'}}]"
    stages = "".join(f"  s{number}: {{steps: {steps}}}\n" for number in range(4))

    assert here.run("--max-parallel", str(most), pipeline=f'version: "1"\nstages:\n{stages}') == 0

    assert here.backend.most_stages == most


def test_another_dialect_than_the_known_ones_is_bad_usage(here: _Here, capfd: pytest.CaptureFixture[str]) -> None:
    assert here.run("--dialect", "velo") == 2
    assert "did you mean 'vela'?" in capfd.readouterr().err


MODULES = """
version: "1"
stages:
  build: {steps: [{name: make, image: golang, pull: always, commands: [x], secrets: [token]}]}
  test: {needs: [build], steps: [{name: unit, image: golang, pull: never, commands: [x]}]}
secrets: [{name: token}]
"""


def _ran(here: _Here) -> list[str]:
    return [address.path for address in here.backend.prepared]


def test_only_what_is_chosen_runs_and_its_secrets_alone_are_asked_for(here: _Here) -> None:
    assert here.run("--stage", "test", pipeline=MODULES) == 0
    assert here.run("--skip-step", "make", pipeline=MODULES) == 0

    assert _ran(here) == ["test/unit", "test/unit"]


def test_a_choice_of_nothing_that_exists_is_bad_usage(here: _Here, capfd: pytest.CaptureFixture[str]) -> None:
    assert here.run("--step", "make/unit", pipeline=MODULES) == 2

    assert "--step make/unit: there is no such step" in capfd.readouterr().err
    assert here.backend.specs == []


def test_a_choice_that_leaves_nothing_is_a_success_that_says_why(
    here: _Here, capfd: pytest.CaptureFixture[str]
) -> None:
    assert here.run("--skip-step", "make", "--skip-step", "unit", pipeline=MODULES) == 0

    out = capfd.readouterr().out
    assert "pruned stage test: left out by --skip-step\n" in out
    assert out.endswith("nothing to run\n")


def test_images_and_pull_policies_are_those_of_the_options(here: _Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "hunter2")

    assert here.run("--image", "golang=local", "--pull", "never", pipeline=MODULES) == 0

    assert [step.image for step in here.backend.prepared.values()] == ["local", "local"]
    assert here.backend.fetched == []
    assert here.run("--image", "golang=local", pipeline=MODULES) == 0
    assert here.backend.fetched == ["local"]


def test_a_missing_secret_of_a_plugin_is_named_before_anything_starts(
    here: _Here, capfd: pytest.CaptureFixture[str]
) -> None:
    plugin = "secrets: [{origin: {name: vault, image: v, pull: never, secrets: [role_id]}}]\n"

    assert here.run(pipeline=TWO_STEPS + plugin) == 2

    assert "no value for the secret role_id" in capfd.readouterr().err
    assert here.backend.specs == []


def test_secrets_can_be_given_in_a_list(here: _Here, capfd: pytest.CaptureFixture[str]) -> None:
    (here.repository.root.parent / "list").write_text("TOKEN=hunter2\n")
    pipeline = MODULES.replace("pull: always", "pull: never").replace(
        "[token]}]}", "[token], environment: {FAKE_PRINT: hunter2}}]}", 1
    )

    assert here.run("--secret-file", "../list", pipeline=pipeline) == 0

    assert here.backend.environments[0]["TOKEN"] == "hunter2"
    assert "build/make | ***\n" in capfd.readouterr().out


PRIVILEGED = TWO_STEPS.replace("{name: one,", "{name: one, privileged: true, volumes: [/srv/data],")


def test_a_pipeline_may_not_ask_for_more_than_is_granted(here: _Here, capfd: pytest.CaptureFixture[str]) -> None:
    assert here.run(pipeline=PRIVILEGED) == 2
    assert "the step steps/one wants to see /srv/data of this machine" in capfd.readouterr().err

    assert here.run("--volume", "/srv", pipeline=PRIVILEGED) == 2
    assert "the step steps/one wants to be privileged" in capfd.readouterr().err

    assert here.backend.specs == []


def test_what_is_granted_by_options_and_settings_reaches_the_steps(
    here: _Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNNER_VOLUMES", "/srv")

    assert here.run("--privileged-image", "i", "--volume", "/opt:/o:rw", pipeline=PRIVILEGED) == 0

    one, two = here.backend.prepared.values()
    assert (one.privileged, two.privileged) == (True, True)
    assert [(bind.source, bind.target, bind.read_only) for bind in one.volumes] == [
        ("/srv", "/srv", True),
        ("/opt", "/o", False),
        ("/srv/data", "/srv/data", True),
    ]


def test_quiet_shows_only_what_failed_and_how_the_run_ended(here: _Here, capfd: pytest.CaptureFixture[str]) -> None:
    failing = _one_step(FAKE_PRINT="oh no", FAKE_EXIT="3")

    assert here.run("--quiet", pipeline=failing) == 1
    out, err = capfd.readouterr()
    first, second, last = (line.partition(" in ")[0] for line in out.splitlines())
    assert (first, second) == ("steps/one | oh no", "steps/one: failure (exit code 3)")
    assert last.startswith("run ")
    assert err == ""

    assert here.run("-q") == 0
    (only,) = capfd.readouterr().out.splitlines()
    assert ": success in " in only


def test_quiet_leaves_the_document_alone(here: _Here, capfd: pytest.CaptureFixture[str]) -> None:
    assert here.run("--quiet", "--output", "json") == 0

    out, err = capfd.readouterr()
    assert _json(out)["run"]["status"] == "success"
    assert len(err.splitlines()) == 1


def test_with_timestamps_every_line_has_a_time_and_times_only_grow(
    here: _Here, capfd: pytest.CaptureFixture[str]
) -> None:
    assert here.run("--timestamps") == 0

    lines = capfd.readouterr().out.splitlines()
    assert lines[0].partition(" ")[2].startswith(".vela.yml: event push")
    times = [datetime.fromisoformat(line.partition(" ")[0]) for line in lines]
    assert all(time.utcoffset() == timedelta(0) for time in times)
    assert any(line.endswith("Z steps/one | hello") for line in lines)


def test_defaults_of_the_repository_hold(here: _Here, capfd: pytest.CaptureFixture[str]) -> None:
    here.repository.write(".runner.toml", '[exec]\nskip-step = ["two"]\nenv = ["FAKE_PRINT=by default"]\n')

    assert here.run() == 0

    assert _ran(here) == ["steps/one"]
    assert "steps/one | by default\n" in capfd.readouterr().out


def test_a_repository_cannot_grant_itself_anything(here: _Here, capfd: pytest.CaptureFixture[str]) -> None:
    here.repository.write(".runner.toml", '[exec]\nvolume = ["/"]\n')

    assert here.run() == 2

    assert ".runner.toml: volume: a repository may not say this" in capfd.readouterr().err


def test_a_shell_for_what_fails_needs_a_terminal(here: _Here, capfd: pytest.CaptureFixture[str]) -> None:
    assert here.run("--shell-on-failure") == 2

    assert "--shell-on-failure needs a terminal" in capfd.readouterr().err
    assert here.backend.specs == []


def test_properties_secure_ones_and_facts_reach_the_run(
    here: _Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("api_key", "geheim")
    (tmp_path / "push.json").write_text('{"head_commit": {}, "ref": "refs/heads/main"}')

    facts = ("--pipeline-type", "ci", "--event-file", str(tmp_path / "push.json"), "--param", "region=us")
    assert here.run("--property", "region=eu", "--property", "app=shop", "--secret", "api_key", *facts) == 0

    [spec] = here.backend.specs
    files = {str(path): content for path, content in spec.config.items()}
    assert files["region"] == b"us"
    assert files["environment-properties/app"] == b"shop"
    assert files["secure-properties/api_key"] == b"geheim"
    assert files["trigger-payload.json"] == (tmp_path / "push.json").read_bytes()
    assert spec.values["p.pipeline_namespace"] == b"ci\n"
    told = [{**step.defaults, STEP: ""} for step in here.backend.prepared.values()]
    [defaults] = {tuple(sorted(each.items())) for each in told}
    assert dict(defaults)["STAGE"] == "steps"
    assert dict(defaults)["PIPELINE_CONFIG_PATH"] == ".vela.yml"


def test_a_secure_property_is_masked(
    here: _Here, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("api_key", "geheim")

    assert here.run("--secret", "api_key", pipeline=_one_step(FAKE_PRINT="it is geheim")) == 0

    assert "it is ***" in capfd.readouterr().out


def test_the_document_has_the_values_that_steps_have_left_without_secrets(
    here: _Here, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("api_key", "geheim")

    assert here.run("--output", "json", "--secret", "api_key", pipeline=_one_step(FAKE_SET_ENV="k=so geheim")) == 0

    values = _json(capfd.readouterr().out)["values"]
    assert values["env"] == {"k": "so ***"}
    assert values["data"] == {"result": {"steps": "success"}}


def test_an_error_that_holds_a_secret_is_told_without_it(
    here: _Here, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("not by geheim")

    monkeypatch.setattr(diagnostics, "_redacts", [])
    monkeypatch.setattr(here.backend, "released", fail)
    monkeypatch.setenv("api_key", "geheim")

    assert here.run("--secret", "api_key") == 3

    err = capfd.readouterr().err
    assert "ZeroDivisionError: not by ***" in err
    assert "geheim" not in err
