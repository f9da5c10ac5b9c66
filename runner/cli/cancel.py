"""``runner cancel``: ends a run before its time."""

from typing import Annotated

import typer

from runner.cli.console import say
from runner.cli.past import find
from runner.cli.remote_options import RunId
from runner.errors import UsageError


def cancel_command(
    run: RunId,
    *,
    force: Annotated[bool, typer.Option("--force", metavar="", help="Kill what runs, without any grace.")] = False,
    with_children: Annotated[
        bool, typer.Option("--with-children", metavar="", help="End the async stages that it has started, too.")
    ] = False,
) -> None:
    """End a run before its time, as Ctrl-C does in exec; one that waits never begins."""
    if (past := find(run)) is not None:
        if force or with_children:
            raise UsageError(f"run {run} is one of exec, which ends all of it by itself", hint="leave out the option")
        past.cancel()
        say(f"run {run} is told to end")
        return
    from runner.cli.client.daemon import Daemon  # noqa: PLC0415 - --help and completion do without it

    daemon = Daemon.here()
    wanted = daemon.named(run)
    daemon.cancel(wanted, force=force, children=with_children)
    say(f"run {wanted} is told to end" + (", with its async stages" if with_children else ""))
