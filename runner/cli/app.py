"""The typer application, and the one place where errors become messages and exit codes."""

import importlib
import sys
import traceback
from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

from runner import __version__
from runner.cli.console import escaped, say
from runner.cli.importing import importing
from runner.diagnostics import redacted
from runner.errors import ExitCode, InvalidPipelineError, RunnerError

SUMMARIES: Final = {
    "exec": "Run a pipeline in containers, on a copy-on-write layer over the repository.",
    "compile": "Show what would run, and why the rest would not.",
    "validate": "Say everything that is wrong in pipelines.",
    "schema": "Print the JSON Schema of a pipeline, for editors: red underlines, completion, a line about each key.",
    "daemon": "Be the daemon of a data directory: run what is submitted, here or by an earlier one that died.",
    "submit": "Ask the daemon for a run: of a pipeline that it knows by name, or of the one in a file.",
    "runs": "List the runs of the daemon, the newest first.",
    "show": "Show what a run has come to: its stages and steps, their times, and why.",
    "logs": "Print what the steps of a run have printed so far, with their names; of one step as it is.",
    "cancel": "End a run before its time, as Ctrl-C does in exec; one that waits never begins.",
    "resume": "Have a paused run go on: where it stopped, with its files, values and inputs. Prints its id.",
    "rerun": "Run a run once more, as it was: its commit, its pipeline, its inputs. Prints the id of the new run.",
    "shell": "Open a shell like a step of a run: its image, workspace, user and variables.",
    "pipelines": "List the pipelines that the daemon knows by name, or change them.",
    "properties": "List the plain properties of a registered pipeline, or change them.",
    "secrets": "List the names of the secrets of a registered pipeline, or change them.",
    "hooks": "List what starts async stages of registered pipelines from elsewhere, or change it.",
    "clean": "Remove what dead runs of this user left on the engine, and what runs were told to keep.",
    "doctor": "Look at this machine and its engine, and say what is missing or weak, and what to do about it.",
}
"""The commands by their names, each with the first line of what it says of itself.

The command ``name`` is the function ``name_command`` of the module ``runner.cli.name``; if it has commands of its own,
that is the callback of the ``group`` there.
"""


class _OnDemand(TyperGroup):
    """A group that imports a command when it is asked for: all of them would take many times as long as any of them."""

    def resolve_command(
        self,
        ctx: Any,  # noqa: ANN401 - a context of click, whose types typer keeps to itself
        args: list[str],
    ) -> tuple[str | None, Any, list[str]]:
        """Return the command that the arguments name, as it is, not as the group lists it."""
        name, listed, rest = super().resolve_command(ctx, args)
        return name, listed and _load(str(name)), rest

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - as above
        """Write the help of the group: in colours on a terminal, elsewhere without rich, which takes long to import."""
        if sys.stdout.isatty():
            super().format_help(ctx, formatter)
            return
        plain = ctx.make_formatter()
        super(TyperGroup, self).format_help(ctx, plain)
        say(plain.getvalue().rstrip())  # here, as typer does: without arguments it drops what stands in the formatter

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 - as above, and as click calls it
        """Write the summaries where there is no rich: whole, which click would cut to a line."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))


def _load(name: str) -> Any:  # noqa: ANN401 - a command of click, as above
    with importing():
        module = importlib.import_module(f"runner.cli.{name}")
    if hasattr(module, "group"):
        return get_command(module.group)
    alone = typer.Typer(add_completion=False)
    alone.command(name)(getattr(module, f"{name}_command"))
    return get_command(alone)


def _listed() -> None:
    """Stand in the group for a command that nobody has asked for."""


app = typer.Typer(
    cls=_OnDemand,
    help="Run pipelines whose every step is a Docker container.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for _name, _summary in SUMMARIES.items():
    app.command(_name, help=_summary)(_listed)


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
        return _code_of(end)
    except InvalidPipelineError as error:
        _tell(error.message)  # each line begins with its place, as editors and programs expect it
        return error.exit_code
    except RunnerError as error:
        _tell(f"runner: {error.message}")
        if error.hint:
            _tell(f"        {error.hint}")
        return error.exit_code
    except Exception:  # noqa: BLE001 - whatever it is, Python's exit code 1 would mean that the pipeline failed
        _tell(traceback.format_exc() + "runner: this is an error of the runner itself")
        return ExitCode.INFRASTRUCTURE
    return ExitCode.SUCCESS


def _code_of(end: SystemExit) -> int:
    """Return the exit code; typer's own ends are 1 in two cases, which here means that the pipeline failed."""
    match end.__context__:
        case typer.Abort():  # a question was answered with Ctrl-C
            return ExitCode.INTERRUPTED
        case BrokenPipeError():  # nobody reads the help
            return ExitCode.PIPE_CLOSED
    return int(end.code or 0)


def _tell(text: str) -> None:
    sys.stderr.write(f"{escaped(redacted(text))}\n")  # it may hold what a file says, or a secret
