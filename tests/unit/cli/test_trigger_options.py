import dataclasses
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from runner.cli.groups import grouped
from runner.cli.trigger_options import given as group
from runner.dispatch.subject import Given
from runner.errors import UsageError

FLAGS = ("event", "branch", "tag", "target", "comment", "sender", "repo", "changed", "label", "instance")


def _call(*arguments: str) -> Given:
    """Return what a command with these options is given."""
    seen: list[Given] = []
    app = typer.Typer()

    @app.command()
    @grouped(given=group)
    def _command(given: Given) -> None:
        seen.append(given)

    result = CliRunner().invoke(app, arguments)
    if isinstance(result.exception, UsageError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return seen[0]


def test_without_options_nothing_is_given() -> None:
    assert _call() == Given()


def test_every_fact_has_an_option() -> None:
    given = _call(*(f"--{flag}={flag}-value" for flag in FLAGS), "--event-file", "p.json")

    assert given == Given(
        event="event-value",
        event_file=Path("p.json"),
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
    others = ("event_file", "payload", "parameters", "environment", "properties")
    assert len(dataclasses.fields(Given)) == len(FLAGS) + len(others)


@pytest.mark.parametrize(("flag", "field"), [("changed", "changed"), ("label", "labels")])
def test_paths_and_labels_may_be_repeated(flag: str, field: str) -> None:
    assert getattr(_call(f"--{flag}", "a", f"--{flag}", "b"), field) == ("a", "b")


def test_an_empty_option_is_given_and_not_left_to_git() -> None:
    assert _call("--branch", "").branch == ""
    assert _call().branch is None


def test_parameters_and_variables_are_names_and_values() -> None:
    given = _call("--param", "a=1", "--param", "b=", "--env", "A=1", "-e", "B=2=3")

    assert given.parameters == {"a": "1", "b": ""}
    assert given.environment == {"A": "1", "B": "2=3"}


def test_a_variable_of_the_command_line_wins_over_one_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("A=file\nB=file\n")

    given = _call("--env", "A=option", "--env-file", str(tmp_path / "env"))

    assert given.environment == {"A": "option", "B": "file"}


def test_properties_are_names_and_values() -> None:
    assert _call("--property", "region=eu", "--property", "a b=x=y").properties == {"region": "eu", "a b": "x=y"}
    assert _call("--property", "tools/url=https://x").properties == {"tools/url": "https://x"}


@pytest.mark.parametrize("name", ["a/b/c", "a/..", "..", "secure-properties"])
def test_a_property_whose_name_no_file_can_have_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"^--property {name}: no file below /config can have this name"):
        _call("--property", f"{name}=1")
