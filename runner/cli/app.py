"""The typer application, and the one place where errors become messages and exit codes."""

import sys
import traceback

import typer

from runner import __version__
from runner.cli.clean import clean_command
from runner.cli.compile import compile_command
from runner.cli.console import say
from runner.cli.doctor import doctor_command
from runner.cli.exec import exec_command
from runner.cli.schema import schema_command
from runner.cli.validate import validate_command
from runner.errors import ExitCode, InvalidPipelineError, RunnerError

app = typer.Typer(
    help="Run pipelines whose every step is a Docker container.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("exec")(exec_command)
app.command("compile")(compile_command)
app.command("validate")(validate_command)
app.command("schema")(schema_command)
app.command("clean")(clean_command)
app.command("doctor")(doctor_command)


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", help="Show the version."),  # noqa: FBT001 - typer's way
) -> None:
    if version:
        say(f"runner {__version__}")
        raise typer.Exit


def run() -> int:
    """Run the application; return the exit code."""
    try:
        app()
    except SystemExit as end:
        # typer ends with 1 when a question is answered with Ctrl-C; 1 means that the pipeline failed.
        return ExitCode.INTERRUPTED if isinstance(end.__context__, typer.Abort) else int(end.code or 0)
    except InvalidPipelineError as error:
        sys.stderr.write(f"{error.message}\n")  # each line begins with its place, as editors and programs expect it
        return error.exit_code
    except RunnerError as error:
        sys.stderr.write(f"runner: {error.message}\n")
        if error.hint:
            sys.stderr.write(f"        {error.hint}\n")
        return error.exit_code
    except Exception:  # noqa: BLE001 - whatever it is, Python's exit code 1 would mean that the pipeline failed
        traceback.print_exc()
        sys.stderr.write("runner: this is an error of the runner itself\n")
        return ExitCode.INFRASTRUCTURE
    return ExitCode.SUCCESS
