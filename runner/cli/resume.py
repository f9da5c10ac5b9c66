"""``runner resume``: has a paused run go on."""

from typing import TYPE_CHECKING

import typer

from runner.cli.groups import grouped
from runner.cli.look_options import look
from runner.cli.options import OutputFormat
from runner.cli.past import find
from runner.cli.remote_options import Follow, RunId
from runner.dispatch.requests import Submitted
from runner.errors import UsageError

if TYPE_CHECKING:
    from runner.cli.look import Look


@grouped(look=look)
def resume_command(run: RunId, look: "Look", *, follow: Follow = False) -> None:
    """Have a paused run go on: where it stopped, with its files, values and inputs. Prints its id."""
    if find(run) is not None:
        raise UsageError(
            f"run {run} is one of exec, which keeps nothing to go on with", hint=f"`runner rerun {run}` begins anew"
        )
    if look.output is OutputFormat.EVENTS and not follow:
        raise UsageError("--output events goes with --follow", hint="--output json prints the id")
    from runner.cli.client.daemon import Daemon  # noqa: PLC0415 - --help and completion do without it
    from runner.cli.client.submitted import announce  # noqa: PLC0415 - as above

    daemon = Daemon.here()
    wanted = daemon.named(run)
    daemon.resume(wanted)
    raise typer.Exit(announce(daemon, Submitted(id=wanted), look, follow=follow))
