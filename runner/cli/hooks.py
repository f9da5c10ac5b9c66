"""``runner hooks``: what starts async stages of registered pipelines from elsewhere, and the tokens for that."""

import json
from pathlib import Path
from typing import Annotated

import typer

from runner.cli import options
from runner.cli.completion import complete_pipeline
from runner.cli.console import say
from runner.cli.inputs import read_assignments
from runner.cli.remote_options import PipelineName, no_events
from runner.cli.secret_values import as_secret
from runner.cli.table import moment, table
from runner.dispatch.requests import Hook
from runner.errors import UsageError
from runner.plan import codec
from runner.workspace.files import read

group = typer.Typer(add_completion=False, no_args_is_help=True)

_HEAD = ("PIPELINE", "HOOK", "PATH", "TOKEN FROM", "PARAMETERS")
_Some = Annotated[
    str, typer.Argument(metavar="PIPELINE", autocompletion=complete_pipeline, help="Only those of this pipeline.")
]
_Assignments = Annotated[
    list[str], typer.Argument(metavar="NAME=VALUE", help="What get_env NAME answers in its async stages.")
]
_Names = Annotated[list[str], typer.Argument(metavar="NAME", help="Their names.")]
_Token = Annotated[
    str, typer.Option("--token", metavar="@FILE", help="The token, in a file; without it a new one is made.")
]


@group.callback()
def hooks_command() -> None:
    """List what starts async stages of registered pipelines from elsewhere, or change it."""


@group.command("list")
def list_command(pipeline: _Some = "", *, output: options.Output = options.OutputFormat.TEXT) -> None:
    """List hooks. One is made when a step of its pipeline first starts an async stage."""
    no_events(output, "a list")
    from runner.cli.client.daemon import Daemon  # noqa: PLC0415 - --help and completion do without it

    found = Daemon.here().hooks(pipeline)
    if output is options.OutputFormat.JSON:
        say(json.dumps({"hooks": [codec.encode(each) for each in found]}, indent=2))
    elif found:
        say(table((_HEAD, *map(_row, found))))
    else:
        say(f"pipeline {pipeline} has no hooks" if pipeline else "there are no hooks")


@group.command("rotate")
def rotate_command(pipeline: PipelineName, *, token: _Token = "") -> None:
    """Give the hook of a pipeline another token, and print that; the one before opens nothing any more."""
    from runner.cli.client.daemon import Daemon  # noqa: PLC0415 - --help and completion do without it

    given = _given(token) if token else ""
    daemon = Daemon.here()
    found = daemon.rotate_hook(pipeline, given)
    say(found)
    for hook in daemon.hooks(pipeline):
        say(f"the token of {hook.name!r}: send it as {hook.header} with POST {hook.path}", err=True)


@group.command("set")
def set_command(pipeline: PipelineName, assignments: _Assignments) -> None:
    """Set parameters that all async stages of a pipeline are given."""
    from runner.cli.client.daemon import Daemon  # noqa: PLC0415 - --help and completion do without it

    values = read_assignments("parameter", assignments)
    daemon = Daemon.here()
    for name, value in values.items():
        daemon.set_parameter(pipeline, name, value)


@group.command("remove")
def remove_command(pipeline: PipelineName, names: _Names) -> None:
    """Remove parameters."""
    from runner.cli.client.daemon import Daemon  # noqa: PLC0415 - --help and completion do without it

    daemon = Daemon.here()
    for name in names:
        daemon.remove_parameter(pipeline, name)


def _given(text: str) -> str:
    """Return the token that ``@FILE`` holds."""
    if not text.startswith("@"):
        raise UsageError("--token: a token on a command line is seen by everyone", hint="use --token @FILE")
    try:
        token = as_secret(read(Path(text[1:])), f"--token {text}")
    except OSError as error:
        raise UsageError(f"--token {text}: {error.strerror}") from error
    if not token:
        raise UsageError(f"--token {text}: the file is empty", hint="without --token a new one is made")
    return token


def _row(hook: Hook) -> tuple[str, ...]:
    parameters = " ".join(f"{name}={value}" for name, value in hook.parameters.items())
    return hook.pipeline, hook.name, hook.path, moment(hook.rotated or hook.created), parameters or "-"
