import dataclasses
import inspect

import pytest
import typer
from typer.testing import CliRunner

from runner.cli import options
from runner.cli.trigger import Given
from runner.cli.trigger_options import with_trigger

FLAGS = ("event", "branch", "tag", "target", "comment", "sender", "repo", "changed", "label", "instance")


def _call(*arguments: str) -> tuple[Given, bool]:
    """Return what a command with trigger options and one of its own is called with."""
    seen: list[tuple[Given, bool]] = []
    app = typer.Typer()

    @app.command()
    @with_trigger
    def _command(given: Given, *, strict: options.Strict = False) -> None:
        """Do a thing."""
        seen.append((given, strict))

    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return seen[0]


def test_without_options_nothing_is_given() -> None:
    assert _call() == (Given(), False)


def test_every_fact_has_an_option_beside_the_commands_own() -> None:
    given, strict = _call(*(f"--{flag}={flag}-value" for flag in FLAGS), "--strict")

    assert strict
    assert given == Given(
        event="event-value",
        branch="branch-value",
        tag="tag-value",
        target="target-value",
        comment="comment-value",
        sender="sender-value",
        repo="repo-value",
        changed=("changed-value",),
        labels=("label-value",),
        instance="instance-value",
    )
    assert len(dataclasses.fields(Given)) == len(FLAGS)


@pytest.mark.parametrize(("flag", "field"), [("changed", "changed"), ("label", "labels")])
def test_paths_and_labels_may_be_repeated(flag: str, field: str) -> None:
    given, _ = _call(f"--{flag}", "a", f"--{flag}", "b")

    assert getattr(given, field) == ("a", "b")


def test_an_empty_option_is_given_and_not_left_to_git() -> None:
    assert _call("--branch", "")[0].branch == ""
    assert _call()[0].branch is None


def test_a_command_keeps_its_name_and_its_words() -> None:
    @with_trigger
    def command(given: Given) -> None:
        """Do a thing."""

    assert (command.__name__, command.__doc__) == ("command", "Do a thing.")
    assert "given" not in inspect.signature(command).parameters
