"""What the command imports before it does what it is asked for: most of the time that a short command takes."""

import importlib
import inspect
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from runner import cli
from runner.cli import app as application
from tests.support.repositories import Repository

PROGRAM = """
import atexit, sys
from runner.cli.main import main
sys.argv[0] = "runner"
atexit.register(lambda: print("IMPORTED", *sys.modules, file=sys.stderr))
main()
"""
RUNNER = Path(sys.executable).parent / "runner"
PIPELINE = 'version: "1"\nsteps: [{name: s, image: i, commands: [ls]}]\n'
WORK = {"docker", "requests", "urllib3", "git", "jsonschema", "structlog"}
"""What takes long to import, and is only needed where something is done."""
ON_DEMAND = {
    *("pydantic", "asyncio", "re2", "tomllib"),
    *("runner.cli.compile", "runner.cli.events", "runner.cli.failure_shell"),
    *("runner.dialects.ibm", "runner.dialects.metalus", "runner.dialects.schema", "runner.dialects.vela.passed"),
    *("runner.dispatch.apart", "runner.dispatch.clean", "runner.dispatch.family", "runner.dispatch.trees"),
    *("runner.engine.children", "runner.pipelinectl.payload", "runner.workspace.git.sources"),
    *("runner.plan.expressions.language", "runner.plan.filepath", "runner.plan.globs", "runner.workspace.payload"),
}
"""What only some pipelines and options need; those of these tests do not."""
INSIDE = {"runner.engine.backend", "runner.engine.run", "runner.backends.docker.client", "runner.dispatch.single"}
SERVING = {"fastapi", "starlette", "uvicorn", "sqlalchemy", "alembic", "cryptography", "websockets"}
"""What the daemon works with, and no client."""

LOOKS = {"rich", "markdown_it", "pygments"}
COMMANDS = list(application.SUMMARIES)
NOTHING: Mapping[str, str] = MappingProxyType({})


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Return a directory with a pipeline, which belongs to no repository."""
    (tmp_path / ".vela.yml").write_text(PIPELINE)
    return tmp_path


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a directory with a pipeline, which belongs to a repository."""
    made = Repository(tmp_path / "shop")
    made.write(".vela.yml", PIPELINE)
    return made.root


def _imported(directory: Path, *arguments: str, code: int = 0, asked: Mapping[str, str] = NOTHING) -> set[str]:
    """Return the modules that a command has imported at its end, which is to be with an exit code."""
    variables = {**os.environ, "DOCKER_HOST": "unix:///nonexistent.sock", "RUNNER_STATE_DIR": str(directory / "state")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=directory,
        env={**variables, **asked},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return set(done.stderr.rpartition("IMPORTED ")[2].split())


def _bash(words: str) -> dict[str, str]:
    """Return how bash asks what there is for the last of the words."""
    return {"_RUNNER_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}


def test_the_version_imports_nothing_but_the_package(here: Path) -> None:
    imported = _imported(here, "--version")

    assert {name for name in imported if name.startswith("runner")} == {"runner", "runner.cli", "runner.cli.main"}
    assert imported & {"typer", "signal", "dataclasses", "inspect"} == set()


def test_help_imports_no_command(here: Path) -> None:
    imported = _imported(here, "--help")

    assert (
        imported & (WORK | LOOKS | INSIDE | ON_DEMAND | {"yaml", *(f"runner.cli.{command}" for command in COMMANDS)})
        == set()
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_imports_nothing_that_it_works_with(here: Path, command: str) -> None:
    imported = _imported(here, command, "--help")

    assert imported & (WORK | INSIDE | SERVING | {"http.client"}) == set()
    assert {name for name in COMMANDS if f"runner.cli.{name}" in imported} == {command}


@pytest.mark.parametrize(
    "words",
    ["runner ", "runner ex", "runner exec --event p", *(f"runner {command} --" for command in COMMANDS)],
)
def test_completion_imports_nothing_that_commands_work_with(here: Path, words: str) -> None:
    imported = _imported(here, asked=_bash(words))

    assert imported & (WORK | LOOKS | INSIDE) == set()


def test_completion_reads_the_pipeline_only_for_names_that_are_in_it(here: Path) -> None:
    reading = {"yaml", "runner.dialects.text"}

    assert _imported(here, asked=_bash("runner exec --st")) & reading == set()
    names = _imported(here, asked=_bash("runner exec --stage "))
    assert names & (reading | WORK | LOOKS | INSIDE) == reading


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_shells_that_show_help_beside_names_are_answered_without_what_commands_work_with(
    here: Path, shell: str
) -> None:
    asked = {"_RUNNER_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": "runner exec --st"}

    imported = _imported(here, asked={**asked, "_TYPER_COMPLETE_FISH_ACTION": "get-args"})

    assert imported & (WORK | INSIDE) == set()


def test_validate_imports_no_engine_and_no_git(here: Path) -> None:
    imported = _imported(here, "validate")

    assert imported & (WORK | LOOKS | INSIDE | ON_DEMAND) == set()


def test_compile_imports_git_for_the_facts_of_a_repository_but_no_engine(repository: Path) -> None:
    imported = _imported(repository, "compile")

    assert imported & (WORK | LOOKS | INSIDE) == {"git"}


@pytest.mark.parametrize(("command", "code"), [("compile", 0), ("submit", 3), ("exec", 3)])
def test_outside_of_a_repository_nobody_imports_git(here: Path, command: str, code: int) -> None:
    imported = _imported(here, command, code=code, asked={"RUNNER_DATA_DIR": str(here)})

    assert imported & {"git", "gitdb"} == set()


@pytest.mark.parametrize(
    "command", ["runs", "show last", "cancel x", "pipelines", "properties p", "secrets p", "hooks list"]
)
def test_who_asks_a_daemon_imports_neither_what_it_works_with_nor_an_engine(here: Path, command: str) -> None:
    imported = _imported(here, *command.split(), code=3, asked={"RUNNER_DATA_DIR": str(here)})

    assert imported & (WORK | LOOKS | SERVING | ON_DEMAND | {"yaml"} | (INSIDE - {"runner.engine.backend"})) == set()


def test_submit_imports_git_for_facts_but_no_engine(repository: Path) -> None:
    imported = _imported(repository, "submit", code=3, asked={"RUNNER_DATA_DIR": str(repository)})

    assert imported & (WORK | LOOKS | SERVING | INSIDE | ON_DEMAND) == {"git"}
    assert {name for name in imported if name.startswith(("runner.engine", "runner.backends"))} == {
        "runner.engine",
        "runner.engine.envfile",
    }


def test_submit_by_name_imports_not_even_git(here: Path) -> None:
    imported = _imported(here, "submit", "shop", code=3, asked={"RUNNER_DATA_DIR": str(here)})

    assert imported & (WORK | LOOKS | SERVING | INSIDE | ON_DEMAND | {"yaml"}) == set()


def test_an_invalid_pipeline_is_told_before_the_engine_is_imported(here: Path) -> None:
    (here / ".vela.yml").write_text("version: '1'\nsteps: 7\n")

    imported = _imported(here, "exec", code=2)

    assert imported & (WORK | LOOKS | INSIDE) <= {"git", "runner.engine.backend"}


def test_exec_imports_the_engine_but_nothing_that_draws_or_judges(here: Path) -> None:
    imported = _imported(here, "exec", code=3)

    later = {"runner.engine.run", "runner.dispatch.single"}  # while the engine makes the run's sandbox
    assert imported & (WORK | LOOKS | INSIDE) == (WORK | INSIDE) - later - {"git", "jsonschema", "structlog"}


def test_exec_imports_what_only_some_runs_need_for_none_of_the_others(here: Path) -> None:
    imported = _imported(here, "exec", code=3)

    assert imported & ON_DEMAND == set()


@pytest.mark.parametrize(
    ("step", "found"),
    [
        ("{name: s, image: i, parameters: {a: 1.20}}", "runner.dialects.vela.passed"),
        ("{name: s, image: i, ruleset: {if: {branch: [m*]}}}", "runner.plan.filepath"),
        (
            "{name: s, image: i, ruleset: {if: {eval: 'VELA_BUILD_BRANCH == \"a\"'}}}",
            "runner.plan.expressions.language",
        ),
        ("{name: s, image: i, ruleset: {if: {branch: [m.*], matcher: regexp}}}", "re2"),
        ("{name: s, image: i, environment: {A: b, C: '${A#*b}'}}", "runner.plan.globs"),
    ],
)
def test_what_a_pipeline_needs_is_imported_for_it(here: Path, step: str, found: str) -> None:
    (here / ".vela.yml").write_text(f'version: "1"\nsteps: [{step}, {{name: t, image: i, commands: [ls]}}]\n')

    assert found in _imported(here, "compile") & ON_DEMAND


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_of_each_what_it_says_of_itself(name: str) -> None:
    command = getattr(importlib.import_module(f"runner.cli.{name}"), f"{name}_command")

    assert (inspect.getdoc(command) or "").partition("\n\n")[0] == application.SUMMARIES[name]


def test_every_command_is_in_the_list() -> None:
    texts = [(file.stem, file.read_text()) for file in Path(cli.__path__[0]).glob("*.py")]

    assert {name for name, text in texts if re.search(rf"^def {name}_command\(", text, re.MULTILINE)} == set(COMMANDS)


@pytest.mark.parametrize(("arguments", "code"), [(("--help",), 0), ((), 2)], ids=str)
def test_help_that_goes_to_no_terminal_is_plain_and_whole(arguments: tuple[str, ...], code: int) -> None:
    done = subprocess.run([RUNNER, *arguments], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout.isascii()
    words = " ".join(done.stdout.split())
    assert words.startswith("Usage: runner [OPTIONS] COMMAND [ARGS]... Run pipelines")
    assert words.endswith(" ".join(f"{name} {summary}" for name, summary in application.SUMMARIES.items()))


def test_help_on_a_terminal_is_in_panels_with_the_same_summaries() -> None:
    terminal, inner = os.openpty()
    with subprocess.Popen([RUNNER, "--help"], stdout=inner, env={**os.environ, "COLUMNS": "150"}):
        os.close(inner)
        shown = _all(terminal)

    assert "╭" in shown
    assert all(summary in shown for summary in application.SUMMARIES.values())


def _all(terminal: int) -> str:
    """Read a terminal until nobody writes to it any more; close it."""
    found = b""
    with open(terminal, "rb", buffering=0) as stream:
        try:
            while chunk := stream.read(4096):
                found += chunk
        except OSError:
            pass  # this is how a terminal ends
    return re.sub(r"\x1b\[[0-9;]*m", "", found.decode())


def test_a_command_that_is_nearly_there_is_suggested() -> None:
    done = subprocess.run([RUNNER, "exce"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (2, "")
    assert "No such command 'exce'. Did you mean 'exec'?" in done.stderr


def test_ctrl_c_just_ends_the_process_while_a_command_is_imported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    really, found = importlib.import_module, {}

    def spy(name: str, package: str | None = None) -> object:
        found[name] = signal.getsignal(signal.SIGINT)
        return really(name, package)

    monkeypatch.setattr(importlib, "import_module", spy)
    monkeypatch.setattr(sys, "argv", ["runner", "schema"])
    before = signal.getsignal(signal.SIGINT)

    assert application.run() == 0
    assert found["runner.cli.schema"] is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is before
    assert capsys.readouterr().out.startswith("{")
