"""The options and arguments that commands share which speak to a daemon."""

from typing import Annotated

import typer

from runner.cli import options
from runner.cli.completion import complete_pipeline, complete_run
from runner.cli.options import OutputFormat
from runner.errors import UsageError

RunId = Annotated[
    str, typer.Argument(metavar="RUN", autocompletion=complete_run, help="The id of the run; `last` is the newest one.")
]
PipelineName = Annotated[
    str, typer.Argument(metavar="PIPELINE", autocompletion=complete_pipeline, help="A registered pipeline.")
]
Part = Annotated[str, typer.Argument(metavar="STAGE[/STEP]", help="Only this stage, or this step.")]
Follow = Annotated[
    bool,
    typer.Option("--follow", "-f", metavar="", help="Show the run as exec does; Ctrl-C cancels it, twice at once."),
]
Queue = Annotated[str, typer.Option("--queue", metavar="NAME", help="The queue that the run waits in.")]
Output = options.Output


def no_events(output: OutputFormat, what: str) -> None:
    """Raise UsageError if events are asked for where there are none; ``what`` says where."""
    if output is OutputFormat.EVENTS:
        raise UsageError(f"{what} has no events", hint="--output json")
