"""``runner rerun``: a run once more."""

from typing import TYPE_CHECKING, Annotated

import typer

from runner.cli import options
from runner.cli.groups import grouped
from runner.cli.inputs import read_assignments
from runner.cli.look_options import look
from runner.cli.past import find
from runner.cli.past import rerun as rerun_here
from runner.cli.remote_options import Follow, RunId
from runner.cli.secret_values import read_secrets
from runner.dispatch.requests import Again
from runner.errors import UsageError

if TYPE_CHECKING:
    from runner.cli.look import Look


@grouped(look=look)
def rerun_command(  # noqa: PLR0913 - one parameter an option
    run: RunId,
    look: "Look",
    *,
    from_stage: Annotated[
        str,
        typer.Option("--from", metavar="STAGE", help="Only from this stage on, over what those before it have left."),
    ] = "",
    failed: Annotated[
        bool, typer.Option("--failed", metavar="", help="Only from the first stage on that did not succeed.")
    ] = False,
    properties: options.Property = None,
    secret: options.SecretOption = None,
    secret_file: options.SecretFile = None,
    follow: Follow = False,
) -> None:
    """Run a run once more, as it was: its commit, its pipeline, its inputs. Prints the id of the new run.

    One of exec is run here and now and shown as exec does; its secrets are asked for again. From a stage on a run needs
    the workspaces of the first one, which a daemon keeps for a while if it failed.
    """
    if from_stage and failed:
        raise UsageError("--from and --failed do not go together", hint="--failed finds the stage by itself")
    if (past := find(run)) is not None:
        if from_stage or failed:
            raise UsageError(f"run {run} is one of exec, which keeps no workspaces", hint="rerun it as a whole")
        raise typer.Exit(
            rerun_here(
                past,
                look,
                properties=read_assignments("--property", properties or ()),
                secret=secret or (),
                secret_files=secret_file or (),
            )
        )
    again = Again(
        from_stage=from_stage,
        failed=failed,
        properties=read_assignments("--property", properties or ()),
        secrets=read_secrets(secret or (), (), secret_file or ()),
    )
    from runner.cli.client.daemon import Daemon  # noqa: PLC0415 - --help and completion do without it
    from runner.cli.client.submitted import announce  # noqa: PLC0415 - as above

    daemon = Daemon.here()
    raise typer.Exit(announce(daemon, daemon.rerun(daemon.named(run), again), look, follow=follow))
