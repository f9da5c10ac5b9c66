"""``runner cancel``: ends a run of the daemon before its time."""

from typing import Annotated

import typer

from runner.cli.console import say
from runner.cli.remote_options import RunId


def cancel_command(
    run: RunId,
    *,
    force: Annotated[bool, typer.Option("--force", metavar="", help="Kill what runs, without any grace.")] = False,
) -> None:
    """End a run before its time, as Ctrl-C does in exec; one that waits never begins."""
    from runner.cli.client.daemon import Daemon  # noqa: PLC0415 - --help and completion do without it

    daemon = Daemon.here()
    wanted = daemon.named(run)
    daemon.cancel(wanted, force=force)
    say(f"run {wanted} is told to end")
