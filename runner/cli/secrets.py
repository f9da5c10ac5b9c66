"""``runner secrets``: values of a registered pipeline that nobody can read back."""

import json
import sys
from collections.abc import Iterable
from typing import Annotated

import typer

from runner.cli import options
from runner.cli.console import escaped, say
from runner.cli.remote_options import PipelineName, no_events
from runner.cli.secret_values import as_secret, read_given
from runner.errors import UsageError
from runner.workspace.files import read_all

# Options may stand behind the name of the pipeline, too.
group = typer.Typer(add_completion=False, context_settings={"allow_interspersed_args": True})

_Forms = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME", help="NAME=@FILE is taken from a file; NAME from stdin, or asked for at a terminal."
    ),
]
_Names = Annotated[list[str], typer.Argument(metavar="NAME", help="Their names.")]


@group.callback(invoke_without_command=True)
def secrets_command(
    context: typer.Context, pipeline: PipelineName, *, output: options.Output = options.OutputFormat.TEXT
) -> None:
    """List the names of the secrets of a registered pipeline, or change them."""
    context.obj = pipeline
    if context.invoked_subcommand is not None:
        return
    no_events(output, "a list")
    from runner.cli.client.daemon import Daemon  # noqa: PLC0415 - --help and completion do without it

    found = Daemon.here().pipeline(pipeline).secrets
    if output is options.OutputFormat.JSON:
        say(json.dumps({"secrets": found}, indent=2))
    else:
        say("\n".join(found) or f"pipeline {pipeline} has no secrets")


@group.command("set")
def set_command(context: typer.Context, secrets: _Forms) -> None:
    """Set secrets, whose values never stand on a command line; runs that have been submitted keep what they have."""
    from runner.cli.client.daemon import Daemon  # noqa: PLC0415 - --help and completion do without it

    values, asked = read_given("", secrets)
    values |= _typed(asked)
    daemon = Daemon.here()
    for name, value in values.items():
        daemon.set_secret(context.obj, name, value)


@group.command("remove")
def remove_command(context: typer.Context, names: _Names) -> None:
    """Remove secrets."""
    from runner.cli.client.daemon import Daemon  # noqa: PLC0415 - --help and completion do without it

    daemon = Daemon.here()
    for name in names:
        daemon.remove_secret(context.obj, name)


def _typed(names: Iterable[str]) -> dict[str, str]:
    """Return secrets as whoever sits at the terminal types them; without a terminal, the one that stdin holds."""
    wanted = tuple(dict.fromkeys(names))
    if not wanted:
        return {}
    if sys.stdin.isatty():
        return {name: typer.prompt(f"secret {escaped(name)}", hide_input=True, err=True) for name in wanted}
    if len(wanted) > 1:
        raise UsageError(f"stdin holds one secret, and not {', '.join(wanted)}", hint="use NAME=@FILE for the others")
    try:
        return {wanted[0]: as_secret(read_all(sys.stdin.buffer), "stdin")}
    except OSError as error:
        raise UsageError(f"stdin: {error.strerror}") from error
