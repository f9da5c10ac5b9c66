"""``runner shell``: a look around where a step of a daemon's run has run."""

import sys
from typing import Annotated

import typer

from runner.cli.extras import of_daemon
from runner.cli.remote_options import RunId
from runner.errors import UsageError


def shell_command(
    run: RunId,
    part: Annotated[str, typer.Argument(metavar="STAGE[/STEP]", help="Where; without a step, where the stage failed.")],
) -> None:
    """Open a shell like a step of a run: its image, workspace, user and variables.

    The workspaces of a run that failed are kept for a while; `runner show` says until when.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("a shell needs a terminal", hint="run it by hand, without a pipe")
    from runner.cli.client.daemon import Daemon  # noqa: PLC0415 - --help and completion do without it

    with of_daemon():
        from runner.cli.client.shell import open_shell  # noqa: PLC0415 - as above

    daemon = Daemon.here()
    stage, _, step = part.partition("/")
    open_shell(daemon.endpoint, daemon.named(run), stage, step)
