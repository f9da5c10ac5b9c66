import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from runner.cli import app, options
from runner.errors import UsageError
from tests.support.repositories import Repository

Values = dict[str, Any]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """Return the repository that the test stands in, with a pipeline."""
    made = Repository(tmp_path / "shop")
    made.write(".vela.yml", "")
    monkeypatch.chdir(made.root)
    return made


def _call(*arguments: str) -> Values:
    """Return the options of a command ``exec`` that has one of every kind."""
    seen: list[Values] = []
    program = typer.Typer()

    @program.command("exec")
    def _exec(  # noqa: PLR0913 - one parameter an option
        *,
        file: options.PipelineFile = None,
        max_parallel: options.MaxParallel = None,
        env: options.Environment = None,
        env_file: options.EnvironmentFile = None,
        no_color: options.NoColor = False,
        branch: options.Branch = None,
        output: options.Output = options.OutputFormat.TEXT,
        secret: options.SecretOption = None,
    ) -> None:
        seen.append({name: value for name, value in locals().items() if name != "seen"})

    @program.command("other")
    def _other(*, file: options.PipelineFile = None, plain: Annotated[bool, typer.Option("--plain")] = False) -> None:
        seen.append({"file": file, "plain": plain})

    result = CliRunner().invoke(program, ["exec", *arguments] if arguments[:1] != ("other",) else arguments)
    if isinstance(result.exception, UsageError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return seen[0] if seen else {}


def _refusal(repository: Repository, text: str) -> UsageError:
    repository.write(".runner.toml", text)
    with pytest.raises(UsageError) as caught:
        _call()
    return caught.value


def test_without_a_file_the_defaults_are_those_of_the_program(repository: Repository) -> None:
    assert _call()["max_parallel"] is None


def test_the_file_decides_where_the_command_line_is_silent(repository: Repository) -> None:
    repository.write(
        ".runner.toml",
        '[exec]\nmax-parallel = 2\nenv = ["A=1", "B=2"]\nno-color = true\nbranch = "release"\noutput = "json"\n',
    )

    values = _call()

    assert values["max_parallel"] == 2
    assert values["env"] == ["A=1", "B=2"]
    assert values["no_color"] is True
    assert values["branch"] == "release"
    assert values["output"] is options.OutputFormat.JSON


def test_the_command_line_wins_and_replaces_lists(repository: Repository) -> None:
    repository.write(".runner.toml", '[exec]\nmax-parallel = 2\nenv = ["A=1"]\nbranch = "release"\n')

    values = _call("--max-parallel", "7", "--env", "C=3", "--branch", "")

    assert (values["max_parallel"], values["env"], values["branch"]) == (7, ["C=3"], "")


def test_each_command_has_a_table_of_its_own(repository: Repository) -> None:
    repository.write(".runner.toml", "[compile]\nstrict = true\n")

    assert _call()["no_color"] is False
    assert _call("other") == {"file": None, "plain": False}


def test_the_nearest_file_from_the_pipeline_up_to_the_repository_is_taken(repository: Repository) -> None:
    repository.write(".runner.toml", '[exec]\nbranch = "top"\n')
    repository.write("a/.runner.toml", '[exec]\nbranch = "a"\n')
    repository.write("a/b/p.yml")
    repository.write("c/p.yml")

    assert _call("a/b/p.yml")["branch"] == "a"
    assert _call("c/p.yml")["branch"] == "top"


def test_a_file_above_the_repository_is_not_looked_at(repository: Repository) -> None:
    (repository.root.parent / ".runner.toml").write_text('[exec]\nbranch = "outside"\n')

    assert _call()["branch"] is None


def test_outside_of_git_only_the_directory_of_the_pipeline_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / ".runner.toml").write_text('[exec]\nbranch = "here"\n')
    monkeypatch.chdir(tmp_path)

    assert _call("p.yml")["branch"] == "here"
    assert _call("below/p.yml")["branch"] is None


def test_without_a_pipeline_the_file_of_this_directory_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".runner.toml").write_text('[exec]\nbranch = "here"\n')
    monkeypatch.chdir(tmp_path)

    assert _call()["branch"] == "here"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[exec\n", ".runner.toml: this is not TOML: ", ""),
        ("a = " + "[" * 100_000, ".runner.toml: this is not TOML: ", ""),
        ("a = " + "9" * 5000, ".runner.toml: this is not TOML: ", ""),
        ("[exce]\n", ".runner.toml: exce: there is no such table", "write [exec]"),
        ("branch = 'x'\n", ".runner.toml: branch: there is no such table", "there are [exec] and [compile]"),
        ("exec = 1\n", ".runner.toml: exec: there is no such table", "write [exec]"),
        ("[exec]\nmax-paralel = 1\n", ".runner.toml: max-paralel: there is no such option", "mean 'max-parallel'?"),
        ("[exec]\nmax_parallel = 1\n", ".runner.toml: max_parallel: there is no such option", "mean 'max-parallel'?"),
        ("[exec]\nfile = 'x'\n", ".runner.toml: file: there is no such option", ""),
        ("[exec]\nmax-parallel = 'x'\n", ".runner.toml: max-parallel: ", ""),
        ("[exec]\nmax-parallel = 0\n", ".runner.toml: max-parallel: ", ""),
        ("[exec]\nmax-parallel = true\n", ".runner.toml: max-parallel: True is of another kind", "a text or a number"),
        ("[exec]\noutput = 'xml'\n", ".runner.toml: output: ", ""),
        ("[exec]\nenv = 'A=1'\n", ".runner.toml: env: 'A=1' is of another kind", "a list of texts"),
        ("[exec]\nenv = [1]\n", ".runner.toml: env: [1] is of another kind", "a list of texts"),
        ("[exec]\nno-color = 'yes'\n", ".runner.toml: no-color: 'yes' is of another kind", "true or false"),
        ("[exec.env]\nA = '1'\n", ".runner.toml: env: {'A': '1'} is of another kind", "a list of texts"),
    ],
)
def test_what_cannot_be_is_refused_with_file_and_key(
    repository: Repository, text: str, message: str, hint: str
) -> None:
    error = _refusal(repository, text)

    assert error.message.startswith(message)
    assert hint in error.hint


@pytest.mark.parametrize(
    "key",
    [
        *("artifacts", "bind", "event-file", "export", "privileged-image", "secret", "secret-file", "source", "volume"),
        "shell-on-failure",
    ],
)
def test_a_repository_may_not_grant_anything_or_reach_out_of_itself(repository: Repository, key: str) -> None:
    error = _refusal(repository, f"[exec]\n{key} = true\n")

    assert error.message == f".runner.toml: {key}: a repository may not say this"
    assert error.hint == f"give --{key} on the command line"


def test_every_option_that_is_refused_here_can_be_given_on_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], repository: Repository
) -> None:
    monkeypatch.setattr(sys, "argv", ["runner", "exec", "--help"])
    monkeypatch.setenv("COLUMNS", "200")

    app.run()

    shown = capsys.readouterr().out
    for key in ("bind", "event-file", "export", "privileged-image", "secret", "secret-file", "source", "volume"):
        assert f"--{key} " in shown


def test_a_file_of_variables_is_found_from_the_directory_of_the_defaults(repository: Repository) -> None:
    repository.write(".runner.toml", '[exec]\nenv-file = ["ci/env"]\n')
    repository.write("ci/env", "A=1\n")
    repository.write("sub/p.yml")

    assert _call("sub/p.yml")["env_file"] == [repository.root / "ci" / "env"]


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "link", "sub/../../outside"])
def test_a_file_of_variables_outside_of_the_repository_is_refused(repository: Repository, path: str) -> None:
    (repository.root / "link").symlink_to("/etc/passwd")

    error = _refusal(repository, f'[exec]\nenv-file = ["{path}"]\n')

    assert error.message == f".runner.toml: env-file: {path} is not in the repository"


def test_help_is_shown_also_where_the_defaults_are_wrong(repository: Repository) -> None:
    repository.write(".runner.toml", "[exec\n")

    assert _call("--help") == {}


def test_the_real_commands_take_their_defaults_from_the_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], repository: Repository
) -> None:
    repository.write(".vela.yml", 'version: "1"\nsteps: [{name: a, image: i, commands: [x]}]\n')
    repository.write(".runner.toml", '[compile]\nimage = ["i=j"]\nbranch = "release"\n')
    monkeypatch.setattr(sys, "argv", ["runner", "compile"])

    assert app.run() == 0

    out = capsys.readouterr().out
    assert "branch release" in out
    assert "step a: j" in out
