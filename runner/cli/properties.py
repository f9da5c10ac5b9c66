"""``runner properties``: plain values that every run of a registered pipeline has."""

import json
from typing import Annotated

import typer

from runner.cli import options
from runner.cli.console import say
from runner.cli.inputs import read_assignments
from runner.cli.remote_options import PipelineName, no_events

# Options may stand behind the name of the pipeline, too.
group = typer.Typer(add_completion=False, context_settings={"allow_interspersed_args": True})

_Assignments = Annotated[
    list[str], typer.Argument(metavar="NAME=VALUE", help="What get_env NAME answers in a step of its runs.")
]
_Names = Annotated[list[str], typer.Argument(metavar="NAME", help="Their names.")]


@group.callback(invoke_without_command=True)
def properties_command(
    context: typer.Context, pipeline: PipelineName, *, output: options.Output = options.OutputFormat.TEXT
) -> None:
    """List the plain properties of a registered pipeline, or change them."""
    context.obj = pipeline
    if context.invoked_subcommand is not None:
        return
    no_events(output, "a list")
    from runner.cli.client.daemon import Daemon  # noqa: PLC0415 - --help and completion do without it

    found = dict(Daemon.here().pipeline(pipeline).properties)
    if output is options.OutputFormat.JSON:
        say(json.dumps({"properties": found}, indent=2))
    elif found:
        say("\n".join(f"{name}={value}" for name, value in found.items()))
    else:
        say(f"pipeline {pipeline} has no properties")


@group.command("set")
def set_command(context: typer.Context, assignments: _Assignments) -> None:
    """Set properties; runs that have been submitted keep what they have."""
    from runner.cli.client.daemon import Daemon  # noqa: PLC0415 - --help and completion do without it

    values = read_assignments("property", assignments)
    daemon = Daemon.here()
    for name, value in values.items():
        daemon.set_property(context.obj, name, value)


@group.command("remove")
def remove_command(context: typer.Context, names: _Names) -> None:
    """Remove properties."""
    from runner.cli.client.daemon import Daemon  # noqa: PLC0415 - --help and completion do without it

    daemon = Daemon.here()
    for name in names:
        daemon.remove_property(context.obj, name)
