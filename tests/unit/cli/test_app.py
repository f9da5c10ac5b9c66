import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from runner import __version__, errors
from runner.cli import app as application
from runner.cli.main import main
from runner.errors import (
    EngineRefusedError,
    ExitCode,
    Finding,
    InvalidPipelineError,
    Place,
    RunnerError,
    Severity,
)

RUNNER = Path(sys.executable).parent / "runner"
CODES = {
    "RunnerError": 3,
    "UsageError": 2,
    "NotFoundError": 2,
    "ConflictError": 2,
    "DeniedError": 2,
    "InvalidPipelineError": 2,
    "InfrastructureError": 3,
    "EngineUnavailableError": 3,
    "EngineTimeoutError": 3,
    "EngineRefusedError": 3,
    "ImageError": 3,
    "WorkspaceError": 3,
    "StoreError": 3,
    "TransitionError": 3,
    "DaemonRunningError": 3,
    "DaemonUnavailableError": 3,
    "OrderError": 3,
    "BusyError": 3,
    "UnwantedError": 3,
    "AbandonedError": 3,
    "JournalError": 3,
    "SupersededError": 3,
}


def _classes() -> dict[str, type[RunnerError]]:
    return {
        name: found
        for name, found in vars(errors).items()
        if isinstance(found, type) and issubclass(found, RunnerError)
    }


def _error(name: str) -> RunnerError:
    found = _classes()[name]
    if found is InvalidPipelineError:
        return InvalidPipelineError([Finding(place=Place(file="f"), message="wrong")])
    if found is EngineRefusedError:
        return EngineRefusedError("no", status=409)
    return found("no")


def _raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    """Return the exit code of a command that ends by an error."""
    broken = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

    @broken.command()
    def _command() -> None:
        raise error

    monkeypatch.setattr(application, "app", broken)
    monkeypatch.setattr(sys, "argv", ["runner"])
    return application.run()


def test_every_error_of_the_project_has_its_exit_code_here() -> None:
    assert _classes().keys() == CODES.keys()


@pytest.mark.parametrize("name", CODES)
def test_an_error_ends_the_command_with_its_exit_code(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert _raising(monkeypatch, _error(name)) == CODES[name]


def test_an_error_is_a_line_on_stderr_with_the_next_action_below(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _raising(monkeypatch, RunnerError("it is broken", hint="mend it"))

    assert capsys.readouterr() == ("", "runner: it is broken\n        mend it\n")


def test_a_message_that_holds_what_a_file_says_cannot_move_the_cursor(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _raising(monkeypatch, RunnerError("no key \x1b[2J", hint="write \r"))
    _raising(monkeypatch, InvalidPipelineError([Finding(place=Place(file="\x9b.yml"), message="\x07")]))

    assert capsys.readouterr().err == "runner: no key \\x1b[2J\n        write \\r\n\\x9b.yml:1:1: \\x07\n"


def test_findings_begin_with_their_places(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    findings = [
        Finding(place=Place(file="p.yml", line=7, column=3), message="no image", hint="name one"),
        Finding(place=Place(file="p.yml", line=2), message="odd", severity=Severity.WARNING),
    ]

    code = _raising(monkeypatch, InvalidPipelineError(findings))

    assert code == ExitCode.INVALID
    assert capsys.readouterr() == ("", "p.yml:2:1: warning: odd\np.yml:7:3: no image (name one)\n")


def test_an_error_of_our_own_does_not_look_like_a_failed_pipeline(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = _raising(monkeypatch, ZeroDivisionError("ours"))

    assert code == ExitCode.INFRASTRUCTURE
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert shown.endswith("ZeroDivisionError: ours\nrunner: this is an error of the runner itself\n")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), typer.Abort()], ids=repr)
def test_ctrl_c_before_the_run_is_130(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    assert _raising(monkeypatch, error) == 130


def test_help_that_nobody_reads_is_no_failed_pipeline() -> None:
    done = subprocess.run(
        ["sh", "-c", f"{{ {shlex.quote(str(RUNNER))} exec --help; echo $? >&2; }} | true"],
        capture_output=True,
        check=True,
    )

    assert done.stderr.split()[-1:] == [b"141"]


@pytest.mark.parametrize("code", ExitCode)
def test_a_command_decides_its_exit_code(monkeypatch: pytest.MonkeyPatch, code: ExitCode) -> None:
    assert _raising(monkeypatch, typer.Exit(code)) == code


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [RUNNER, *arguments], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("exec", "--nonsense"),
        ("exec", "--max-parallel", "0"),
        ("exec", "--output", "xml"),
        ("exec", "--source", "/nonexistent"),
        ("exec", "/nonexistent.yml"),
        ("exec", "--bind", "--snapshot", "/nonexistent.yml"),
        ("exec", "--event", "pusch"),
        ("exec", "--needs", "/nonexistent.yml"),
        ("exec", "--pull", "often"),
        ("exec", "--pipeline-type", "starlark"),
        ("exec", "--property", "a=b"),
        ("exec", "--volume", "cache:/c"),
        ("exec", "--privileged-image", "["),
        ("exec", "--env-file", "/nonexistent.env"),
        ("exec", "--event-file", "/nonexistent.json"),
        ("compile", "--output", "events", "/nonexistent.yml"),
    ],
    ids=" ".join,
)
def test_bad_usage_is_2_and_writes_nothing_to_stdout(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = _run(*arguments, RUNNER_STATE_DIR=str(tmp_path / "state"))

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "state").exists(), "nothing is started"


def test_a_setting_that_means_nothing_is_2(tmp_path: Path) -> None:
    (tmp_path / "p.yml").write_text("version: '1'\nsteps:\n  - {name: s, image: i, commands: [ls]}\n")

    done = _run("exec", str(tmp_path / "p.yml"), RUNNER_GRACE="soon")

    assert done.returncode == 2
    assert "runner: RUNNER_GRACE=soon: not a number of seconds" in done.stderr


def test_without_an_engine_exec_is_3_and_says_where_it_looked(tmp_path: Path) -> None:
    (tmp_path / "p.yml").write_text("version: '1'\nsteps:\n  - {name: s, image: i, commands: [ls]}\n")

    done = _run(
        "exec", str(tmp_path / "p.yml"), RUNNER_STATE_DIR=str(tmp_path / "s"), DOCKER_HOST="unix:///nonexistent.sock"
    )

    assert done.returncode == 3
    assert "/nonexistent.sock" in done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "s" / "instances").iterdir()) == []


def test_the_version_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["runner", "--version"])

    main()

    assert capsys.readouterr().out == f"runner {__version__}\n"


def test_the_version_is_told_beside_other_arguments() -> None:
    done = _run("--version", "exec")

    assert (done.returncode, done.stdout) == (0, f"runner {__version__}\n")


def test_the_version_is_told_without_importing_what_takes_time() -> None:
    program = """
import sys
sys.argv = ["runner", "--version"]
from runner.cli.main import main
main()
print([name for name in ("typer", "docker", "git", "yaml", "rich") if name in sys.modules])
"""

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == [f"runner {__version__}", "[]"]


@pytest.mark.parametrize("command", ["exec", "compile"])
def test_the_options_of_a_command_are_shown_in_groups(command: str) -> None:
    done = _run(command, "--help", COLUMNS="100")

    panels = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("╭─")]
    of_both = ["Arguments", "Options", "Facts:", "Inputs", "Choice:"]
    assert panels == [*of_both, *(["Source", "Grants:"] if command == "exec" else []), "Ends:"]


def test_a_setting_can_grant_and_is_checked(tmp_path: Path) -> None:
    (tmp_path / "p.yml").write_text("version: '1'\nsteps:\n  - {name: s, image: i, commands: [ls]}\n")

    done = _run("exec", str(tmp_path / "p.yml"), RUNNER_VOLUMES="/a:/b:/c:/d", RUNNER_STATE_DIR=str(tmp_path / "s"))

    assert done.returncode == 2
    assert "the volume '/a:/b:/c:/d' cannot be read" in done.stderr


def test_help_names_every_command() -> None:
    done = _run("--help")

    assert done.returncode == 0
    assert all(
        f" {command} " in done.stdout for command in ("exec", "compile", "validate", "schema", "clean", "doctor")
    )


def test_the_package_can_be_run_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "runner", "--version"], capture_output=True, text=True, check=True)

    assert done.stdout == f"runner {__version__}\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_a_standard_stream_that_is_closed_is_no_trouble(closed: str, tmp_path: Path) -> None:
    (tmp_path / "p.yml").write_text("version: '1'\nsteps:\n  - {name: s, image: i, commands: [ls]}\n")
    command = f'exec "$@" {closed}'

    done = subprocess.run(
        ["sh", "-c", command, "sh", RUNNER, "compile", tmp_path / "p.yml"], capture_output=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, b"")
