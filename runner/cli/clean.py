"""``runner clean``: removes what dead runs left."""

import typer

from runner.backends.docker.client import Engine
from runner.cli.console import say
from runner.dispatch.clean import clean
from runner.errors import ExitCode
from runner.settings import Settings
from runner.store import instances


def clean_command() -> None:
    """Remove what dead runs of this user left on the engine, and what runs were told to keep.

    What belongs to a run that is going on, to another user or host, or to a daemon is not touched.
    """
    with instances.live(Settings.read().state, instances.KIND_EXEC) as instance:
        cleaned = clean(Engine(), instance, kept=True)
    for remnant in cleaned.removed:
        say(f"removed {remnant.kind} {remnant.name} of run {remnant.run}")
    for remnant in cleaned.left:
        say(f"cannot remove {remnant.kind} {remnant.name} of run {remnant.run}", err=True)
    if not cleaned.removed and not cleaned.left:
        say("nothing to remove")
    if cleaned.left:
        raise typer.Exit(ExitCode.INFRASTRUCTURE)
