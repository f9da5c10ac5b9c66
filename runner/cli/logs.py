"""``runner logs``: what the steps of a run have printed."""

from typing import TYPE_CHECKING, Annotated

import typer

from runner.cli.groups import grouped
from runner.cli.look_options import look
from runner.cli.options import OutputFormat
from runner.cli.past import find
from runner.cli.remote_options import Part, RunId
from runner.errors import UsageError

if TYPE_CHECKING:
    from runner.cli.look import Look


@grouped(look=look)
def logs_command(
    run: RunId,
    look: "Look",
    *,
    part: Part = "",
    follow: Annotated[
        bool, typer.Option("--follow", "-f", metavar="", help="Show the run as exec does until it ends.")
    ] = False,
) -> None:
    """Print what the steps of a run have printed so far, with their names; of one step as it is.

    With --follow the exit code is that of the run; Ctrl-C only ends the showing then (130), the run goes on.
    """
    if not follow and (look.quiet or look.timestamps or look.output is not OutputFormat.TEXT):
        raise UsageError("--output, --quiet and --timestamps are for --follow", hint="without it, lines are as printed")
    if follow and part and (look.quiet or look.output is not OutputFormat.TEXT):
        raise UsageError(f"of {part} only lines are followed", hint="leave out --output and --quiet")
    from runner.cli.client.daemon import Daemon  # noqa: PLC0415 - --help and completion do without it
    from runner.cli.client.printing import download  # noqa: PLC0415 - as above

    stage, _, step = part.partition("/")
    if (past := find(run)) is not None:
        if follow:
            raise UsageError(f"run {run} is one of exec, which shows it itself", hint="leave out --follow")
        download(past.log(stage, step))
        return
    daemon = Daemon.here()
    wanted = daemon.named(run)
    if not follow:
        download(daemon.log(wanted, stage, step))
    elif part:
        from runner.cli.client.printing import follow_part  # noqa: PLC0415 - as above

        raise typer.Exit(follow_part(daemon, wanted, stage, step, look))
    else:
        from runner.cli.client.following import follow as follow_whole  # noqa: PLC0415 - as above

        raise typer.Exit(follow_whole(daemon, wanted, look, cancels=False))
