"""``runner pipelines``: the pipelines that the daemon knows by name."""

import json
from typing import Annotated

import typer

from runner.cli import options
from runner.cli.choice import PLAIN, kind_of
from runner.cli.console import say
from runner.cli.groups import grouped
from runner.cli.inputs import read_assignments, read_files
from runner.cli.remote_options import PipelineName, Queue, no_events
from runner.cli.table import table
from runner.dispatch.requests import Definition, Facts, Pipeline
from runner.plan import codec
from runner.settings import DEFAULT_QUEUE

group = typer.Typer(add_completion=False)

_HEAD = ("PIPELINE", "REPOSITORY", "FILE", "BRANCH", "QUEUE")
_Name = Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits and any of _ . - /")]
_Url = Annotated[
    str, typer.Option("--repo-url", metavar="URL", help="The repository, as the daemon's machine reaches it.")
]
_File = Annotated[
    str, typer.Option("--file", metavar="PATH", help="The pipeline in it; else the first that has a usual name.")
]


def default_facts(  # noqa: PLR0913 - one parameter an option
    *,
    event: options.Event = "",
    branch: options.Branch = None,
    tag: options.Tag = None,
    target: options.Target = "",
    sender: options.Sender = None,
    repo: options.Repo = None,
    label: options.Label = None,
    instance: options.InstanceName = "",
    env: options.Environment = None,
    env_file: options.EnvironmentFile = None,
    param: options.Parameter = None,
) -> Facts:
    """Return what the options say of runs of which nobody says otherwise.

    Raises:
        UsageError: a file or an assignment cannot be read.
    """
    return Facts(
        event=event,
        branch=branch,
        tag=tag,
        target=target,
        sender=sender,
        repo=repo,
        labels=tuple(label or ()),
        instance=instance,
        parameters=read_assignments("--param", param or ()),
        environment={**read_files("--env-file", env_file or ()), **read_assignments("--env", env or ())},
    )


@group.callback(invoke_without_command=True)
def pipelines_command(context: typer.Context, *, output: options.Output = options.OutputFormat.TEXT) -> None:
    """List the pipelines that the daemon knows by name, or change them."""
    if context.invoked_subcommand is not None:
        return
    no_events(output, "a list")
    from runner.cli.client.daemon import Daemon  # noqa: PLC0415 - --help and completion do without it

    found = Daemon.here().pipelines()
    if output is options.OutputFormat.JSON:
        say(json.dumps({"pipelines": [codec.encode(each) for each in found]}, indent=2))
    elif found:
        say(table((_HEAD, *map(_row, found))))
    else:
        say("there are no pipelines")


@group.command("add")
@grouped(facts=default_facts)
def add_command(  # noqa: PLR0913 - one parameter an option
    name: _Name,
    facts: Facts,
    *,
    repo_url: _Url,
    file: _File = "",
    submodules: options.Submodules = False,
    dialect: options.DialectName = "",
    pipeline_type: options.PipelineType = PLAIN,
    queue: Queue = DEFAULT_QUEUE,
) -> None:
    """Register a pipeline, or say anew what one is; its properties and secrets stay.

    Facts are for runs of which nobody says otherwise.
    """
    from runner.cli.client.daemon import Daemon  # noqa: PLC0415 - --help and completion do without it

    definition = Definition(
        repository=repo_url,
        file=file,
        submodules=submodules,
        facts=facts,
        dialect=dialect,
        kind=kind_of(pipeline_type),
        queue=queue,
    )
    Daemon.here().register(name, definition)
    say(f"pipeline {name} is registered: `runner submit {name}` runs it")


@group.command("show")
def show_command(name: PipelineName) -> None:
    """Show what is known of a pipeline, as JSON; of its secrets the names."""
    from runner.cli.client.daemon import Daemon  # noqa: PLC0415 - --help and completion do without it

    say(json.dumps(codec.encode(Daemon.here().pipeline(name)), indent=2))


@group.command("remove")
def remove_command(name: PipelineName) -> None:
    """Remove a pipeline, its properties and its secrets; its runs stay."""
    from runner.cli.client.daemon import Daemon  # noqa: PLC0415 - --help and completion do without it

    Daemon.here().forget(name)
    say(f"pipeline {name} is removed")


def _row(pipeline: Pipeline) -> tuple[str, ...]:
    definition = pipeline.definition
    return (
        pipeline.name,
        definition.repository,
        definition.file or "-",
        definition.facts.tag or definition.facts.branch or "-",
        definition.queue,
    )
