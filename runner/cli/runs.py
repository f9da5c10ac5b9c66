"""``runner runs``: the runs of the daemon."""

import json
from typing import Annotated

import typer

from runner.cli import options
from runner.cli.completion import complete_pipeline, complete_status
from runner.cli.console import say
from runner.cli.remote_options import no_events
from runner.cli.table import between, descent, table
from runner.clock import SystemClock
from runner.dispatch.requests import Summary
from runner.plan import codec

_HEAD = ("RUN", "PIPELINE", "STATUS", "AGE", "TIME", "REASON")


def runs_command(
    *,
    pipeline: Annotated[
        str, typer.Option(metavar="NAME", autocompletion=complete_pipeline, help="Only those of a registered pipeline.")
    ] = "",
    status: Annotated[
        str, typer.Option(metavar="STATUS", autocompletion=complete_status, help="Only those that stand so.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="How many at most.")] = 20,
    output: options.Output = options.OutputFormat.TEXT,
) -> None:
    """List the runs of the daemon, the newest first."""
    no_events(output, "a list")
    from runner.cli.client.daemon import Daemon  # noqa: PLC0415 - --help and completion do without it

    found = Daemon.here().runs(pipeline=pipeline, status=status, limit=limit)
    if output is options.OutputFormat.JSON:
        say(json.dumps({"runs": [codec.encode(each) for each in found]}, indent=2))
    elif found:
        say(table((_HEAD, *map(_row, found))))
    else:
        say("there are no runs")


def _row(run: Summary) -> tuple[str, ...]:
    now = SystemClock().now()
    age, time = between(run.created, None, now), between(run.started, run.ended, now)
    reason = ": ".join(words for words in (descent(run.child, run.parent), run.reason) if words)
    return run.id, run.pipeline or "-", run.status, age, time or "-", reason
