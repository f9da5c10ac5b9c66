from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from runner.cli.choice import wanted as group
from runner.cli.groups import grouped
from runner.dispatch.subject import Subject
from runner.dispatch.wanted import Wanted
from runner.errors import InvalidPipelineError, UsageError
from runner.plan.adjust import Choice, Replacement
from runner.plan.model import PullPolicy, Workspace
from runner.plan.trigger import Trigger
from runner.workspace.local import Checkout

PIPELINE = b"""
version: "1"
stages:
  build: {steps: [{name: make, image: golang, commands: [x]}, {name: pack, image: zip, commands: [x]}]}
  test: {needs: [build], steps: [{name: unit, image: golang, commands: [x]}]}
colour: red
"""


def _call(*arguments: str) -> Wanted:
    """Return what a command with these options is given."""
    seen: list[Wanted] = []
    app = typer.Typer()

    @app.command()
    @grouped(wanted=group)
    def _command(wanted: Wanted) -> None:
        seen.append(wanted)

    result = CliRunner().invoke(app, arguments)
    if isinstance(result.exception, UsageError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return seen[0]


def _subject() -> Subject:
    return Subject(file=Path("p.yml"), content=PIPELINE, checkout=Checkout(root=Path("/")), trigger=Trigger())


def test_without_options_everything_is_wanted_as_it_is() -> None:
    assert _call() == Wanted(dialect="", kind="", strict=False, choice=Choice())


def test_every_choice_has_an_option() -> None:
    arguments = (
        *("--stage", "build", "--stage", "test", "--needs", "--step", "a", "--step", "b/c", "--skip-step", "d"),
        *("--image", "golang=golang:1.24=x", "--pull", "never", "--workspace", "shared"),
        *("--dialect", "vela", "--strict", "--pipeline-type", "cc"),
    )

    assert _call(*arguments) == Wanted(
        dialect="vela",
        kind="cc",
        strict=True,
        choice=Choice(
            stages=("build", "test"),
            steps=("a", "b/c"),
            needs=True,
            skipped=("d",),
            images=(Replacement(pattern="golang", image="golang:1.24=x"),),
            pull=PullPolicy.NEVER,
            workspace=Workspace.SHARED,
        ),
    )


def test_the_plan_is_the_one_that_is_wanted() -> None:
    plan = _call("--step", "unit", "--image", "golang=local").plan(_subject())

    assert [(stage.name, stage.needs, [step.image for step in stage.steps]) for stage in plan.stages] == [
        ("test", (), ["local"])
    ]


def test_strict_takes_warnings_for_errors() -> None:
    with pytest.raises(InvalidPipelineError, match="colour"):
        _call("--strict").plan(_subject())


@pytest.mark.parametrize("text", ["", "golang", "=golang", "golang="])
def test_an_image_is_an_old_and_a_new_one(text: str) -> None:
    with pytest.raises(UsageError, match="not OLD=NEW"):
        _call("--image", text)


@pytest.mark.parametrize(("name", "kind"), [("yaml", ""), ("ci", "ci"), ("cd", "cd"), ("pr", "pr")])
def test_a_type_is_a_kind_of_pipeline_or_says_that_the_file_is_yaml(name: str, kind: str) -> None:
    assert _call("--pipeline-type", name).kind == kind


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("go", "not supported yet"),
        ("golang", "not supported yet"),
        ("starlark", "not supported yet"),
        ("xml", "no such"),
    ],
)
def test_pipelines_that_must_be_rendered_first_are_refused_by_name(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"^--pipeline-type {name}: .*{message}"):
        _call("--pipeline-type", name)


@pytest.mark.parametrize("arguments", [("--pull", "often"), ("--workspace", "none")])
def test_a_word_that_an_option_does_not_know_is_bad_usage(arguments: tuple[str, ...]) -> None:
    app = typer.Typer()

    @app.command()
    @grouped(wanted=group)
    def _command(wanted: Wanted) -> None:
        raise AssertionError(wanted)

    assert CliRunner().invoke(app, arguments).exit_code == 2
